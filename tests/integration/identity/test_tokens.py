"""Which access tokens are believed."""

from datetime import UTC, datetime, timedelta

import pytest
from httpx import AsyncClient
from uuid_utils.compat import uuid4, uuid7

from qs.domain.identity.errors import TokenInvalid
from qs.domain.identity.principal import Kind, Principal
from qs.domain.identity.scopes import PLATFORM_SCOPES, SCOPES
from qs.infra.auth.keys import Keyring
from qs.infra.auth.tokens import LEEWAY, JwtAccessTokens
from tests.integration.identity.broken_tokens import BROKEN, claims, good, header, signed
from tests.integration.identity.people import bearer
from tests.support.settings import SECRET_KEY

HOUR = timedelta(hours=1)


def tokens(keyring: str = SECRET_KEY, issuer: str = "qs", audience: str = "qs") -> JwtAccessTokens:
    return JwtAccessTokens(Keyring.parse(keyring), issuer=issuer, audience=audience, ids=uuid7)


def principal(*scopes: str) -> Principal:
    return Principal(Kind.USER, str(uuid4()), uuid4(), frozenset(scopes), "王小明")


def test_a_token_says_what_was_put_into_it():
    now = datetime.now(UTC)
    who, session = principal("plans:read", "tasks:read"), uuid4()

    issued = tokens().issue(who, ttl=HOUR, now=now, session_id=session)
    read = tokens().read(issued.token)

    assert read.principal == who
    assert (read.token_id, read.session_id) == (issued.id, session)
    assert read.expires_at == issued.expires_at == now.replace(microsecond=0) + HOUR


def test_a_token_that_is_remembered_is_over_when_it_says_and_no_other_passes_for_it():
    now = [datetime.now(UTC)]
    reading = JwtAccessTokens(
        Keyring.parse(SECRET_KEY), issuer="qs", audience="qs", ids=uuid7, clock=lambda: now[0]
    )
    issued = reading.issue(principal("plans:read"), ttl=-LEEWAY + timedelta(seconds=20), now=now[0])
    first = reading.read(issued.token)

    assert reading.read(issued.token) is first
    head, body, signature = issued.token.split(".")
    for forged in (f"{head}.{body}.{signature[::-1]}", f"{head}.{body[:-2]}.{signature}"):
        with pytest.raises(TokenInvalid):
            reading.read(forged)
    now[0] = issued.expires_at + LEEWAY
    # By the clock that nobody moved it still holds, but it was verified anew.
    assert reading.read(issued.token) is not first


def test_no_more_tokens_are_remembered_than_there_is_room_for():
    reading = JwtAccessTokens(Keyring.parse(SECRET_KEY), issuer="qs", audience="qs", ids=uuid7, remembered=2)
    issued = [reading.issue(principal(), ttl=HOUR, now=datetime.now(UTC)).token for _ in range(3)]
    first = [reading.read(token) for token in issued]

    assert reading.read(issued[2]) is first[2]
    assert reading.read(issued[0]) is not first[0]


def test_the_token_of_a_platform_account_has_no_tenant_and_no_more_than_its_scopes():
    account = Principal(
        Kind.SERVICE, str(uuid4()), None, frozenset({"admin", "plans:read", *PLATFORM_SCOPES}), "cron"
    )

    read = tokens().read(tokens().issue(account, ttl=HOUR, now=datetime.now(UTC)).token)

    assert read.principal.is_platform
    assert read.principal.scopes == PLATFORM_SCOPES


def test_a_token_with_every_scope_is_small_enough_to_be_read():
    token = tokens().issue(principal(*SCOPES), ttl=HOUR, now=datetime.now(UTC)).token

    assert len(token) < 2048
    assert tokens().read(token).principal.scopes == SCOPES.keys()


def test_a_scope_that_no_longer_exists_is_not_held():
    assert tokens().read(signed(header(), claims(scopes=["plans:read", "plans:burn"]))).principal.scopes == {
        "plans:read"
    }


def test_a_token_of_a_key_that_is_no_longer_first_is_still_believed():
    token = tokens().issue(principal(), ttl=HOUR, now=datetime.now(UTC)).token

    assert tokens(f"next:{'k' * 40},{SECRET_KEY}").read(token).expires_at > datetime.now(UTC) - HOUR


def test_a_token_of_a_key_that_left_is_not_believed():
    token = tokens().issue(principal(), ttl=HOUR, now=datetime.now(UTC)).token

    with pytest.raises(TokenInvalid):
        tokens(f"next:{'k' * 40}").read(token)


@pytest.mark.parametrize(("issuer", "audience"), [("other", "qs"), ("qs", "other")])
def test_a_token_of_another_installation_is_not_believed(issuer: str, audience: str):
    token = tokens(issuer=issuer, audience=audience).issue(principal(), ttl=HOUR, now=datetime.now(UTC)).token

    with pytest.raises(TokenInvalid):
        tokens().read(token)


@pytest.mark.parametrize(
    ("issued", "ttl"), [(timedelta(seconds=-80), timedelta(seconds=60)), (timedelta(seconds=20), HOUR)]
)
def test_clocks_may_differ_by_half_a_minute(issued: timedelta, ttl: timedelta):
    now = datetime.now(UTC)

    assert (
        tokens().read(tokens().issue(principal(), ttl=ttl, now=now + issued).token).expires_at
        > datetime.now(UTC) - HOUR
    )


def test_one_audience_among_several_is_enough():
    assert tokens().read(signed(header(), claims(aud=["other", "qs"]))).expires_at > datetime.now(UTC) - HOUR


async def test_the_good_token_that_the_broken_ones_are_made_from_is_let_in(probes: AsyncClient):
    answer = await probes.get("/api/v1/probe/plans", headers=bearer(good()))

    assert answer.status_code == 200


async def test_no_broken_token_lets_anybody_in(probes: AsyncClient):
    answers = {
        name: await probes.get("/api/v1/probe/plans", headers=bearer(token()))
        for name, token in BROKEN.items()
    }

    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(BROKEN, 401)
    for name, answer in answers.items():
        assert answer.json()["error"] in ("auth.token_invalid", "auth.token_missing"), name
        assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="qs"'), name


async def test_nothing_tells_one_broken_token_from_another(probes: AsyncClient):
    bodies = set()
    for name in ("alg none", "expired", "signed by a stranger", "a user who does not exist"):
        answer = await probes.get("/api/v1/probe/plans", headers=bearer(BROKEN[name]()))
        bodies.add((answer.json()["detail"], answer.headers["WWW-Authenticate"]))

    assert len(bodies) == 1
