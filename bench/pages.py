"""How long the dashboard's pages take in the server, each held against the statements it makes."""

import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import asyncpg
from httpx import ASGITransport, AsyncClient
from litestar import Litestar
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from bench import large_seed, seeding, stored_jobs
from bench.world import World
from qs.application.statistics.ports import Kind as Sync
from qs.container import build_container, close
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.interface.dashboard.routers import dashboard_routers
from qs.interface.rest.app import create_app
from qs.logs import configure_logging
from qs.settings import load_settings
from qs.settings.sections import LogSettings

_WANTED_MS = 100.0
_WARM_UP = 2
_RUNS = 100
"""Executions of each of the first hundred jobs, one an hour."""
_PASSWORD = "correct horse battery staple"
_ORIGIN = "http://qs.test"
_DAILY: Mapping[str, Any] = {
    "type": "cron",
    "schedule": "0 9 * * *",
    "timezone": "Asia/Shanghai",
    "target": {"builtin": "hello_job"},
}
_EXECUTIONS = """
INSERT INTO job_execution (tenant_id, id, job_id, job_name, kind, fired_by, actor, status, queue, priority, definition,
    payload, scheduled_at, attempt, epoch, created_at, started_at, finished_at)
SELECT job.tenant_id, pg_temp.id(at, 'run', 100 * hour + number), job.id, job.name, job.kind, 'clock', 'clock',
    CASE WHEN hour % 20 = 0 THEN 'failed' ELSE 'succeeded' END, 'default', 0, job.definition, '{}', at, 1, 1, at, at,
    at + interval '2 seconds'
FROM (SELECT row_number() OVER (ORDER BY id) AS number, * FROM job ORDER BY id LIMIT 100) job,
    generate_series(1, $1::bigint) hour, LATERAL (SELECT now() - hour * interval '1 minute' AS at) due
"""

