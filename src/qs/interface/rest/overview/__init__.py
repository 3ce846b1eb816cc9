"""What needs attention in a tenant, over HTTP."""

from qs.interface.rest.overview.controller import overview

route_handlers = (overview,)
