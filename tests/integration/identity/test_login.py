"""People log in, stay logged in, and are shut out again."""

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from dependency_injector import providers
from httpx import AsyncClient

from qs.application.identity.administering_tenants import TenantChange
from qs.application.identity.logging_in import Login
from qs.application.identity.pacing import FREE_TRIES, AttemptPacing
from qs.application.identity.remembering import BELIEVED_FOR_S
from qs.container import Container
from qs.domain.identity.accounts import User
from qs.domain.identity.errors import BadCredentials, RefreshTokenInvalid, TokenInvalid
from qs.domain.identity.tenant import TenantStatus
from qs.domain.kernel.ids import DEFAULT_TENANT
from tests.integration.identity.people import PASSWORD, RecordingPasswords, bearer

HERE = "203.0.113.7"


class MovableClock:
    """System time that a test moves on."""

    def __init__(self) -> None:
        self.offset = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.offset

    def monotonic(self) -> float:
        return self().timestamp()


@pytest.fixture
def clock(container: Container) -> MovableClock:
    clock = MovableClock()
    container.system_time.override(providers.Object(clock))
    return clock


@pytest.fixture
def login(container: Container) -> Login:
    login: Login = container.login()
    return login


async def test_logging_in_gives_tokens_of_the_users_scopes(
    login: Login, alice: User, container: Container, truth: asyncpg.Connection
):
    tokens = await login.log_in("Alice", PASSWORD, HERE)

    who = await container.authentication().authenticate(tokens.access_token)
    assert (who.actor, who.tenant_id) == ("user:alice", DEFAULT_TENANT)
    assert who.may("plans:write")
    assert not who.may("admin")
    assert tokens.expires_in_s == 3600
    assert await truth.fetchval("SELECT count(*) FROM audit WHERE action = 'session.begun'") == 1


async def test_another_password_does_not_log_in(login: Login, alice: User):
    for password in ("", "wrong", PASSWORD + " ", PASSWORD.upper(), "\ud800"):
        with pytest.raises(BadCredentials):
            await login.log_in("alice", password, address=password)


async def test_an_unknown_user_costs_one_comparison_like_a_known_one(
    login: Login, alice: User, passwords: RecordingPasswords
):
    with pytest.raises(BadCredentials) as known:
        await login.log_in("alice", "wrong", HERE)

    for username in ("bob", "", "alice ", "a" * 1000, "al\u0131ce"):
        passwords.compared.clear()
        with pytest.raises(BadCredentials) as unknown:
            await login.log_in(username, PASSWORD, HERE)
        assert len(passwords.compared) == 1
        assert (unknown.value.code, str(unknown.value)) == (known.value.code, str(known.value))


async def test_a_disabled_user_is_told_nothing_but_that_it_is_wrong(
    login: Login, alice: User, container: Container
):
    await container.user_administration().disable(DEFAULT_TENANT, "alice", actor="test")

    with pytest.raises(BadCredentials):
        await login.log_in("alice", PASSWORD, HERE)


async def test_nobody_of_a_suspended_tenant_logs_in_until_it_is_active_again(
    login: Login, alice: User, container: Container
):
    tenants = container.tenant_administration()
    await tenants.change("default", TenantChange(status=TenantStatus.SUSPENDED), actor="test")
    with pytest.raises(BadCredentials):
        await login.log_in("alice", PASSWORD, HERE)

    await tenants.change("default", TenantChange(status=TenantStatus.ACTIVE), actor="test")
    assert (await login.log_in("alice", PASSWORD, HERE)).access_token


async def test_wrong_passwords_wait_and_the_right_one_gets_in_all_the_same(alice: User, container: Container):
    waits: list[float] = []

    async def wait(seconds: float) -> None:
        waits.append(seconds)

    frozen = AttemptPacing(lambda: 0.0)
    login = container.login(pacing=frozen, wait=wait)
    for _ in range(FREE_TRIES + 1):
        with pytest.raises(BadCredentials):
            await login.log_in("alice", "wrong", HERE)

    assert (await login.log_in("ALICE", PASSWORD, HERE)).access_token
    assert len(waits) == 2
    assert waits[0] < waits[1]


