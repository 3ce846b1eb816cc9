"""Logging in and staying logged in, and the keys of machines, over HTTP."""

from qs.interface.rest.identity.api_keys import ApiKeyController
from qs.interface.rest.identity.controller import AuthController
from qs.interface.rest.identity.oauth import OAuthController

route_handlers = (AuthController, ApiKeyController)
root_route_handlers = (OAuthController,)
