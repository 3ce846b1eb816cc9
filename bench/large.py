"""What the usual work costs in a table of millions of tasks: sweep, expiry, readings, figures, forgetting."""

import asyncio
import os
import random
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode
from uuid import UUID

import asyncpg

from bench import large_seed, seeding
from bench.http_load import ask, get
from bench.large_trail import Trail
from bench.processes import served
from bench.world import World
from qs.application.kernel.retention import MONTHS_AHEAD, Keep, RetentionService
from qs.application.plan.sweep_report import Phase
from qs.application.statistics.ports import Kind as Sync
from qs.domain.identity.principal import Kind, Principal
from qs.infra.postgres.retention import SqlForgettableRows, SqlMonths

_READS = 1000
_PAGES = 100
_FIGURES = 5
_COUNTERS = 1000
_PING_EVERY_S = 0.005
_LONG_AGO = timedelta(days=3650)
_KEPT_EXECUTIONS = timedelta(days=30)
_SIZES = """
SELECT relname AS name, greatest(reltuples, 0)::bigint AS rows, pg_table_size(oid) AS heap, pg_indexes_size(oid) AS indexes
FROM pg_class WHERE relname = ANY ($1) ORDER BY array_position($1, relname::text)"""
_INDEXES = """
SELECT indexrelname AS name, pg_relation_size(indexrelid) AS bytes FROM pg_stat_user_indexes WHERE relname = 'task'
ORDER BY bytes DESC"""
# The events of an opening and an answer lie for a week; as many rows as a tenth of the tasks stand for them here.
_EVENTS_OF_TASKS = 10
_SIZED = ("task", "enrollment", "testee", "outbox")
# A writer and a reader beside those who forget. Nothing of it stays.
_TOUCH_OUTBOX = "UPDATE outbox SET publications = publications WHERE id = (SELECT id FROM outbox ORDER BY position DESC LIMIT 1)"
_TOUCH_RUNS = "SELECT count(*) FROM (SELECT FROM job_execution WHERE status = 'running' LIMIT 1) one"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Figure:
    """One number with its unit."""

    what: str
    value: float
    unit: str


@dataclass(slots=True)
class Large:
    """Every figure of one database, in the order in which they were measured."""

    tasks: int
    figures: list[Figure] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)

    def add(self, what: str, value: float, unit: str) -> None:
        self.figures.append(Figure(what, value, unit))
        print(f"  large: {what}: {value:,.6g} {unit}", file=sys.stderr, flush=True)

    def lines(self) -> list[str]:
        shown = [f"large ({self.tasks:,} tasks)"]
        shown += [f"  {each.what:<58} {each.value:>14,.6g} {each.unit}" for each in self.figures]
        return [*shown, *(f"  {name}: {each}" for name, each in self.notes.items())]

    def document(self) -> dict[str, Any]:
        return {
            "case": "large",
            "tasks": self.tasks,
            "figures": [
                {"what": each.what, "value": round(each.value, 4), "unit": each.unit} for each in self.figures
            ],
            "notes": self.notes,
        }


PARTS = ("readings", "sweep", "statistics", "forgetting")


async def growing_old(world: World, tasks: int, parts: Sequence[str] = PARTS) -> Large:
    """Seeds so many tasks, of which most are done with, then does once what is done every day. It takes a while.

    ``parts`` of PARTS are done in their order; the sizes come first.

    Raises:
        TooLittleRoom: the disk is too small for it; nothing was seeded.
        RuntimeError: a sweep moved another number of tasks, so its time means nothing.
    """
    found = Large(tasks, notes={"of them": "80 % answered, 1 % due, 1 % run out, the rest of next month"})
    large_seed.check_room(Path(await world.admin.fetchval("SHOW data_directory")), tasks)
    tenant_id = await seeding.tenant(world.admin, "large")
    seconds, (due, run_out) = await _timed(large_seed.seed(world.admin, tenant_id, tasks))
    found.add("seeding", tasks / seconds, "tasks/s")
    events = tasks // _EVENTS_OF_TASKS
    await seeding.events(world.admin, tenant_id, events, 0)
    await _sizes(world.admin, found)
    works: Mapping[str, Callable[[], Awaitable[None]]] = {
        "readings": lambda: _readings(world, tenant_id, found),
        "sweep": lambda: _sweep(world, tenant_id, found, due, run_out),
        "statistics": lambda: _statistics(world, tenant_id, found),
        "forgetting": lambda: _forgetting(world, tenant_id, found, events),
    }
    for part in PARTS:
        if part in parts:
            await works[part]()
    found.add("database at the end", await _bytes(world.admin) / 1e9, "GB")
    found.notes["load"] = round(os.getloadavg()[0], 2)
    return found