async def test_a_password_hashed_at_other_costs_is_hashed_anew(
    container: Container, alice: User, truth: asyncpg.Connection
):
    costly = await RecordingPasswords(time_cost=2).hash(PASSWORD)
    await truth.execute("UPDATE app_user SET password_hash = $1", costly)

    await container.login().log_in("alice", PASSWORD, HERE)

    stored = await truth.fetchval("SELECT password_hash FROM app_user")
    assert stored != costly
    assert not container.passwords().is_outdated(stored)
    assert (await container.login().log_in("alice", PASSWORD, HERE)).access_token


async def test_refreshing_gives_new_tokens_of_the_same_session(
    login: Login, alice: User, container: Container, truth: asyncpg.Connection
):
    first = await login.log_in("alice", PASSWORD, HERE)

    second = await login.refresh(first.refresh_token)
    third = await login.refresh(second.refresh_token)

    assert len({first.refresh_token, second.refresh_token, third.refresh_token}) == 3
    assert (await container.authentication().authenticate(third.access_token)).name == "alice"
    assert await truth.fetchval("SELECT count(DISTINCT family) FROM refresh_token") == 1


async def test_no_secret_is_stored_as_it_is(login: Login, alice: User, truth: asyncpg.Connection):
    tokens = await login.log_in("alice", PASSWORD, HERE)

    for table in ("app_user", "refresh_token", "audit"):
        stored = str(await truth.fetch(f"SELECT {table}::text FROM {table}"))
        assert tokens.refresh_token not in stored
        assert tokens.refresh_token.encode().hex() not in stored
        assert tokens.access_token not in stored
        assert PASSWORD not in stored


async def test_a_refresh_token_used_again_ends_the_whole_session(
    login: Login, alice: User, container: Container, truth: asyncpg.Connection
):
    first = await login.log_in("alice", PASSWORD, HERE)
    second = await login.refresh(first.refresh_token)

    with pytest.raises(RefreshTokenInvalid):
        await login.refresh(first.refresh_token)

    with pytest.raises(RefreshTokenInvalid):
        await login.refresh(second.refresh_token)
    ended = await truth.fetch("SELECT actor, detail->>'reason' FROM audit WHERE action = 'session.ended'")
    assert [tuple(row) for row in ended] == [("user:alice", "refresh_token_reused")]


async def test_another_session_of_the_same_user_goes_on(login: Login, alice: User):
    stolen = await login.log_in("alice", PASSWORD, HERE)
    other = await login.log_in("alice", PASSWORD, HERE)
    await login.refresh(stolen.refresh_token)
    with pytest.raises(RefreshTokenInvalid):
        await login.refresh(stolen.refresh_token)

    assert (await login.refresh(other.refresh_token)).access_token


async def test_of_many_who_refresh_at_once_at_most_one_wins_and_the_session_ends(
    login: Login, alice: User, truth: asyncpg.Connection
):
    tokens = await login.log_in("alice", PASSWORD, HERE)

    answers = await asyncio.gather(
        *(login.refresh(tokens.refresh_token) for _ in range(10)), return_exceptions=True
    )

    won = [answer for answer in answers if not isinstance(answer, BaseException)]
    assert len(won) == 1
    assert all(isinstance(answer, RefreshTokenInvalid) for answer in answers if answer not in won)
    with pytest.raises(RefreshTokenInvalid):
        await login.refresh(won[0].refresh_token)
    assert await truth.fetchval("SELECT count(*) FROM refresh_token WHERE revoked_at IS NULL") == 0


async def test_a_made_up_refresh_token_is_worth_nothing(login: Login, alice: User):
    for token in ("", "qsr_", "qsr_" + "A" * 43, "x" * 512, "\ud800"):
        with pytest.raises(RefreshTokenInvalid):
            await login.refresh(token)


