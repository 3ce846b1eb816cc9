"""The event feed, over HTTP."""

from qs.interface.rest.events.controller import EventController

route_handlers = (EventController,)