async def _sizes(admin: asyncpg.Connection, found: Large) -> None:
    for row in await admin.fetch(_SIZES, list(_SIZED)):
        rows = max(row["rows"], 1)
        found.add(f"{row['name']}: rows", row["rows"], "")
        found.add(f"{row['name']}: table, bytes a row", row["heap"] / rows, "B")
        found.add(f"{row['name']}: indexes, bytes a row", row["indexes"] / rows, "B")
    found.notes["indexes of task, MB"] = {
        row["name"]: round(row["bytes"] / 1e6, 1) for row in await admin.fetch(_INDEXES)
    }
    found.add("database", await _bytes(admin) / 1e9, "GB")
    found.add("database, bytes a task", await _bytes(admin) / found.tasks, "B")


async def _readings(world: World, tenant_id: UUID, found: Large) -> None:
    """Each route asked by one caller after the other, by as many at once, of one API process."""
    ids = [
        row["id"] for row in await world.admin.fetch("SELECT id FROM task TABLESAMPLE SYSTEM (1) LIMIT 50000")
    ]
    plans = [row["id"] for row in await world.admin.fetch("SELECT id FROM plan")]
    people = [row["id"] for row in await world.admin.fetch("SELECT id FROM testee LIMIT 10000")]
    choose = random.Random(1)
    now = datetime.now(UTC)
    v1 = "/api/v1"
    routes: Mapping[str, tuple[int, Callable[[], str]]] = {
        "one task": (_READS, lambda: f"/plans/tasks/{choose.choice(ids)}"),
        "a page of 50 tasks of a plan": (
            _PAGES,
            lambda: f"/plans/tasks?{urlencode({'plan_id': choose.choice(plans), 'page_size': 50})}",
        ),
        "a page of 50 opened tasks": (_PAGES, lambda: "/plans/tasks?status=opened&page_size=50"),
        "a page of 50 tasks of anybody": (_FIGURES, lambda: "/plans/tasks?page_size=50"),
        "a page of 50 tasks of a day": (
            _PAGES,
            lambda: (
                "/plans/tasks?"
                + urlencode({"planned_from": (now + timedelta(days=31)).isoformat(), "page_size": 50})
            ),
        ),
        "a page of 50 tasks of a testee": (
            _PAGES,
            lambda: f"/plans/tasks?{urlencode({'testee_id': choose.choice(people), 'page_size': 50})}",
        ),
        "the first page of plans": (_PAGES, lambda: "/plans?page_size=50"),
        "figures of a plan": (_FIGURES, lambda: f"/statistics/plans/{choose.choice(plans)}"),
    }
    scopes = frozenset({"tasks:read", "plans:read", "statistics:read"})
    principal = Principal(Kind.TOKEN, id="", tenant_id=tenant_id, scopes=scopes)
    token = str(
        world.container.access_tokens().issue(principal, ttl=timedelta(hours=8), now=datetime.now(UTC)).token
    )
    async with served("qs.asgi:app", {**world.environment(), "QS_LOG_LEVEL": "warning"}) as port:
        for what, (times, path) in routes.items():
            requests = [get(v1 + path(), token) for _ in range(times)]
            await ask(port, requests[:1], 1)
            late_ms = sorted([await _asked_ms(port, request) for request in requests])
            found.add(f"{what}: in the middle", late_ms[len(late_ms) // 2], "ms")
            found.add(f"{what}: longest of {times:,}", late_ms[-1], "ms")


async def _asked_ms(port: int, request: bytes) -> float:
    seconds, _ = await _timed(ask(port, [request], 1))
    return seconds * 1000


async def _sweep(world: World, tenant_id: UUID, found: Large, due: int, run_out: int) -> None:
    scheduling = world.container.task_scheduling()
    trail = await Trail.begun(world)
    for phase, wanted in ((Phase.OPEN, due), (Phase.EXPIRE, run_out)):
        seconds, report = await _timed(scheduling.sweep(tenant_id, phases=(phase,)))
        moved = report.opened + report.expired
        if moved != wanted:
            raise RuntimeError(f"large: a sweep moved {moved} tasks, not {wanted}")
        found.add(f"{phase.value}: {wanted:,} tasks", wanted / seconds, "tasks/s")
    seconds, _ = await _timed(scheduling.sweep(tenant_id))
    found.add("a sweep that finds nothing", seconds * 1000, "ms")
    moved = due + run_out
    seconds, grown = await trail.followed()
    found.add(f"{moved:,} events acted on, with the start of the workers", moved / seconds, "events/s")
    left = {name: round(size / moved, 1) for name, size in grown.items() if size > moved}
    found.add("left behind by a task opened or expired", sum(grown.values()) / moved, "B")
    found.notes["of it, bytes by table"] = dict(sorted(left.items(), key=lambda each: -each[1]))


async def _statistics(world: World, tenant_id: UUID, found: Large) -> None:
    syncing = world.container.statistics_syncing()
    for kind in (Sync.DAILY, Sync.ACCUMULATED, Sync.PLAN):
        seconds, _ = await _timed(syncing.sync(kind, tenant_id))
        found.add(f"first sync of the {kind.value} figures", seconds, "s")
        seconds, _ = await _timed(syncing.sync(kind, tenant_id))
        found.add(f"the next one, with nothing changed, {kind.value}", seconds, "s")
    found.add("Redis: one counter of a testee, a plan or a day", await _counter_bytes(world, tenant_id), "B")
    seconds, told = await _timed(world.container.validation().validate(tenant_id))
    found.add("validation against the tasks", seconds, "s")
    found.notes["validation"] = told["status"]


async def _counter_bytes(world: World, tenant_id: UUID) -> float:
    """The mean of the first ones, keys included."""
    redis = world.container.redis()
    sizes: list[int] = []
    async for key in redis.scan_iter(match=f"qs:stat:{{{tenant_id}}}:*", count=1000):
        sizes.append(int(await redis.memory_usage(key) or 0))
        if len(sizes) == _COUNTERS:
            break
    return sum(sizes) / max(len(sizes), 1)


async def _forgetting(world: World, tenant_id: UUID, found: Large, events: int) -> None:
    """The retention as it works, with everything old enough; what is measured beside it is what others wait for it."""
    engine = world.container.engine()
    keep = Keep(timedelta(0), _LONG_AGO, _LONG_AGO)
    rows = SqlForgettableRows(engine, world.container.all_subscriptions())
    service = RetentionService(rows, world.container.event_streams(), keep)
    async with _others_wait(world.dsn, _TOUCH_OUTBOX) as waited_ms:
        seconds, told = await _timed(service.run())
    found.add(f"retention of {told['outbox']:,} events", told["outbox"] / seconds, "events/s")
    found.add("  longest that a writer of the outbox took meanwhile", max(waited_ms), "ms")
    seconds, _ = await _timed(service.run())
    found.add("  retention that finds nothing", seconds * 1000, "ms")
    await large_seed.past_executions(world.admin, tenant_id, events)
    months = SqlMonths(engine)
    async with _others_wait(world.dsn, _TOUCH_RUNS) as waited_ms:
        seconds, made = await _timed(months.prepare(MONTHS_AHEAD + 1))
    found.add(f"making the {made} partitions of another month", seconds * 1000, "ms")
    found.add("  longest that a reader of executions took meanwhile", max(waited_ms), "ms")
    async with _others_wait(world.dsn, _TOUCH_RUNS) as waited_ms:
        seconds, dropped = await _timed(months.drop(_KEPT_EXECUTIONS))
    if dropped != 1:
        raise RuntimeError(f"large: {dropped} months of executions were dropped, not 1")
    found.add(f"dropping the month of {events:,} executions", seconds * 1000, "ms")
    found.add("  longest that a reader of executions took meanwhile", max(waited_ms), "ms")


@asynccontextmanager
async def _others_wait(dsn: str, statement: str) -> AsyncIterator[Sequence[float]]:
    """While the block runs somebody else carries out the statement again and again; milliseconds it took."""
    took_ms: list[float] = []
    connection = await asyncpg.connect(dsn)

    async def ping() -> None:
        while True:
            seconds, _ = await _timed(connection.execute(statement))
            took_ms.append(seconds * 1000)
            await asyncio.sleep(_PING_EVERY_S)

    pinging = asyncio.create_task(ping())
    try:
        while not took_ms:
            await asyncio.sleep(_PING_EVERY_S)
        yield took_ms
        # What it waits for as the block ends counts too.
        seen = len(took_ms)
        while len(took_ms) == seen and not pinging.done():
            await asyncio.sleep(_PING_EVERY_S)
    finally:
        pinging.cancel()
        await asyncio.gather(pinging, return_exceptions=True)
        await connection.close()


async def _timed(work: Awaitable[T]) -> tuple[float, T]:
    began = time.perf_counter()
    result = await work
    return time.perf_counter() - began, result


async def _bytes(admin: asyncpg.Connection) -> int:
    return int(await admin.fetchval("SELECT pg_database_size(current_database())"))
