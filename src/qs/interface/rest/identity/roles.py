"""``/admin/roles``: which scopes there are, and which role bundles which."""

from typing import Annotated

from litestar import Response, get
from msgspec import Meta, Struct

from qs.domain.identity.scopes import PLATFORM_SCOPES, ROLES, SCOPES
from qs.interface.rest.envelope import Success, success
from qs.interface.rest.identity.fields import ADMINISTERING


class RoleView(Struct):
    """A role with its scopes, in the order of the table of scopes. `admin` stands for every one of them."""

    name: Annotated[str, Meta(examples=["viewer"])]
    scopes: list[str]


class ScopeView(Struct):
    """`platform`: whether a platform account may hold it."""

    name: Annotated[str, Meta(examples=["plans:read"])]
    allows: Annotated[str, Meta(examples=["read plans and enrollments"])]
    platform: bool


class RolesView(Struct):
    """The table of who may do what, which is the same for every tenant."""

    roles: list[RoleView]
    scopes: list[ScopeView]


@get(
    "/admin/roles",
    opt=ADMINISTERING,
    tags=["administration"],
    summary="List the roles and the scopes",
    sync_to_thread=False,
)
def roles() -> Response[Success[RolesView]]:
    """Nobody changes them: they are those of this release."""
    return success(
        RolesView(
            [RoleView(name, [scope for scope in SCOPES if scope in held]) for name, held in ROLES.items()],
            [ScopeView(name, allows, name in PLATFORM_SCOPES) for name, allows in SCOPES.items()],
        )
    )
