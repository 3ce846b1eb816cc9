"""Who may read /metrics: holders of one narrow scope, administrators, and everybody where the settings say so."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from httpx import AsyncClient
from msgspec.structs import replace

from qs.container import Container, build_container, close
from qs.domain.identity.scopes import SCOPES
from qs.domain.kernel.ids import DEFAULT_TENANT, PLATFORM_TENANT
from qs.interface.rest.app import create_app
from qs.settings import Settings
from tests.integration.rest.conftest import Token
from tests.support.http import app_over, serving


@pytest.fixture
async def whole(container: Container) -> AsyncIterator[AsyncClient]:
    """A client without a token, of the application with all its routes."""
    async with serving(app_over(container)) as client:
        yield client


def bearer(credential: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {credential}"}


async def test_nobody_reads_metrics_without_a_token(stranger: AsyncClient) -> None:
    assert (await stranger.get("/metrics")).status_code == 401


@pytest.mark.parametrize("scope", ["metrics:read", "admin"])
async def test_a_token_with_the_scope_reads_metrics_and_so_does_an_administrators(
    stranger: AsyncClient, token: Token, scope: str
) -> None:
    answer = await stranger.get("/metrics", headers=bearer(await token(scope)))

    assert answer.status_code == 200
    assert "qs_build_info" in answer.text


async def test_all_other_scopes_together_do_not_open_metrics(stranger: AsyncClient, token: Token) -> None:
    others = bearer(await token(*(SCOPES.keys() - {"metrics:read", "admin"})))

    answer = await stranger.get("/metrics", headers=others)

    assert answer.status_code == 403
    assert 'scope="metrics:read"' in answer.headers["www-authenticate"]


async def test_who_may_read_metrics_may_do_nothing_else(whole: AsyncClient, token: Token) -> None:
    held = bearer(await token("metrics:read"))

    for path in ("/api/v1/plans", "/api/v1/scheduler/jobs", "/api/v1/statistics/system", "/api/v1/events"):
        assert (await whole.get(path, headers=held)).status_code == 403, path


async def test_an_api_key_with_the_scope_reads_metrics(container: Container, stranger: AsyncClient) -> None:
    made = await container.api_key_administration().create(
        DEFAULT_TENANT, "prometheus", ["metrics:read"], timedelta(days=90), actor="test"
    )

    assert (await stranger.get("/metrics", headers=bearer(made.secret))).status_code == 200


@pytest.mark.parametrize(("scope", "status"), [("metrics:read", 200), ("tasks:schedule", 403)])
async def test_a_service_account_of_the_platform_reads_metrics_if_it_holds_the_scope(
    container: Container, whole: AsyncClient, scope: str, status: int
) -> None:
    made = await container.service_account_administration().create(
        PLATFORM_TENANT, "prometheus", [scope], actor="test"
    )
    form = {
        "grant_type": "client_credentials",
        "client_id": made.account.client_id,
        "client_secret": made.client_secret,
    }
    granted = (await whole.post("/oauth2/token", data=form)).json()

    answer = await whole.get("/metrics", headers=bearer(granted["access_token"]))

    assert answer.status_code == status


async def test_the_settings_open_metrics_to_everybody(settings: Settings) -> None:
    container = build_container(replace(settings, server=replace(settings.server, metrics_public=True)))
    async with serving(create_app(container, controllers=[])) as client:
        assert (await client.get("/metrics")).status_code == 200
    await close(container)