async def test_a_refresh_token_expires_and_each_use_gives_it_another_term(
    clock: MovableClock, login: Login, alice: User
):
    tokens = await login.log_in("alice", PASSWORD, HERE)
    for _ in range(3):
        clock.offset += timedelta(days=29)
        tokens = await login.refresh(tokens.refresh_token)

    clock.offset += timedelta(days=30)
    with pytest.raises(RefreshTokenInvalid):
        await login.refresh(tokens.refresh_token)


async def test_expired_refresh_tokens_are_forgotten_at_the_next_login(
    clock: MovableClock, login: Login, alice: User, truth: asyncpg.Connection
):
    await login.log_in("alice", PASSWORD, HERE)
    clock.offset += timedelta(days=31)

    await login.log_in("alice", PASSWORD, HERE)

    assert await truth.fetchval("SELECT count(*) FROM refresh_token") == 1


@pytest.mark.parametrize("how", ["disabled", "password set", "tenant suspended"])
async def test_whoever_may_not_enter_cannot_refresh_and_is_out_within_seconds(
    clock: MovableClock, login: Login, alice: User, container: Container, how: str
):
    authentication = container.authentication(monotonic=clock.monotonic)
    tokens = await login.log_in("alice", PASSWORD, HERE)
    await authentication.authenticate(tokens.access_token)

    if how == "disabled":
        await container.user_administration().disable(DEFAULT_TENANT, "alice", actor="test")
    elif how == "password set":
        await container.user_administration().set_password(
            DEFAULT_TENANT, "alice", "another " + PASSWORD, actor="test"
        )
    else:
        suspend = TenantChange(status=TenantStatus.SUSPENDED)
        await container.tenant_administration().change("default", suspend, actor="test")

    with pytest.raises(RefreshTokenInvalid):
        await login.refresh(tokens.refresh_token)
    clock.offset += timedelta(seconds=BELIEVED_FOR_S)
    with pytest.raises(TokenInvalid):
        await authentication.authenticate(tokens.access_token)


async def test_the_thief_of_a_refresh_token_loses_the_access_token_too(
    clock: MovableClock, login: Login, alice: User, container: Container
):
    authentication = container.authentication(monotonic=clock.monotonic)
    tokens = await login.log_in("alice", PASSWORD, HERE)
    stolen = await login.refresh(tokens.refresh_token)
    with pytest.raises(RefreshTokenInvalid):
        await login.refresh(tokens.refresh_token)

    with pytest.raises(TokenInvalid):
        await authentication.authenticate(stolen.access_token)


async def test_whoever_logs_out_is_out_and_another_session_goes_on(
    login: Login, alice: User, container: Container, truth: asyncpg.Connection
):
    first, second = [await login.log_in("alice", PASSWORD, HERE) for _ in range(2)]
    renewed = await login.refresh(first.refresh_token)

    for _ in range(2):
        await login.log_out(renewed.refresh_token)

    for token in (first, renewed):
        with pytest.raises(RefreshTokenInvalid):
            await login.refresh(token.refresh_token)
        with pytest.raises(TokenInvalid):
            await container.authentication().authenticate(token.access_token)
    assert (await container.authentication().authenticate(second.access_token)).name == "alice"
    ended = await truth.fetch("SELECT actor, detail->>'reason' FROM audit WHERE action = 'session.ended'")
    assert [tuple(row) for row in ended] == [("user:alice", "logged_out")]


async def test_an_old_refresh_token_ends_its_session_by_logging_out_too(login: Login, alice: User):
    first = await login.log_in("alice", PASSWORD, HERE)
    renewed = await login.refresh(first.refresh_token)

    await login.log_out(first.refresh_token)

    with pytest.raises(RefreshTokenInvalid):
        await login.refresh(renewed.refresh_token)


