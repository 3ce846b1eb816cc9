"""Machines get tokens by client credentials, in the words of RFC 6749."""

from base64 import b64encode
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import asyncpg
import msgspec
import pytest
from httpx import AsyncClient, Response

from qs.application.identity.administering_service_accounts import NewServiceAccount
from qs.application.identity.administering_tenants import TenantChange
from qs.container import Container, build_container, close
from qs.domain.identity.errors import BadClientCredentials
from qs.domain.identity.tenant import TenantStatus
from qs.domain.kernel.ids import DEFAULT_TENANT
from tests.integration.identity.people import bearer
from tests.support.settings import SECRET_KEY

URL = "/oauth2/token"
SCOPES = ["plans:read", "tasks:schedule"]


@pytest.fixture
async def account(container: Container) -> NewServiceAccount:
    made: NewServiceAccount = await container.service_account_administration().create(
        DEFAULT_TENANT, "cron", SCOPES, actor="test"
    )
    return made


def form(account: NewServiceAccount, **changes: Any) -> dict[str, Any]:
    good: dict[str, Any] = {
        "grant_type": "client_credentials",
        "client_id": account.account.client_id,
        "client_secret": account.client_secret,
    }
    good.update(changes)
    return {name: value for name, value in good.items() if value is not None}


def basic(client_id: str, secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"{quote(client_id)}:{quote(secret)}".encode()).decode()}


