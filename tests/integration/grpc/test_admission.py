"""Who may call what over gRPC: whoever may over HTTP, and nobody else."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import grpc
import pytest
from litestar.routes import HTTPRoute
from msgspec.structs import replace

from qs.domain.identity.scopes import SCOPES
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.interface.grpc.duties import METHODS
from qs.interface.grpc.v1 import plan_duties_pb2 as messages
from qs.interface.rest.guards import scopes_of_route
from qs.interface.rest.limits import limit_of
from qs.settings.sections import AuthSettings
from tests.integration.grpc.steps import error_of
from tests.integration.identity.broken_tokens import BROKEN
from tests.integration.plan_http.steps import ABSENT_ID
from tests.support.identity_provider import CLIENTS
from tests.support.provider_process import AUDIENCE, ISSUER

ROUTES = {
    "SchedulePendingTasks": "/api/v1/plans/tasks/schedule",
    "ExpireOverdueTasks": "/api/v1/plans/tasks/expire",
    "ExpireTask": "/api/v1/plans/tasks/{task_id}/expire",
}
REQUESTS: dict[str, Any] = {
    "SchedulePendingTasks": messages.SchedulePendingTasksRequest(),
    "ExpireOverdueTasks": messages.ExpireOverdueTasksRequest(),
    "ExpireTask": messages.ExpireTaskRequest(task_id=ABSENT_ID),
}
UNKNOWN = grpc.StatusCode.UNAUTHENTICATED
DENIED = grpc.StatusCode.PERMISSION_DENIED


async def outcome(call: Any) -> tuple[Any, Any]:
    """As ``error_of``; OK for a call that succeeds."""
    try:
        return await error_of(call)
    except AssertionError:
        return grpc.StatusCode.OK, None


def bearing(token: str) -> Any:
    return (("authorization", f"Bearer {token}"),)


def test_every_method_asks_for_the_scopes_of_its_route(app):
    handlers = {
        route.path_format: handler
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        if "POST" in handler.http_methods
    }

    assert {method.name for method in METHODS} == ROUTES.keys()
    for method in METHODS:
        handler = handlers[ROUTES[method.name]]
        assert set(method.scopes) == set(scopes_of_route(handler))
        assert method.platform is bool(handler.opt.get("platform"))
        assert method.limit == limit_of(handler, "POST")


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
async def test_each_of_its_scopes_lets_a_caller_in_and_no_other_does(duties, holding, method):
    call, request = getattr(duties, method.name), REQUESTS[method.name]
    others = set(SCOPES) - set(method.scopes) - {"admin"}

    nobody = await error_of(call(request))
    narrow = await error_of(call(request, metadata=await holding(*others)))

    assert nobody == (UNKNOWN, "auth.token_missing")
    assert narrow == (DENIED, "auth.scope_missing")
    for scope in (*method.scopes, "admin"):
        let_in = await outcome(call(request, metadata=await holding(scope)))
        expected = (grpc.StatusCode.NOT_FOUND, "task.absent")
        assert let_in == (expected if method.name == "ExpireTask" else (grpc.StatusCode.OK, None)), scope


async def test_no_broken_token_is_believed(duties, truth):
    wrong = {}
    for name, broken in BROKEN.items():
        told = await error_of(
            duties.SchedulePendingTasks(REQUESTS["SchedulePendingTasks"], metadata=bearing(broken()))
        )
        if told != (UNKNOWN, "auth.token_invalid"):
            wrong[name] = told

    assert wrong == {}
    assert await truth.fetchval("SELECT count(*) FROM audit WHERE action = 'duty.run'") == 0


async def test_credentials_in_another_form_or_twice_let_nobody_in(duties, holding):
    good = (await holding("admin"))[0]
    token = good[1].removeprefix("Bearer ")
    for metadata, error in [
        ((("authorization", token),), "auth.token_missing"),
        ((("authorization", f"Basic {token}"),), "auth.token_missing"),
        ((("x-authorization", f"Bearer {token}"),), "auth.token_missing"),
        ((("authorization-bin", f"Bearer {token}".encode()),), "auth.token_missing"),
        ((good, good), "auth.token_invalid"),
        ((("authorization", ""), good), "auth.token_invalid"),
    ]:
        assert await error_of(duties.ExpireTask(REQUESTS["ExpireTask"], metadata=metadata)) == (
            UNKNOWN,
            error,
        )

    lower = (("authorization", f"bearer  {token}"),)
    assert (await error_of(duties.ExpireTask(REQUESTS["ExpireTask"], metadata=lower)))[1] == "task.absent"


async def test_a_platform_account_may_do_the_duties_and_nothing_else(duties, platform):
    metadata = tuple((name.lower(), value) for name, value in platform.items())

    swept = await duties.SchedulePendingTasks(REQUESTS["SchedulePendingTasks"], metadata=metadata)
    expired = await duties.ExpireOverdueTasks(REQUESTS["ExpireOverdueTasks"], metadata=metadata)
    one = await error_of(duties.ExpireTask(REQUESTS["ExpireTask"], metadata=metadata))

    assert (swept.status, expired.status) == ("done", "done")
    assert one == (DENIED, "auth.platform_account")


async def test_an_api_key_lets_its_machine_in(duties, container):
    made = await container.api_key_administration().create(
        DEFAULT_TENANT, "sweeper", ["tasks:schedule"], timedelta(days=1), actor="test"
    )

    report = await duties.SchedulePendingTasks(
        REQUESTS["SchedulePendingTasks"], metadata=bearing(made.secret)
    )
    one = await error_of(duties.ExpireTask(REQUESTS["ExpireTask"], metadata=bearing(f"{made.secret}x")))

    assert report.status == "done"
    assert one[0] is UNKNOWN


class TestWithAProvider:
    """Tokens of an identity provider are believed as over HTTP."""

    @pytest.fixture(params=["jwks", "introspection"])
    def mode(self, request):
        return request.param

    @pytest.fixture
    def settings(self, settings, provider, mode):
        asked: dict[str, Any] = {"jwks_url": f"{provider.url}/jwks"}
        if mode == "introspection":
            asked = {
                "introspection_url": f"{provider.url}/oauth2/introspect",
                "client_id": "qs",
                "client_secret": CLIENTS["qs"],
            }
        auth = AuthSettings(mode=mode, issuer=ISSUER, audience=AUDIENCE, **asked)
        return replace(settings, auth=auth)

    async def test_its_tokens_let_in_whom_they_name(self, duties, provider, mode):
        client = "robot" if mode == "jwks" else "opaque robot"
        token = provider.token("openid tasks:schedule", client=client)
        narrow = provider.token("openid tasks:read", client=client)

        report = await duties.SchedulePendingTasks(REQUESTS["SchedulePendingTasks"], metadata=bearing(token))
        others = [
            await error_of(
                duties.SchedulePendingTasks(REQUESTS["SchedulePendingTasks"], metadata=bearing(each))
            )
            for each in (narrow, f"{token}x", str(uuid4()))
        ]

        assert report.status == "done"
        assert [code for code, _ in others] == [DENIED, UNKNOWN, UNKNOWN]

    async def test_while_it_is_away_a_call_is_to_be_tried_again(self, duties, provider, mode):
        token = provider.token(client="robot" if mode == "jwks" else "opaque robot")
        provider.stop()

        away = await error_of(
            duties.SchedulePendingTasks(REQUESTS["SchedulePendingTasks"], metadata=bearing(token))
        )

        assert away == (grpc.StatusCode.UNAVAILABLE, "auth.provider_away")
