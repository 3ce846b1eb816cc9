"""``/admin/users``: the people of a tenant who log in with a password."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Request, Response, get, post, put
from litestar.params import FromPath
from msgspec import Meta, Struct

from qs.application.identity.administering_users import UserAdministration
from qs.domain.identity.accounts import User
from qs.domain.identity.credentials import LONGEST_USERNAME
from qs.domain.identity.principal import Principal
from qs.interface.rest.bodies import Body
from qs.interface.rest.dependencies import Given, given
from qs.interface.rest.envelope import Success, success
from qs.interface.rest.identity.fields import ADMINISTERING, NewPassword, RoleNames
from qs.interface.rest.paging import Page, PageRequest, counted_pages
from qs.interface.rest.plan.examples import a_body_like


class UserBody(Body):
    """Somebody who may log in at once."""

    username: Annotated[str, Meta(min_length=1, max_length=LONGEST_USERNAME)]
    password: NewPassword
    roles: RoleNames


class PasswordBody(Body):
    password: NewPassword


class RolesBody(Body):
    roles: RoleNames


UserRequest = Annotated[
    UserBody,
    a_body_like(username="anna", password="a long sentence of hers", roles=["coordinator"]),  # noqa: S106 - an example
]
PasswordRequest = Annotated[
    PasswordBody,
    a_body_like(password="another long sentence of hers"),  # noqa: S106 - an example
]
RolesRequest = Annotated[RolesBody, a_body_like(roles=["viewer"])]


class UserView(Struct):
    """`disabled_at` is null while the user may log in."""

    id: UUID
    username: str
    roles: list[str]
    created_at: datetime
    disabled_at: datetime | None

    @classmethod
    def of(cls, user: User) -> "UserView":
        return cls(user.id, user.username, list(user.roles), user.created_at, user.disabled_at)


class UserController(Controller):
    path = "/admin/users"
    tags = ("administration",)
    dependencies = {  # noqa: RUF012 - litestar's way to declare
        "users": given("user_administration"),
        "paging": counted_pages,
    }

    @post("/", opt={**ADMINISTERING, "idempotent": True}, summary="Create a user")
    async def create(
        self, data: UserRequest, request: Request[Principal, Any, Any], users: Given[UserAdministration]
    ) -> Response[Success[UserView]]:
        """User names are unique over all tenants; one that is taken answers 409."""
        caller = request.user
        user = await users.create(
            caller.home_tenant, data.username, data.password, data.roles, actor=caller.actor
        )
        return success(UserView.of(user), 201, {"Location": f"/api/v1/admin/users/{user.id}"})

    @get("/", opt=ADMINISTERING, summary="List the users by name")
    async def index(
        self,
        request: Request[Principal, Any, Any],
        users: Given[UserAdministration],
        paging: Given[PageRequest],
    ) -> Response[Success[Page[UserView]]]:
        """Disabled ones too."""
        found = await users.list(request.user.home_tenant)
        shown = found[paging.offset : paging.offset + paging.page_size]
        return success(Page([UserView.of(user) for user in shown], len(found), paging.page, paging.page_size))

    @get("/{user_id:uuid}", opt=ADMINISTERING, summary="Show a user")
    async def show(
        self, user_id: FromPath[UUID], request: Request[Principal, Any, Any], users: Given[UserAdministration]
    ) -> Response[Success[UserView]]:
        return success(UserView.of(await users.get(request.user.home_tenant, user_id)))

    @post("/{user_id:uuid}/disable", opt=ADMINISTERING, status_code=200, summary="Shut a user out")
    async def disable(
        self, user_id: FromPath[UUID], request: Request[Principal, Any, Any], users: Given[UserAdministration]
    ) -> Response[Success[UserView]]:
        """Every session is over within 3 s. The last administrator of a tenant cannot be shut out (409)."""
        user = await users.disable(request.user.home_tenant, user_id, actor=request.user.actor)
        return success(UserView.of(user))

    @put("/{user_id:uuid}/password", opt=ADMINISTERING, summary="Set a user's password")
    async def set_password(
        self,
        user_id: FromPath[UUID],
        data: PasswordRequest,
        request: Request[Principal, Any, Any],
        users: Given[UserAdministration],
    ) -> Response[Success[UserView]]:
        """Only the new one works from now on, and every session is over within 3 s."""
        caller = request.user
        user = await users.set_password(caller.home_tenant, user_id, data.password, actor=caller.actor)
        return success(UserView.of(user))

    @put("/{user_id:uuid}/roles", opt=ADMINISTERING, summary="Set a user's roles")
    async def set_roles(
        self,
        user_id: FromPath[UUID],
        data: RolesRequest,
        request: Request[Principal, Any, Any],
        users: Given[UserAdministration],
    ) -> Response[Success[UserView]]:
        """They hold from the next login on; every session is over within 3 s. The last administrator stays one (409)."""
        caller = request.user
        user = await users.set_roles(caller.home_tenant, user_id, data.roles, actor=caller.actor)
        return success(UserView.of(user))