def refused(answer: Response, status: int, word: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.json()["error"] == word
    assert answer.json()["error_description"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Content-Type"] == "application/json"


async def test_credentials_in_the_body_give_a_token_with_all_scopes(
    client: AsyncClient, probes: AsyncClient, account: NewServiceAccount
):
    answer = await client.post(URL, data=form(account))

    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Pragma"] == "no-cache"
    body = answer.json()
    assert list(body) == ["access_token", "token_type", "expires_in", "scope"]
    assert (body["token_type"], body["expires_in"], body["scope"]) == ("Bearer", 3600, " ".join(SCOPES))
    reached = await probes.get("/api/v1/probe/plans", headers=bearer(body["access_token"]))
    assert reached.text == "service:cron"


async def test_credentials_by_http_basic_do_as_well(client: AsyncClient, account: NewServiceAccount):
    headers = basic(account.account.client_id, account.client_secret)

    assert (
        await client.post(URL, data={"grant_type": "client_credentials"}, headers=headers)
    ).status_code == 200
    same_id = {"grant_type": "client_credentials", "client_id": account.account.client_id}
    assert (await client.post(URL, data=same_id, headers=headers)).status_code == 200


async def test_fewer_scopes_may_be_asked_for(
    client: AsyncClient, probes: AsyncClient, account: NewServiceAccount
):
    answer = await client.post(URL, data=form(account, scope="tasks:schedule"))

    assert answer.json()["scope"] == "tasks:schedule"
    reached = await probes.get("/api/v1/probe/plans", headers=bearer(answer.json()["access_token"]))
    assert reached.status_code == 403


async def test_more_scopes_may_not(client: AsyncClient, account: NewServiceAccount):
    for scope in ("admin", "plans:write", "plans:read admin", "made:up", "plans:read,tasks:schedule"):
        refused(await client.post(URL, data=form(account, scope=scope)), 400, "invalid_scope")


async def test_an_empty_scope_asks_for_all(client: AsyncClient, account: NewServiceAccount):
    assert (await client.post(URL, data=form(account, scope=""))).json()["scope"] == " ".join(SCOPES)


async def test_wrong_credentials_are_an_invalid_client(client: AsyncClient, account: NewServiceAccount):
    for changes in (
        {"client_secret": "wrong"},
        {"client_secret": None},
        {"client_secret": ""},
        {"client_id": "qsc_0"},
        {"client_id": None},
        {"client_id": "x" * 513},
    ):
        answer = await client.post(URL, data=form(account, **changes))

        refused(answer, 401, "invalid_client")
        assert answer.headers["WWW-Authenticate"].startswith("Basic ")


async def test_an_unreadable_authorization_is_an_invalid_client(client: AsyncClient):
    for value in ("Basic !!!", "Basic", "Basic YWJj", "Basic /w==", "Bearer abc", "Basic AGE6Yg=="):
        headers = {"Authorization": value}
        answer = await client.post(URL, data={"grant_type": "client_credentials"}, headers=headers)

        refused(answer, 401, "invalid_client")


async def test_two_ways_at_once_are_an_invalid_request(client: AsyncClient, account: NewServiceAccount):
    headers = basic(account.account.client_id, account.client_secret)

    refused(await client.post(URL, data=form(account), headers=headers), 400, "invalid_request")
    other = {"grant_type": "client_credentials", "client_id": "other"}
    refused(await client.post(URL, data=other, headers=headers), 400, "invalid_request")


async def test_other_grants_are_not_supported(client: AsyncClient, account: NewServiceAccount):
    for grant_type in ("password", "refresh_token", "authorization_code", "CLIENT_CREDENTIALS"):
        answer = await client.post(URL, data=form(account, grant_type=grant_type))
        refused(answer, 400, "unsupported_grant_type")


async def test_no_grant_is_an_invalid_request(client: AsyncClient, account: NewServiceAccount):
    for grant_type in (None, ""):
        answer = await client.post(URL, data=form(account, grant_type=grant_type))
        refused(answer, 400, "invalid_request")


async def test_what_is_no_form_is_an_invalid_request(client: AsyncClient):
    form = "application/x-www-form-urlencoded"
    for content, kind in (
        (b'{"grant_type": "client_credentials"}', "application/json"),
        (b"grant_type=client_credentials", "text/plain"),
        (b"grant_type=client_credentials&grant_type=client_credentials", form),
        (b"grant_type=%ff", form),
        (b"grant_type=\xff", form),
        (b"grant_type=client_credentials&client_id=a%00b&client_secret=c", form),
        (b"&".join(b"a%d=1" % n for n in range(30)), form),
        (b"", form),
    ):
        answer = await client.post(URL, content=content, headers={"Content-Type": kind})
        refused(answer, 400, "invalid_request")


async def test_a_body_without_end_is_not_read_and_refused_in_the_same_words(client: AsyncClient):
    headers = {"Content-Type": "application/x-www-form-urlencoded"}

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(9):
            yield b"a" * 1000

    for content in (b"a" * 9000, endless()):
        answer = await client.post(URL, content=content, headers=headers)

        refused(answer, 400, "invalid_request")
        assert "larger than 8192 bytes" in answer.json()["error_description"]


async def test_what_is_wrong_with_the_parameters_is_described(
    client: AsyncClient, account: NewServiceAccount
):
    many = {f"p{number}": "x" for number in range(18)}
    for query, more, said in (
        ("", many, "more than 20 parameters"),
        ("?audience=x", {}, "audience is not a field here"),
        ("?audience=x&grant=y", {}, "grant is not a field here"),
        ("?a%00b=x", {}, "a parameter must not contain NUL"),
        ("?%22a%5C%E7%BC%96=x", {}, "?a?? is not a field here"),
        ("?a=%ff", {}, "not percent-encoded UTF-8"),
    ):
        answer = await client.post(f"{URL}{query}", data=form(account, **more))

        refused(answer, 400, "invalid_request")
        assert said in answer.json()["error_description"]


async def test_a_description_holds_no_character_that_the_standard_forbids(
    client: AsyncClient, account: NewServiceAccount
):
    answer = await client.post(URL, data=form(account, scope='"\\编'))

    refused(answer, 400, "invalid_scope")
    assert not set(answer.json()["error_description"]) & set('"\\编')


async def test_only_post_gives_tokens(client: AsyncClient, account: NewServiceAccount):
    answer = await client.get(URL, params=form(account))

    assert answer.status_code == 405
    assert "POST" in answer.headers["Allow"]


@pytest.mark.parametrize("how", ["disabled", "tenant suspended"])
async def test_whoever_may_not_enter_gets_no_token(
    container: Container, account: NewServiceAccount, how: str
):
    if how == "disabled":
        await container.service_account_administration().disable(DEFAULT_TENANT, "cron", actor="test")
    else:
        suspend = TenantChange(status=TenantStatus.SUSPENDED)
        await container.tenant_administration().change("default", suspend, actor="test")

    with pytest.raises(BadClientCredentials):
        await container.client_granting().grant(account.account.client_id, account.client_secret)


async def test_the_secret_is_stored_nowhere(database_url: str, account: NewServiceAccount):
    truth = await asyncpg.connect(database_url)
    for table in ("service_account", "audit"):
        stored = str(await truth.fetch(f"SELECT {table}::text FROM {table}"))
        assert account.client_secret not in stored
        assert account.client_secret.encode().hex() not in stored
    await truth.close()


async def test_a_secret_survives_the_rotation_of_the_key_it_was_made_under(
    container: Container, account: NewServiceAccount
):
    settings = container.settings()
    new = "next:" + "k3y-" * 10
    for keys in (f"{new},{SECRET_KEY}", new):
        rotated = build_container(msgspec.structs.replace(settings, secret_key=keys))
        grant = await rotated.client_granting().grant(account.account.client_id, account.client_secret)
        assert (await rotated.authentication().authenticate(grant.access_token)).name == "cron"
        await close(rotated)
