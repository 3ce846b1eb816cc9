"""The delivery ledger, over HTTP."""

from qs.interface.rest.notifications.controller import NotificationController

route_handlers = (NotificationController,)
