"""People come in with the access tokens of an OIDC provider, and with nobody else's."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from httpx import AsyncClient, Response
from msgspec.structs import replace

from qs.application.identity.administering_tenants import Newcomer, TenantChange
from qs.application.identity.remembering import BELIEVED_FOR_S
from qs.container import Container
from qs.domain.identity.errors import TenantInvalid
from qs.domain.identity.tenant import TenantStatus
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.infra.auth import provider_endpoint
from qs.infra.auth.provider_keys import FRESH_S, RETRY_EVERY_S, STALE_S, UNKNOWN_EVERY_S
from qs.settings import Settings
from qs.settings.sections import AuthSettings
from tests.integration.identity.broken_provider_tokens import BROKEN
from tests.integration.identity.people import MovableTime, bearer
from tests.support.provider_process import AUDIENCE, ISSUER, Provider, claims, new_key

PLANS = "/api/v1/probe/plans"
JWKS = "/jwks"

# None of them is a set of keys, and none may be waited for.
FAULTS = {
    "a redirect to the keys": "redirect",
    "no end": "endless",
    "an error": [500, "application/json", '{"keys": []}'],
    "not found": [404, "text/html", "<h1>Not here</h1>"],
    "a page": [200, "text/html", "<h1>Log in</h1>"],
    "half an object": [200, "application/json", '{"keys": ['],
    "a list": [200, "application/json", "[]"],
    "nesting": [200, "application/json", "[" * 60000],
    "no keys": [200, "application/json", '{"keys": []}'],
    "keys that are none": [
        200,
        "application/json",
        '{"keys": [1, null, {"kty": "RSA", "kid": "first", "n": "x"}]}',
    ],
    "nothing": [200, "application/json", ""],
    "no content": [204, "application/json", ""],
}


@pytest.fixture
def settings(settings: Settings, provider: Provider) -> Settings:
    auth = AuthSettings(mode="jwks", issuer=ISSUER, audience=AUDIENCE, jwks_url=provider.url + JWKS)
    return replace(settings, auth=auth)


@pytest.fixture
def asking(probes: AsyncClient) -> Callable[[str], Any]:
    async def ask(token: str) -> Response:
        return await probes.get(PLANS, headers=bearer(token))

    return ask


async def test_a_token_of_the_provider_lets_in_whom_it_names(provider: Provider, probes: AsyncClient):
    token = provider.token("openid plans:read plans:burn", sub="5f9c-alice")

    answer = await probes.get(PLANS, headers=bearer(token))

    assert (answer.status_code, answer.text) == (200, "user:5f9c-alice")


async def test_what_it_may_do_is_what_its_scopes_and_roles_say(provider: Provider, container: Container):
    token = provider.token("openid tasks:read", scp=["entry:read"], roles=["viewer", "uma_authorization"])

    who = await container.authentication().authenticate(token)

    assert who.tenant_id == DEFAULT_TENANT
    assert {"tasks:read", "entry:read", "plans:read"} <= who.scopes
    assert not {"openid", "uma_authorization", "admin", "plans:write"} & who.scopes


async def test_without_the_scope_it_is_let_in_and_may_not(provider: Provider, asking: Any):
    answer = await asking(provider.token("openid tasks:read"))

    assert answer.status_code == 403
    assert answer.json()["error"] == "auth.scope_missing"


async def test_roles_and_tenants_are_found_where_the_settings_say(
    provider: Provider, settings: Settings, container: Container
):
    moved = replace(
        settings.auth,
        tenant_claim="https://qs.example.org/tenant",
        roles_claim="realm_access.roles",
        role_prefix="qs-",
        default_tenant="default",
    )
    container.settings.override(replace(settings, auth=moved))
    authenticate = container.authentication().authenticate

    clinic = await container.tenant_administration().create("clinic", "Clinic", "UTC", actor="test")
    roles = {"roles": ["admin", "qs-viewer"]}
    named = await authenticate(
        provider.signed(
            claims(scope=None, realm_access=roles, tenant=None, **{"https://qs.example.org/tenant": "clinic"})
        )
    )
    by_id = await authenticate(provider.signed(claims(**{"https://qs.example.org/tenant": str(clinic.id)})))
    silent = await authenticate(provider.signed(claims(tenant=None)))

    assert named.tenant_id == by_id.tenant_id == clinic.id
    assert named.may("plans:read")
    assert not named.may("admin")
    assert silent.tenant_id == DEFAULT_TENANT


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "EdDSA"])
async def test_every_allowed_algorithm_is_understood(provider: Provider, asking: Any, algorithm: str):
    key = new_key("other", algorithm)
    provider.change(keys=[key])

    assert (await asking(provider.signed(claims(), key))).status_code == 200


async def test_the_good_token_that_the_broken_ones_are_made_from_is_let_in(provider: Provider, asking: Any):
    for good in (claims(), claims(aud=["account", AUDIENCE]), claims(exp=claims()["exp"] - 310)):
        assert (await asking(provider.signed(good))).status_code == 200
    assert (await asking(provider.signed(claims(), typ=None))).status_code == 200


async def test_no_broken_token_lets_anybody_in(provider: Provider, asking: Any):
    answers = {name: await asking(broken(provider)) for name, broken in BROKEN.items() if name != "not ASCII"}

    assert len(answers) >= 80
    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(answers, 401)
    for name, answer in answers.items():
        assert answer.json()["error"] in ("auth.token_invalid", "auth.token_missing"), name
        assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="qs"'), name
    details = {
        answer.json()["detail"]
        for answer in answers.values()
        if answer.json()["error"] == "auth.token_invalid"
    }
    assert len(details) == 1


async def test_bytes_that_are_no_text_are_no_token(provider: Provider, probes: AsyncClient):
    token = BROKEN["not ASCII"](provider).encode("latin-1")

    answer = await probes.get(PLANS, headers=[(b"authorization", b"Bearer " + token)])

    assert answer.status_code == 401


async def test_a_suspended_tenant_is_shut_out_within_moments(
    provider: Provider, asking: Any, container: Container, time_goes_on: MovableTime
):
    token = provider.token()
    assert (await asking(token)).status_code == 200

    change = TenantChange(status=TenantStatus.SUSPENDED)
    await container.tenant_administration().change("default", change, actor="test")
    time_goes_on.by(BELIEVED_FOR_S)

    assert (await asking(token)).status_code == 401


async def test_keys_are_fetched_once_and_again_after_ten_minutes(
    provider: Provider, asking: Any, time_goes_on: MovableTime
):
    token = provider.token()
    answers = await asyncio.gather(*(asking(token) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert provider.asked(JWKS) == 1

    time_goes_on.by(FRESH_S - 30)
    await asking(token)
    assert provider.asked(JWKS) == 1

    time_goes_on.by(60)
    await asking(token)
    assert provider.asked(JWKS) == 2


async def test_a_new_key_is_believed_at_once_and_one_that_left_no_longer(
    provider: Provider, asking: Any, time_goes_on: MovableTime
):
    old = provider.token()
    assert (await asking(old)).status_code == 200

    provider.change(keys=[new_key("second")])
    new = provider.token()
    answers = await asyncio.gather(*(asking(new) for _ in range(10)))

    assert {answer.status_code for answer in answers} == {200}
    assert provider.asked(JWKS) == 2
    assert (await asking(old)).status_code == 401


async def test_made_up_key_ids_fetch_the_keys_once_in_half_a_minute(
    provider: Provider, asking: Any, time_goes_on: MovableTime
):
    await asking(provider.token())
    for number in range(20):
        answer = await asking(provider.signed(claims(), kid=f"made up {number}"))
        assert answer.status_code == 401
    assert provider.asked(JWKS) == 2

    time_goes_on.by(UNKNOWN_EVERY_S + 1)
    await asking(provider.signed(claims(), kid="another"))
    await asking(provider.signed(claims(), kid="and another"))
    assert provider.asked(JWKS) == 3


async def test_while_the_provider_is_away_its_keys_are_good_for_an_hour_more_and_then_nobody_comes_in(
    provider: Provider, asking: Any, time_goes_on: MovableTime
):
    token = provider.signed(claims(exp=claims()["exp"] + 9000))
    assert (await asking(token)).status_code == 200
    provider.stop()

    for _ in range(2):
        time_goes_on.by((FRESH_S + STALE_S) / 2 - 60)
        assert (await asking(token)).status_code == 200
    # Whether a key that is not known here is a new one cannot be told.
    unknown = await asking(provider.signed(claims(), kid="second"))
    assert (unknown.status_code, unknown.json()["error"]) == (503, "auth.provider_away")

    time_goes_on.by(121)
    refused = await asking(token)
    assert (refused.status_code, refused.json()["error"]) == (503, "auth.provider_away")
    assert int(refused.headers["Retry-After"]) >= 1

    provider.start()
    time_goes_on.by(RETRY_EVERY_S)
    assert (await asking(token)).status_code == 200


async def test_a_new_tenant_gets_no_administrator_who_could_not_log_in(container: Container):
    boss = Newcomer("boss", "a long sentence of theirs")

    with pytest.raises(TenantInvalid) as refused:
        await container.tenant_administration().create(
            "clinic", "Clinic", "UTC", actor="test", administrator=boss
        )

    assert [problem.pointer for problem in refused.value.problems] == ["/administrator"]
    assert [tenant.slug for tenant in await container.tenant_administration().list()] == ["default"]


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_what_is_no_set_of_keys_is_none(
    provider: Provider, asking: Any, time_goes_on: MovableTime, fault: Any
):
    provider.change(fault=fault)
    token = provider.token()

    refused = await asking(token)
    assert (refused.status_code, refused.json()["error"]) == (503, "auth.provider_away")
    assert int(refused.headers["Retry-After"]) >= 1
    assert provider.asked("/elsewhere/jwks") == 0

    provider.change(fault=None)
    time_goes_on.by(RETRY_EVERY_S)
    assert (await asking(token)).status_code == 200


@pytest.mark.parametrize("fault", ["slow", "dripping"])
async def test_an_answer_that_does_not_end_is_not_waited_for(
    provider: Provider, asking: Any, time_goes_on: MovableTime, monkeypatch: pytest.MonkeyPatch, fault: str
):
    token = provider.token()
    assert (await asking(token)).status_code == 200
    provider.change(fault=fault)
    monkeypatch.setattr(provider_endpoint, "DEADLINE", timedelta(seconds=0.3))
    time_goes_on.by(FRESH_S)

    async with asyncio.timeout(30):
        stale = await asyncio.gather(*(asking(token) for _ in range(5)))
        time_goes_on.by(STALE_S)
        gone = await asking(token)

    assert {answer.status_code for answer in stale} == {200}
    assert gone.status_code == 503


async def test_people_do_not_log_in_here_and_machines_do(
    provider: Provider, container: Container, client: AsyncClient
):
    await container.bootstrap().ensure_administrator("ada", "correct horse battery", may_generate=False)
    for path, body in {
        "login": {"username": "ada", "password": "correct horse battery"},
        "refresh": {"refresh_token": "qsr_x"},
        "logout": {"refresh_token": "qsr_x"},
    }.items():
        answer = await client.post(f"/api/v1/auth/{path}", json=body)
        assert (answer.status_code, answer.json()["error"]) == (409, "auth.login_elsewhere"), path

    made = await container.service_account_administration().create(
        DEFAULT_TENANT, "cron", ["plans:read"], actor="test"
    )
    form = {
        "grant_type": "client_credentials",
        "client_id": made.account.client_id,
        "client_secret": made.client_secret,
    }
    granted = await client.post("/oauth2/token", data=form)
    listed = await client.get("/api/v1/plans", headers=bearer(granted.json()["access_token"]))
    assert (granted.status_code, listed.status_code) == (200, 200)


async def test_a_token_of_the_command_line_and_an_api_key_work_beside_the_provider(
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
    assert provider.asked(JWKS) == 0
