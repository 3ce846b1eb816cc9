"""Who calls too often gets 429 and is told when to come back; nobody else notices."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from dependency_injector import providers
from httpx import AsyncClient, Response
from litestar import Litestar
from litestar.routes import HTTPRoute

from qs.application.kernel.limiting import KINDS, LocalLimiter, RateLimits, parse_limit
from qs.container import Container
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.infra.redis.limiter import RedisLimiter
from qs.interface.rest.guards import AuthenticationMiddleware
from qs.interface.rest.limits import limit_of
from qs.settings import Settings
from qs.settings.sections import LimitsSettings, ServerSettings
from tests.integration.plan_http.steps import ABSENT_ID, V1, WEEKLY, make_opened
from tests.support.http import app_over, serving

Caller = Callable[..., Awaitable[dict[str, str]]]
PLANS, SWEEP, TOKEN = f"{V1}/plans", f"{V1}/plans/tasks/schedule", "/oauth2/token"


class Clock:
    def __init__(self) -> None:
        self.ms = 1_700_000_000_000

    def now_ms(self) -> int:
        return self.ms


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """One proxy is believed, and every limit is small."""
    limits = LimitsSettings(reading="4/1m", writing="5/1m", duties="2/1m", login="3/1m", misses="5/1m")
    return msgspec.structs.replace(
        settings, limits=limits, server=ServerSettings(trusted_proxies=("127.0.0.1/32",))
    )


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def container(container: Container, settings: Settings, clock: Clock) -> Container:
    """Counts in Redis, by a clock that the test moves."""
    limits = {name: limit for name in KINDS if (limit := parse_limit(name, getattr(settings.limits, name)))}
    limiter = RedisLimiter(
        container.quick_redis(), LocalLimiter(lambda: 0.0), processes=4, clock_ms=clock.now_ms
    )
    container.rate_limits.override(providers.Object(RateLimits(limiter, limits)))
    return container


@pytest.fixture
async def stranger(container: Container) -> AsyncIterator[AsyncClient]:
    async with serving(app_over(container)) as client:
        yield client


@pytest.fixture
def caller(container: Container) -> Caller:
    async def headers(*scopes: str) -> dict[str, str]:
        issued = await container.token_issuing().issue(
            DEFAULT_TENANT, scopes, timedelta(hours=1), actor="test"
        )
        return {"Authorization": f"Bearer {issued.token}"}

    return headers


def refused(response: Response) -> dict[str, Any]:
    """The problem of a 429, which says when to come back."""
    assert response.status_code == 429, response.text
    assert 1 <= int(response.headers["retry-after"]) <= 66
    problem: dict[str, Any] = response.json()
    assert (problem["type"], problem["status"]) == ("too-many-requests", 429)
    return problem


async def statuses(client: AsyncClient, times: int, method: str, path: str, **options: Any) -> list[int]:
    return [(await client.request(method, path, **options)).status_code for _ in range(times)]


async def test_a_caller_is_told_what_is_left_and_when_to_come_back(
    stranger: AsyncClient, caller: Caller, clock: Clock
) -> None:
    headers = await caller("plans:read")

    answers = [await stranger.get(PLANS, headers=headers) for _ in range(5)]
    clock.ms += int(answers[4].headers["retry-after"]) * 1000
    later = await stranger.get(PLANS, headers=headers)

    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 429]
    assert answers[0].headers["ratelimit-policy"] == '"reading";q=4;w=60'
    assert re.fullmatch(r'"reading";r=3;t=\d+', answers[0].headers["ratelimit"])
    assert answers[4].headers["ratelimit"].startswith('"reading";r=0;')
    assert refused(answers[4])["detail"].endswith(f"try again in {answers[4].headers['retry-after']} s")
    assert later.status_code == 200


async def test_a_limit_is_one_callers_and_one_kind_of_calls(stranger: AsyncClient, caller: Caller) -> None:
    one, other = await caller("admin"), await caller("admin")

    assert await statuses(stranger, 5, "GET", PLANS, headers=one) == [200] * 4 + [429]
    assert await statuses(stranger, 6, "POST", PLANS, headers=one, json=WEEKLY) == [201] * 5 + [429]
    assert await statuses(stranger, 3, "POST", SWEEP, headers=one) == [200, 200, 429]
    assert await statuses(stranger, 1, "GET", PLANS, headers=other) == [200]
    assert await statuses(stranger, 1, "POST", SWEEP, headers=other) == [200]


async def test_looking_at_the_head_or_the_methods_of_a_path_counts_as_what_it_is(
    stranger: AsyncClient, caller: Caller
) -> None:
    headers = await caller("plans:read")

    assert await statuses(stranger, 9, "OPTIONS", PLANS, headers=headers) == [204] * 9
    assert await statuses(stranger, 5, "HEAD", PLANS, headers=headers) == [200] * 4 + [429]


async def test_who_does_not_say_who_they_are_is_counted_by_address(
    stranger: AsyncClient, caller: Caller
) -> None:
    here, there = {"X-Forwarded-For": "198.51.100.1"}, {"X-Forwarded-For": "198.51.100.2"}
    bad = {"Authorization": "Bearer nonsense"}

    assert await statuses(stranger, 3, "GET", PLANS, headers=here | bad) == [401] * 3
    assert await statuses(stranger, 2, "GET", PLANS, headers=here) == [401, 429]
    assert await statuses(stranger, 1, "GET", PLANS, headers=here | bad) == [429]
    assert await statuses(stranger, 1, "GET", PLANS, headers=there | bad) == [401]
    assert await statuses(stranger, 1, "GET", PLANS, headers=here | await caller("plans:read")) == [200]


async def test_an_address_is_believed_from_a_proxy_of_ours_only(container: Container) -> None:
    async with serving(app_over(container), peer="203.0.113.9") as client:
        forged = [{"X-Forwarded-For": f"198.51.100.{n}"} for n in range(5)]
        answers = [(await client.get(PLANS, headers=headers)).status_code for headers in forged]

    assert answers == [401] * 4 + [429]


async def test_all_addresses_of_one_ipv6_network_count_together(container: Container) -> None:
    answers = []
    for n in range(5):
        async with serving(app_over(container), peer=f"2001:db8:1:2::{n:x}") as client:
            answers.append((await client.get(PLANS)).status_code)
    async with serving(app_over(container), peer="2001:db8:1:3::1") as client:
        elsewhere = (await client.get(PLANS)).status_code

    assert answers == [401] * 4 + [429]
    assert elsewhere == 401


async def test_logging_in_is_limited_by_address_and_in_the_words_of_oauth(stranger: AsyncClient) -> None:
    login = {"username": "nobody", "password": "nothing"}
    refresh = {"refresh_token": "qsr_nothing"}
    form = {"grant_type": "client_credentials", "client_id": "x", "client_secret": "y"}

    assert await statuses(stranger, 1, "POST", f"{V1}/auth/login", json=login) == [401]
    assert await statuses(stranger, 1, "POST", f"{V1}/auth/refresh", json=refresh) == [401]
    assert await statuses(stranger, 1, "POST", TOKEN, data=form) == [401]
    refused(await stranger.post(f"{V1}/auth/login", json=login))
    answer = await stranger.post(TOKEN, data=form)
    assert (answer.status_code, answer.json()["error"]) == (429, "temporarily_unavailable")
    assert int(answer.headers["retry-after"]) >= 1


async def test_what_was_refused_may_be_sent_again_under_its_key(
    stranger: AsyncClient, caller: Caller, clock: Clock
) -> None:
    headers = await caller("plans:write")
    await statuses(stranger, 5, "POST", PLANS, headers=headers, json=WEEKLY)
    keyed = headers | {"Idempotency-Key": "again"}

    wait_s = int((await stranger.post(PLANS, headers=keyed, json=WEEKLY)).headers["retry-after"])
    clock.ms += wait_s * 1000
    made = await stranger.post(PLANS, headers=keyed, json=WEEKLY)

    assert made.status_code == 201
    assert "idempotency-replayed" not in made.headers


async def test_probes_the_schema_and_preflights_are_never_refused(stranger: AsyncClient) -> None:
    for path in ("/health/alive", "/health/ready", "/schema/openapi.json"):
        assert await statuses(stranger, 9, "GET", path) == [200] * 9


@pytest.mark.parametrize("path", [f"{V1}/entries", "/entry"])
async def test_links_that_open_nothing_are_limited_and_those_that_do_never_are(
    stranger: AsyncClient, caller: Caller, container: Container, path: str
) -> None:
    stranger.headers.update(await caller("admin"))
    task = await make_opened(stranger, container)
    del stranger.headers["Authorization"]
    good = {"token": task["entry"]["token"], "task_id": task["id"]}
    here, there = {"X-Forwarded-For": "198.51.100.1"}, {"X-Forwarded-For": "198.51.100.2"}

    guessed = [
        await stranger.get(path, params=good | {"token": str(uuid4())}, headers=here) for _ in range(6)
    ]
    of_that_task = await stranger.get(path, params=good | {"token": str(uuid4())}, headers=there)
    of_another = await stranger.get(path, params=good | {"task_id": ABSENT_ID}, headers=there)
    holder = [await stranger.get(path, params=good, headers=here) for _ in range(20)]
    body = good | {"assessment_id": "a-1"}
    submitted = await stranger.post(f"{V1}/entries/submit", json=body, headers=here)

    assert [answer.status_code for answer in guessed] == [404] * 5 + [429]
    if path == "/entry":
        assert guessed[5].headers["content-type"].startswith("text/html")
        assert "wait a minute" in guessed[5].text
        assert int(guessed[5].headers["retry-after"]) >= 1
    else:
        refused(guessed[5])
    assert (of_that_task.status_code, of_another.status_code) == (429, 404)
    assert {answer.status_code for answer in holder} == {200}
    assert submitted.status_code == 200


async def test_answers_to_wrong_links_that_are_submitted_are_limited_too(stranger: AsyncClient) -> None:
    body = {"token": str(uuid4()), "task_id": "no-uuid", "assessment_id": "a-1"}

    assert await statuses(stranger, 6, "POST", f"{V1}/entries/submit", json=body) == [404] * 5 + [429]


async def test_a_limit_of_0_is_none(container: Container, caller: Caller) -> None:
    container.rate_limits.reset_override()
    container.settings.override(
        providers.Object(
            msgspec.structs.replace(container.settings(), limits=LimitsSettings(reading="0", writing="1/1h"))
        )
    )
    async with serving(app_over(container)) as client:
        answers = [await client.get(PLANS, headers=await caller("plans:read")) for _ in range(9)]

    assert {answer.status_code for answer in answers} == {200}
    assert "ratelimit" not in answers[0].headers


UNLIMITED = {"/entry", "/unsubscribe/{token:str}", f"{V1}/entries", f"{V1}/entries/submit"}
UNCOUNTED = re.compile(r"/(health|schema|entry|unsubscribe)\b")


def test_every_route_counts_under_the_limit_of_its_kind_or_is_one_of_few(container: Container) -> None:
    kinds: dict[str | None, set[str]] = {}
    uncounted = set()
    for route, handler in _handlers(app_over(container)):
        for method in handler.http_methods - {"OPTIONS"}:
            if AuthenticationMiddleware not in handler.resolve_middleware():
                uncounted.add(route.path)
            kinds.setdefault(limit_of(handler, method), set()).add(route.path)

    assert [path for path in uncounted if not UNCOUNTED.match(path)] == []
    assert kinds.pop(None) == UNLIMITED
    assert kinds.keys() == {"reading", "writing", "duties", "login"}
    verbs = ("login", "refresh", "logout")
    assert kinds["login"] == {*(f"{V1}/auth/{verb}" for verb in verbs), TOKEN, "/dashboard/sign-in"}
    assert kinds["duties"] == {
        *(f"{V1}/{plan}/tasks/{verb}" for plan in ("plan", "plans") for verb in ("schedule", "expire")),
        *(f"{V1}/statistics/sync/{kind}" for kind in ("daily", "accumulated", "plan")),
        f"{V1}/statistics/validate",
        f"{V1}/retention",
    }


def _handlers(app: Litestar) -> list[tuple[HTTPRoute, Any]]:
    return [
        (route, handler)
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
    ]
