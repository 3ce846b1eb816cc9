"""``/auth``: people log in with a password and stay logged in by refresh token."""

from typing import Any

from litestar import Controller, Request, Response, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody

from qs.application.identity.logging_in import Login
from qs.application.kernel.limiting import LOGIN
from qs.interface.rest.dependencies import Given, given
from qs.interface.rest.envelope import Success, success
from qs.interface.rest.identity.dto import LoginAnswer, LoginBody, RefreshBody
from qs.interface.rest.problems import MEDIA_TYPE, ProblemDetails

OPT = {"public": True, "limit": LOGIN}
NEVER_STORED = {"Cache-Control": "no-store", "Pragma": "no-cache"}

_REFUSED = {
    401: ResponseSpec(
        ProblemDetails,
        description="Nobody is logged in by this.",
        media_type=MEDIA_TYPE,
        generate_examples=False,
    )
}


class AuthController(Controller):
    path = "/auth"
    tags = ("identity",)
    dependencies = {"login": given("login")}  # noqa: RUF012 - litestar's way to declare

    @post("/login", status_code=200, opt=OPT, summary="Log in", responses=_REFUSED)
    async def log_in(
        self, data: JSONBody[LoginBody], request: Request[Any, Any, Any], login: Given[Login]
    ) -> Response[LoginAnswer]:
        address = request.client.host if request.client else ""
        tokens = await login.log_in(data.username, data.password, address)
        return Response(LoginAnswer.of(tokens), headers=NEVER_STORED)

    @post("/refresh", status_code=200, opt=OPT, summary="Continue a session", responses=_REFUSED)
    async def refresh(self, data: JSONBody[RefreshBody], login: Given[Login]) -> Response[LoginAnswer]:
        return Response(LoginAnswer.of(await login.refresh(data.refresh_token)), headers=NEVER_STORED)

    @post("/logout", status_code=200, opt=OPT, summary="End a session")
    async def log_out(self, data: JSONBody[RefreshBody], login: Given[Login]) -> Response[Success[None]]:
        """Whoever holds a refresh token may end its session; one that is not valid (any more) ends nothing."""
        await login.log_out(data.refresh_token)
        return success(None, headers=NEVER_STORED)
