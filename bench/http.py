"""What the HTTP edge costs: one task against a handler written by hand, a probe against bare litestar."""

import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from bench import seeding
from bench.harness import Case, Goal, Subject
from bench.http_load import ask, get
from bench.processes import served
from bench.world import World
from qs.domain.identity.principal import Kind, Principal
from qs.domain.kernel.ids import DEFAULT_TENANT

_CONNECTIONS = 16
_OURS = "qs.asgi:app"


async def one_task(world: World, requests: int, tasks: int) -> Case:
    """Reading tasks at random, each named once or more, with a bearer token."""
    await seeding.tasks(world.admin, DEFAULT_TENANT, tasks, 0, opened=True)
    ids = [row["id"] for row in await world.admin.fetch("SELECT id FROM task")]
    token = _token(world)
    asked = [get(f"/api/v1/plans/tasks/{random.Random(n).choice(ids)}", token) for n in range(requests)]
    subjects = {
        "asyncpg, by hand": await _asking(world, "bench.peers:one_task", asked),
        "ours": await _asking(world, _OURS, asked),
    }
    goals = [Goal("ours", 0.9, "asyncpg, by hand")]
    return Case("one task over HTTP", "requests", subjects, goals, {"connections": _CONNECTIONS})


async def authentication(world: World, requests: int, tasks: int) -> Case:
    """The same reads by everybody who calls, by who shows a token, and by who shows one and is counted besides."""
    await seeding.tasks(world.admin, DEFAULT_TENANT, tasks, 0, opened=True)
    ids = [row["id"] for row in await world.admin.fetch("SELECT id FROM task")]
    token = _token(world)
    asked = [get(f"/api/v1/plans/tasks/{random.Random(n).choice(ids)}", token) for n in range(requests)]
    uncounted = {"QS_LIMITS__READING": "0"}
    subjects = {
        "nobody verified": await _asking(world, "bench.peers:trusting", asked, uncounted),
        "verified": await _asking(world, _OURS, asked, uncounted),
        "verified and limited": await _asking(world, _OURS, asked),
    }
    goals = [
        Goal("verified", 1 / 1.15, "nobody verified"),
        Goal("verified and limited", 0.85, "verified", aimed_at=True),
    ]
    return Case("one task, authenticated", "requests", subjects, goals, {"connections": _CONNECTIONS})


async def health(world: World, requests: int) -> Case:
    """``GET /health/alive``."""
    asked = [get("/health/alive")] * requests
    subjects = {
        "bare litestar": await _asking(world, "bench.peers:bare_litestar", asked),
        "ours": await _asking(world, _OURS, asked),
    }
    goals = [Goal("ours", 0.8, "bare litestar")]
    return Case("health over HTTP", "requests", subjects, goals, {"connections": _CONNECTIONS})


async def _asking(
    world: World, application: str, requests: list[bytes], settings: Mapping[str, str] | None = None
) -> Subject:
    environment = {**world.environment(), **(settings or {})}
    port = await world.stack.enter_async_context(served(application, environment))

    async def run(number: int) -> int:
        bodies = await ask(port, requests, _CONNECTIONS)
        return sum(body.startswith(b'{"code":200,') for body in bodies)

    return Subject(run, len(requests))


def _token(world: World) -> str:
    principal = Principal(Kind.TOKEN, id="", tenant_id=DEFAULT_TENANT, scopes=frozenset({"tasks:read"}))
    issued = world.container.access_tokens().issue(principal, ttl=timedelta(hours=1), now=datetime.now(UTC))
    return str(issued.token)