Statement = tuple[str, tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Figure:
    """Milliseconds of one page when it is opened first, and then of it and of its statements alone, in the middle."""

    page: str
    first_ms: float
    page_ms: float
    longest_ms: float
    statements: int
    statements_ms: float


@dataclass(slots=True)
class Pages:
    """Every page, as it was measured."""

    notes: Mapping[str, Any]
    figures: list[Figure] = field(default_factory=list)

    def lines(self) -> list[str]:
        slow = [each.page for each in self.figures if each.page_ms > _WANTED_MS]
        shown = [f"pages, {', '.join(f'{name}: {each}' for name, each in self.notes.items())}"]
        shown += [
            f"  {each.page:<28} {each.page_ms:>8.1f} ms (longest {each.longest_ms:,.1f}, first {each.first_ms:,.1f})"
            f"   {each.statements:>3} statements {each.statements_ms:>8.1f} ms"
            f"   {each.page_ms / each.statements_ms:>6.1f} times"
            for each in self.figures
        ]
        reached = f"MISSED by {', '.join(slow)}" if slow else "reached by all"
        return [*shown, f"  wanted at most {_WANTED_MS:.0f} ms in the middle: {reached}"]

    def document(self) -> dict[str, Any]:
        return {
            "case": "pages",
            "notes": dict(self.notes),
            "pages": [
                {
                    "page": each.page,
                    "ms": round(each.page_ms, 2),
                    "longest_ms": round(each.longest_ms, 2),
                    "first_ms": round(each.first_ms, 2),
                    "statements": each.statements,
                    "statements_ms": round(each.statements_ms, 2),
                }
                for each in self.figures
            ],
        }


async def opening(world: World, tasks: int, jobs: int, rounds: int) -> Pages:
    """Every page of the dashboard for an administrator, with so many tasks and jobs stored.

    Pages are called within the process, so what is measured is the server's part, templates included. Their limit are
    the statements that a page made, one after the other over asyncpg with nothing around them. Both take turns.
    """
    await _seed(world, tasks, jobs)
    settings = load_settings(None, world.environment())
    configure_logging(LogSettings(path=world.home / "bench.log", console=False), "api")
    container = build_container(settings)
    try:
        app = create_app(container, pages=dashboard_routers())
        await container.user_administration().create(
            DEFAULT_TENANT, "bench", _PASSWORD, ["admin"], actor="bench"
        )
        found = Pages({"tasks": tasks, "jobs": jobs})
        async with _started(app), _signed_in(app) as client:
            for page, path in (await _paths(world.admin)).items():
                found.figures.append(await _measured(client, container.engine(), page, path, rounds))
    finally:
        await close(container)
    return found


async def _seed(world: World, tasks: int, jobs: int) -> None:
    admin = world.admin
    await large_seed.seed(admin, DEFAULT_TENANT, tasks)
    now = datetime.now(UTC)
    await stored_jobs.store(
        admin,
        (
            ({**_DAILY, "name": f"job {number}"}, now + timedelta(hours=1 + number % 24))
            for number in range(jobs)
        ),
    )
    await admin.execute(_EXECUTIONS, _RUNS)
    await seeding.events(admin, DEFAULT_TENANT, tasks // 10, 0)
    await admin.execute("VACUUM ANALYZE job_execution")
    syncing = world.container.statistics_syncing()
    for kind in (Sync.DAILY, Sync.ACCUMULATED, Sync.PLAN):
        await syncing.sync(kind, DEFAULT_TENANT)


async def _paths(admin: asyncpg.Connection) -> Mapping[str, str]:
    plan: UUID = await admin.fetchval(
        "SELECT plan_id FROM task GROUP BY plan_id ORDER BY count(*) DESC LIMIT 1"
    )
    (task,) = await admin.fetch("SELECT id, testee_id FROM task WHERE plan_id = $1 LIMIT 1", plan)
    (job,) = await admin.fetch("SELECT job_id, id FROM job_execution ORDER BY id LIMIT 1")
    since = (datetime.now(UTC) - timedelta(days=200)).date().isoformat()
    return {
        "today": "/today",
        "plans": "/plans",
        "a plan": f"/plans/{plan}",
        "finishing a plan": f"/plans/{plan}/steer/finish",
        "enrolling": f"/plans/{plan}/enroll",
        "tasks": "/tasks",
        "tasks, opened": "/tasks?status=opened",
        "tasks, completed": "/tasks?status=completed",
        "tasks of a plan": f"/tasks?{urlencode({'plan_id': plan})}",
        "a task": f"/tasks/{task['id']}",
        "testees": "/testees",
        "a testee": f"/testees/{task['testee_id']}",
        "statistics": "/statistics",
        "statistics, 200 days": f"/statistics?{urlencode({'from': since})}",
        "statistics of a plan": f"/statistics?{urlencode({'dimension': 'plan', 'key': plan})}",
        "scheduler": "/scheduler",
        "scheduler, by name": "/scheduler?q=job+99",
        "a job": f"/scheduler/jobs/{job['job_id']}",
        "editing a job": f"/scheduler/jobs/{job['job_id']}/edit",
        "an execution": f"/scheduler/executions/{job['id']}",
        "queues": "/scheduler/queues",
        "nodes": "/scheduler/nodes",
        "messages": "/notifications",
        "webhooks": "/webhooks",
        "events": "/events",
        "audit": "/audit",
        "users": "/administration/users",
        "machines": "/administration/machines",
        "organisation": "/administration/organisation",
        "scales": "/administration/scales",
        "calendars": "/administration/calendars",
        "texts": "/administration/texts",
    }


async def _measured(client: AsyncClient, engine: AsyncEngine, page: str, path: str, rounds: int) -> Figure:
    first_ms = await _timed_ms(_open(client, path))
    for _ in range(_WARM_UP):
        await _open(client, path)
    async with _recorded(engine) as made:
        await _open(client, path)
    page_ms: list[float] = []
    statements_ms: list[float] = []
    for _ in range(rounds):
        page_ms.append(await _timed_ms(_open(client, path)))
        statements_ms.append(await _replayed_ms(engine, made))
    count = sum(map(len, made.values()))
    figure = Figure(
        page,
        first_ms,
        statistics.median(page_ms),
        max(page_ms),
        count,
        max(statistics.median(statements_ms), 0.01),
    )
    print(f"  pages: {page}: {figure.page_ms:,.1f} ms", file=sys.stderr, flush=True)
    return figure


async def _open(client: AsyncClient, path: str) -> None:
    answer = await client.get(f"/dashboard{path}")
    if answer.status_code != 200:
        raise RuntimeError(f"pages: {path} answered {answer.status_code}")


@asynccontextmanager
async def _recorded(engine: AsyncEngine) -> AsyncIterator[Mapping[Any, list[Statement]]]:
    """The statements that the engine is given while the block runs, by their transactions."""
    made: dict[Any, list[Statement]] = {}

    def note(
        connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool
    ) -> None:
        of_it = made.setdefault(connection.get_transaction(), [])
        of_it.extend((statement, tuple(each)) for each in (parameters if many else [parameters]))

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    try:
        yield made
    finally:
        event.remove(engine.sync_engine, "before_cursor_execute", note)


async def _replayed_ms(engine: AsyncEngine, made: Mapping[Any, list[Statement]]) -> float:
    """The same transactions one after the other, by the driver itself and under the same role; all are undone."""
    async with engine.connect() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        began = time.perf_counter()
        for statements in made.values():
            transaction = driver.transaction()
            await transaction.start()
            try:
                for statement, parameters in statements:
                    await driver.fetch(statement, *parameters)
            finally:
                await transaction.rollback()
        return (time.perf_counter() - began) * 1000


@asynccontextmanager
async def _started(app: Litestar) -> AsyncIterator[None]:
    async with app.lifespan():
        yield


@asynccontextmanager
async def _signed_in(app: Litestar) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(transport=ASGITransport(app), base_url=_ORIGIN, timeout=600) as client:  # type: ignore[arg-type]
        answer = await client.post(
            "/dashboard/sign-in",
            data={"username": "bench", "password": _PASSWORD},
            headers={"origin": _ORIGIN, "sec-fetch-site": "same-origin"},
        )
        if answer.status_code not in (302, 303):
            raise RuntimeError(f"pages: signing in was answered {answer.status_code}")
        yield client


async def _timed_ms(work: Awaitable[None]) -> float:
    began = time.perf_counter()
    await work
    return (time.perf_counter() - began) * 1000
