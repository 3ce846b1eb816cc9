"""Logging in and staying logged in, over HTTP."""

from qs.interface.rest.identity.controller import AuthController
from qs.interface.rest.identity.oauth import OAuthController

route_handlers = (AuthController,)
root_route_handlers = (OAuthController,)