async def test_logging_out_says_nothing_of_the_token(client: AsyncClient, alice: User):
    body = {"username": "alice", "password": PASSWORD}
    tokens = (await client.post("/api/v1/auth/login", json=body)).json()

    for token in (
        tokens["refresh_token"],
        tokens["refresh_token"],
        "qsr_made_up",
        tokens["access_token"][:512],
    ):
        answer = await client.post("/api/v1/auth/logout", json={"refresh_token": token})
        assert answer.json() == {"code": 200, "message": "success", "data": None}
        assert answer.headers["Cache-Control"] == "no-store"

    refused = await client.post("/api/v1/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
    assert refused.status_code == 401


async def test_after_a_new_password_only_the_new_one_works(login: Login, alice: User, container: Container):
    await container.user_administration().set_password(
        DEFAULT_TENANT, "Alice", "another " + PASSWORD, actor="test"
    )

    with pytest.raises(BadCredentials):
        await login.log_in("alice", PASSWORD, HERE)
    assert (await login.log_in("alice", "another " + PASSWORD, HERE)).access_token


async def test_the_answer_is_one_flat_body_with_each_name_once(client: AsyncClient, alice: User):
    answer = await client.post("/api/v1/auth/login", json={"username": "alice", "password": PASSWORD})

    assert answer.status_code == 200
    body = answer.json()
    assert list(body) == [
        "code",
        "message",
        "token",
        "access_token",
        "refresh_token",
        "token_type",
        "expires_in",
    ]
    assert (body["code"], body["message"], body["token_type"]) == (200, "success", "Bearer")
    assert body["token"] == body["access_token"]
    assert body["expires_in"] == 3600
    assert answer.headers["Cache-Control"] == "no-store"


async def test_refreshing_answers_in_the_same_words(client: AsyncClient, alice: User):
    first = (await client.post("/api/v1/auth/login", json={"username": "alice", "password": PASSWORD})).json()

    answer = await client.post("/api/v1/auth/refresh", json={"refresh_token": first["refresh_token"]})
    again = await client.post("/api/v1/auth/refresh", json={"refresh_token": first["refresh_token"]})

    assert answer.status_code == 200
    assert list(answer.json()) == list(first)
    assert (again.status_code, again.json()["error"]) == (401, "auth.refresh_token_invalid")


async def test_the_token_opens_what_the_user_may_reach(client: AsyncClient, probes: AsyncClient, alice: User):
    tokens = (
        await client.post("/api/v1/auth/login", json={"username": "alice", "password": PASSWORD})
    ).json()

    assert (await probes.get("/api/v1/probe/plans", headers=bearer(tokens["token"]))).text == "user:alice"


async def test_a_login_that_cannot_be_is_refused(client: AsyncClient, alice: User):
    for body, status in (
        ({"username": "alice", "password": "wrong"}, 401),
        ({"username": "bob", "password": PASSWORD}, 401),
        ({"username": "alice"}, 422),
        ({"username": "", "password": PASSWORD}, 422),
        ({"username": "alice", "password": ""}, 422),
        ({"username": "alice", "password": 1}, 422),
        ({"username": "alice", "password": PASSWORD, "tenant_id": str(DEFAULT_TENANT)}, 422),
        ({"username": "a\x00", "password": PASSWORD}, 422),
        ({"username": "a" * 129, "password": PASSWORD}, 422),
        ({"username": "alice", "password": "x" * 257}, 422),
        ([], 422),
    ):
        answer = await client.post("/api/v1/auth/login", json=body)

        assert answer.status_code == status, answer.text
        assert answer.headers["Content-Type"].startswith("application/problem+json")


async def test_a_long_queue_of_guesses_is_told_when_to_come_back(
    client: AsyncClient, container: Container, alice: User, passwords: RecordingPasswords
):
    container.login(pacing=AttemptPacing(lambda: 0.0), wait=lambda seconds: asyncio.sleep(0))
    guess = {"username": "alice", "password": "wrong"}

    answers = [await client.post("/api/v1/auth/login", json=guess) for _ in range(20)]

    assert [answer.status_code for answer in answers[:FREE_TRIES]] == [401] * FREE_TRIES
    assert answers[-1].status_code == 429
    assert answers[-1].json()["error"] == "auth.too_many_attempts"
    assert int(answers[-1].headers["Retry-After"]) > 8
    assert len(passwords.compared) == [answer.status_code for answer in answers].count(401)
