"""People come in with opaque tokens that only their provider can read."""

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from httpx import AsyncClient, Response
from msgspec.structs import replace

from qs.container import Container
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.infra.auth import provider_endpoint
from qs.infra.auth.introspection import KEPT_FOR_S
from qs.settings import Settings
from qs.settings.sections import AuthSettings
from tests.integration.identity.people import MovableTime, bearer
from tests.support.identity_provider import CLIENTS
from tests.support.provider_process import AUDIENCE, ISSUER, Provider

PLANS = "/api/v1/probe/plans"
INTROSPECT = "/oauth2/introspect"

# What the provider may say of a token that is of no use here.
USELESS = {
    "of another issuer": {"iss": "https://attacker.example"},
    "for somebody else": {"aud": ["account"]},
    "for nobody": {"aud": None},
    "expired": {"exp": 1},
    "not yet valid": {"nbf": 4_000_000_000},
    "a refresh token of Hydra": {"token_use": "refresh_token"},
    "bound to a key by its type": {"token_type": "DPoP"},
    "bound to a key": {"cnf": {"jkt": "x"}},
    "of no tenant": {"tenant": None},
    "of a tenant that does not exist": {"tenant": "nowhere"},
    "of the platform": {"tenant": "platform"},
    "of nobody": {"sub": None, "client_id": None},
}
FAULTS = {
    "a redirect to the answer": "redirect",
    "no end": "endless",
    "an error": [500, "application/json", '{"active": true}'],
    "a refusal of ourselves": [401, "application/json", '{"error": "invalid_client"}'],
    "not found": [404, "text/html", "<h1>Not here</h1>"],
    "a page": [200, "text/html", "<h1>Log in</h1>"],
    "half an object": [200, "application/json", '{"active": true'],
    "a list": [200, "application/json", "[true]"],
    "nothing said": [200, "application/json", "{}"],
    "active as a word": [200, "application/json", '{"active": "true", "aud": "qs-api"}'],
    "active as a number": [200, "application/json", '{"active": 1, "aud": "qs-api"}'],
    "an end that is none": [200, "application/json", '{"active": true, "aud": "qs-api", "exp": "soon"}'],
}


@pytest.fixture
def settings(settings: Settings, provider: Provider) -> Settings:
    auth = AuthSettings(
        mode="introspection",
        issuer=ISSUER,
        audience=AUDIENCE,
        introspection_url=provider.url + INTROSPECT,
        client_id="qs",
        client_secret=CLIENTS["qs"],
    )
    return replace(settings, auth=auth)


@pytest.fixture
def asking(probes: AsyncClient) -> Callable[[str], Any]:
    async def ask(token: str) -> Response:
        return await probes.get(PLANS, headers=bearer(token))

    return ask


def opaque(provider: Provider, scope: str = "plans:read", **said: Any) -> str:
    return provider.token(scope, client="opaque robot", **said)


async def test_a_token_lets_in_whom_the_provider_says_it_stands_for(provider: Provider, asking: Any):
    answer = await asking(opaque(provider, sub="5f9c-alice"))

    assert (answer.status_code, answer.text) == (200, "user:5f9c-alice")


async def test_a_client_with_a_token_of_its_own_is_its_own_subject(provider: Provider, asking: Any):
    assert (await asking(opaque(provider, sub=None))).text == "user:opaque robot"


async def test_what_the_provider_calls_inactive_is_refused(provider: Provider, asking: Any):
    revoked = opaque(provider)
    provider.revoke(revoked)

    for token in (revoked, "unknown", "ory_at_unknown.signature", "a.b.c"):
        answer = await asking(token)
        assert (answer.status_code, answer.json()["error"]) == (401, "auth.token_invalid"), token
        assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="qs", error="invalid_token"')
    assert provider.asked(INTROSPECT) == 4


async def test_what_cannot_be_a_token_is_not_asked_about(provider: Provider, asking: Any):
    for token in ("x" * 8193, "a b", "a{b}", "=", "token&active=true", "a\tb"):
        assert (await asking(token)).status_code == 401, token
    assert provider.asked(INTROSPECT) == 0


