"""Who gets to which route."""

from datetime import timedelta
from typing import Any

import pytest
from httpx import AsyncClient
from litestar import get
from litestar.handlers import HTTPRouteHandler

from qs.container import Container
from qs.domain.kernel.ids import DEFAULT_TENANT, PLATFORM_TENANT
from qs.interface.rest.app import RoutesMisdeclared, create_app
from tests.integration.identity.broken_tokens import good
from tests.integration.identity.people import bearer

PROBE = "/api/v1/probe"


async def token_with(container: Container, *scopes: str) -> str:
    issued = await container.token_issuing().issue(DEFAULT_TENANT, scopes, timedelta(hours=1), actor="test")
    return str(issued.token)


async def platform_token(container: Container, *scopes: str) -> str:
    made = await container.service_account_administration().create(
        PLATFORM_TENANT, "cron", scopes, actor="test"
    )
    grant = await container.client_granting().grant(made.account.client_id, made.client_secret)
    return str(grant.access_token)


async def test_a_public_route_asks_for_nothing_and_ignores_what_it_gets(probes: AsyncClient):
    assert (await probes.get(f"{PROBE}/public")).status_code == 200
    assert (await probes.get(f"{PROBE}/public", headers=bearer("nonsense"))).status_code == 200


async def test_without_a_token_the_challenge_names_no_error(probes: AsyncClient):
    answer = await probes.get(f"{PROBE}/plans")

    assert answer.status_code == 401
    assert answer.json()["error"] == "auth.token_missing"
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="qs"'


async def test_another_way_of_authorising_is_no_token(probes: AsyncClient):
    for value in ("Basic YTpi", "bearer", "Bearer", "Token abc", "Bearer:abc", ""):
        answer = await probes.get(f"{PROBE}/plans", headers={"Authorization": value})

        assert answer.status_code == 401, value


async def test_the_scheme_may_be_written_in_any_case(probes: AsyncClient):
    answer = await probes.get(f"{PROBE}/plans", headers={"Authorization": f"bEaReR  {good()}"})

    assert answer.status_code == 200


async def test_two_authorisations_are_one_too_many(probes: AsyncClient):
    headers = [("Authorization", f"Bearer {good()}"), ("Authorization", f"Bearer {good()}")]

    assert (await probes.get(f"{PROBE}/plans", headers=headers)).status_code == 401


async def test_a_token_in_the_query_is_not_looked_at(probes: AsyncClient):
    assert (await probes.get(f"{PROBE}/plans?access_token={good()}")).status_code == 401


async def test_without_the_scope_the_challenge_names_it(probes: AsyncClient, container: Container):
    answer = await probes.get(f"{PROBE}/plans", headers=bearer(await token_with(container, "tasks:read")))

    assert answer.status_code == 403
    assert answer.json()["error"] == "auth.scope_missing"
    assert "plans:read" in answer.json()["detail"]
    assert (
        answer.headers["WWW-Authenticate"]
        == 'Bearer realm="qs", error="insufficient_scope", scope="plans:read"'
    )


async def test_the_scope_or_admin_lets_in(probes: AsyncClient, container: Container):
    for scope in ("plans:read", "admin"):
        answer = await probes.get(f"{PROBE}/plans", headers=bearer(await token_with(container, scope)))

        assert answer.status_code == 200, scope


async def test_any_of_several_scopes_lets_in(probes: AsyncClient, container: Container):
    allowed = await probes.get(f"{PROBE}/either", headers=bearer(await token_with(container, "plans:read")))
    refused = await probes.get(f"{PROBE}/either", headers=bearer(await token_with(container, "plans:write")))

    assert (allowed.status_code, refused.status_code) == (200, 403)


async def test_a_platform_account_reaches_the_duties_and_no_tenants_route(
    probes: AsyncClient, container: Container
):
    token = await platform_token(container, "tasks:schedule", "statistics:sync")

    duty = await probes.post(f"{PROBE}/duty", headers=bearer(token))
    tenant_duty = await probes.post(f"{PROBE}/tenant-duty", headers=bearer(token))
    plans = await probes.get(f"{PROBE}/plans", headers=bearer(token))

    assert (duty.status_code, duty.text) == (200, "service:cron")
    assert tenant_duty.status_code == plans.status_code == 403
    assert tenant_duty.json()["error"] == plans.json()["error"] == "auth.platform_account"


async def test_a_platform_account_still_needs_the_scope(probes: AsyncClient, container: Container):
    answer = await probes.post(
        f"{PROBE}/duty", headers=bearer(await platform_token(container, "statistics:sync"))
    )

    assert answer.status_code == 403
    assert answer.json()["error"] == "auth.scope_missing"


async def test_a_wrong_method_is_told_before_a_missing_token(probes: AsyncClient):
    assert (await probes.get(f"{PROBE}/duty")).status_code == 405
    assert (await probes.get(f"{PROBE}/nothing")).status_code == 404


async def test_anybody_may_ask_which_methods_there_are(probes: AsyncClient):
    answer = await probes.options(f"{PROBE}/duty")

    assert answer.status_code == 204
    assert "POST" in answer.headers["Allow"]


def test_the_application_does_not_start_with_a_route_that_is_open_by_mistake(container: Container):
    for opt in (
        {},
        {"scope": ()},
        {"scope": ""},
        {"public": False},
        {"scope": "plans:read", "public": True},
        {"scope": "plans:burn"},
        {"scope": ("plans:read", "plans:burn")},
        {"scope": "plans:read", "platform": True},
    ):
        with pytest.raises(RoutesMisdeclared, match="/mistake"):
            create_app(container, controllers=[declaring(opt)])


def declaring(opt: dict[str, Any]) -> HTTPRouteHandler:
    @get("/mistake", opt=opt)
    async def show() -> str:
        return ""

    return show
