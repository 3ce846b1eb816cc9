"""Logging in and staying logged in, the keys of machines, and the administration of tenants, users and accounts, over HTTP."""

from qs.interface.rest.identity.api_keys import ApiKeyController
from qs.interface.rest.identity.controller import AuthController
from qs.interface.rest.identity.oauth import OAuthController
from qs.interface.rest.identity.roles import roles
from qs.interface.rest.identity.service_accounts import ServiceAccountController
from qs.interface.rest.identity.tenant_usage import tenant_usage
from qs.interface.rest.identity.tenants import TenantController
from qs.interface.rest.identity.users import UserController

route_handlers = (
    AuthController,
    ApiKeyController,
    ServiceAccountController,
    TenantController,
    UserController,
    roles,
    tenant_usage,
)
root_route_handlers = (OAuthController,)