@pytest.mark.parametrize("said", USELESS.values(), ids=USELESS)
async def test_an_active_token_that_is_not_for_us_is_refused(
    provider: Provider, asking: Any, said: dict[str, Any]
):
    assert (await asking(opaque(provider, **said))).status_code == 401


async def test_an_answer_is_kept_for_half_a_minute(
    provider: Provider, asking: Any, time_goes_on: MovableTime
):
    token = opaque(provider)
    for _ in range(3):
        assert (await asking(token)).status_code == 200
    assert provider.asked(INTROSPECT) == 1

    provider.revoke(token)
    time_goes_on.by(KEPT_FOR_S)

    for _ in range(3):
        assert (await asking(token)).status_code == 401
    assert provider.asked(INTROSPECT) == 2


async def test_an_answer_is_not_kept_past_the_end_of_the_token(
    provider: Provider, asking: Any, time_goes_on: MovableTime
):
    token = opaque(provider, exp=int(time.time()) + 10)
    assert (await asking(token)).status_code == 200

    provider.revoke(token)
    time_goes_on.by(11)

    assert (await asking(token)).status_code == 401
    assert provider.asked(INTROSPECT) == 2


async def test_the_answer_about_one_token_is_never_anothers(provider: Provider, asking: Any):
    alice, bob = opaque(provider, sub="alice"), opaque(provider, sub="bob")
    provider.change(claims={"tenant": "default"})

    assert (await asking(alice)).status_code == 200
    provider.revoke(bob)

    assert (await asking(bob)).status_code == 401


async def test_requests_with_one_token_wait_for_one_answer(provider: Provider, asking: Any):
    token = opaque(provider)

    answers = await asyncio.gather(*(asking(token) for _ in range(20)))

    assert {answer.status_code for answer in answers} == {200}
    assert provider.asked(INTROSPECT) == 1


async def test_without_an_answer_nobody_comes_in_but_those_who_are_known(
    provider: Provider, asking: Any, time_goes_on: MovableTime
):
    known, new = opaque(provider), opaque(provider)
    assert (await asking(known)).status_code == 200
    provider.stop()

    assert (await asking(known)).status_code == 200
    refused = await asking(new)
    assert (refused.status_code, refused.json()["error"]) == (503, "auth.provider_away")
    assert int(refused.headers["Retry-After"]) >= 1

    time_goes_on.by(KEPT_FOR_S)
    assert (await asking(known)).status_code == 503


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_what_is_no_answer_lets_nobody_in(provider: Provider, asking: Any, fault: Any):
    token = opaque(provider)
    provider.change(fault=fault)

    refused = await asking(token)
    assert (refused.status_code, refused.json()["error"]) == (503, "auth.provider_away")
    assert provider.asked(f"/elsewhere{INTROSPECT}") == 0

    provider.change(fault=None)
    assert (await asking(token)).status_code == 200


@pytest.mark.parametrize("fault", ["slow", "dripping"])
async def test_an_answer_that_does_not_end_is_not_waited_for(
    provider: Provider, asking: Any, monkeypatch: pytest.MonkeyPatch, fault: str
):
    token = opaque(provider)
    provider.change(fault=fault)
    monkeypatch.setattr(provider_endpoint, "DEADLINE", timedelta(seconds=2))

    async with asyncio.timeout(30):
        answers = await asyncio.gather(*(asking(token) for _ in range(5)))

    assert {answer.status_code for answer in answers} == {503}
    assert provider.asked(INTROSPECT) == 1


async def test_with_other_credentials_the_provider_tells_nothing(
    provider: Provider, settings: Settings, container: Container, asking: Any
):
    container.settings.override(
        replace(settings, auth=replace(settings.auth, client_secret="another secret"))
    )

    assert (await asking(opaque(provider))).status_code == 503


async def test_machines_of_our_own_come_in_without_asking(
    provider: Provider, container: Container, asking: Any
):
    issued = await container.token_issuing().issue(
        DEFAULT_TENANT, ["plans:read"], timedelta(hours=1), actor="test"
    )
    key = await container.api_key_administration().create(
        DEFAULT_TENANT, "ci", ["plans:read"], timedelta(days=1), actor="test"
    )

    for token in (issued.token, key.secret):
        assert (await asking(token)).status_code == 200
    assert provider.asked(INTROSPECT) == 0
