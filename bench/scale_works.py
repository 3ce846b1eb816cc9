"""What is done by one process, two and four: reads, enrollments and sweeps over HTTP, executions and messages by workers."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psutil

from bench import seeding
from bench.http_load import ask, ask_each, get, post
from bench.jobs import _job
from bench.messages import _QUEUE
from bench.processes import running, serving, worker_command
from bench.scale import Crew, Scaling, Work, growth_of
from bench.webhook_deliveries import _receiver
from bench.world import World
from qs.application.scheduler.job_firing import new_run
from qs.application.scheduler.job_ports import Wake
from qs.domain.identity.principal import Kind, Principal
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.domain.scheduler.job_execution import RunFiredBy
from qs.infra.postgres.ids import new_id

_CONNECTIONS = 16
_API = "qs.asgi:app"
_READY_WITHIN_S = 120.0
_DONE_WITHIN_S = 600.0
_LOOK_EVERY_S = 0.02
_ENDLESS = "999999999/1m"
_SCOPES = frozenset({"tasks:read", "tasks:schedule", "plans:write"})
_ALIVE = "SELECT count(*) FROM worker_heartbeat WHERE role = $1"
_UNFINISHED = "SELECT count(*) FROM job_execution WHERE status IN ('queued', 'running', 'retrying')"
_SUCCEEDED = "SELECT count(*) FROM job_execution WHERE status = 'succeeded'"
_UNSENT = "SELECT count(*) FROM delivery WHERE status IN ('queued', 'sending')"
_SENT = "SELECT count(*) FROM delivery WHERE status = 'sent'"
_OPENED = "SELECT count(*) FROM task WHERE tenant_id = $1 AND status = 'opened'"
_AT_ONCE = 5000


@dataclass(slots=True)
class _Asking:
    """Requests to API processes behind no proxy: the connections are spread over them evenly."""

    world: World
    name: str
    unit: str
    units: int
    requests: Callable[[], Awaitable[Sequence[bytes]]]
    by: str = field(default="api", init=False)

    @asynccontextmanager
    async def crew(self, count: int) -> AsyncIterator[Crew]:
        waiting: list[bytes] = []

        async def prepare() -> None:
            waiting[:] = await self.requests()

        async def run() -> int:
            return len(await ask_each(ports, waiting, _CONNECTIONS))

        async with _apis(self.world, count) as (pids, ports):
            yield Crew({self.by: pids}, prepare, run)


async def reads(world: World, units: int) -> Work:
    """One task each, of as many opened ones."""
    await seeding.tasks(world.admin, DEFAULT_TENANT, units, 0, opened=True)
    ids = [row["id"] for row in await world.admin.fetch(f"SELECT id FROM task LIMIT {units}")]

    async def requests() -> Sequence[bytes]:
        token = _token(world)
        return [get(f"/api/v1/plans/tasks/{task_id}", token) for task_id in ids]

    return _Asking(world, "reads", "requests", units, requests)


async def enrollments(world: World, units: int) -> Work:
    """One testee each, with ten tasks, an event and what the audit log says of it; in a new plan each round."""
    testees = await seeding.testees(world.admin, DEFAULT_TENANT, units)

    async def requests() -> Sequence[bytes]:
        given = {"name": "bench", "scale_code": "PHQ-9", "schedule_type": "by_week", "interval": 1}
        plan = await world.container.plan_authoring().create(
            DEFAULT_TENANT, given | {"total_times": 10}, actor="bench"
        )
        token, start = _token(world), (datetime.now(UTC).date() + timedelta(days=30)).isoformat()
        return [
            post(
                "/api/v1/plans/enroll",
                token,
                {"plan_id": plan.id, "testee_id": testee, "start_date": start},
            )
            for testee in testees
        ]

    return _Asking(world, "enrollments", "enrollments", units, requests)


@dataclass(slots=True)
class _Sweeping:
    """One sweep in each process at once, over the same due tasks."""

    world: World
    units: int
    tenant_id: UUID
    name: str = field(default="sweeps", init=False)
    by: str = field(default="api", init=False)
    unit: str = field(default="tasks", init=False)

    @asynccontextmanager
    async def crew(self, count: int) -> AsyncIterator[Crew]:
        opened = 0

        async def prepare() -> None:
            nonlocal opened
            await seeding.tasks(self.world.admin, self.tenant_id, self.units, 0)
            opened = await self.world.admin.fetchval(_OPENED, self.tenant_id)

        async def run() -> int:
            request = post("/api/v1/plans/tasks/schedule", _token(self.world, self.tenant_id))
            await asyncio.gather(*(ask(port, [request], 1) for port in ports))
            return int(await self.world.admin.fetchval(_OPENED, self.tenant_id)) - opened

        async with _apis(self.world, count) as (pids, ports):
            yield Crew({self.by: pids}, prepare, run)


async def sweeps(world: World, units: int) -> Work:
    """In a tenant of their own, where nothing else is due."""
    return _Sweeping(world, units, await seeding.tenant(world.admin, "swept"))


@dataclass(slots=True)
class _Working:
    """Workers of one role that find ``units`` things to do at once, those that ``queue`` leaves in a transaction.

    ``beside`` are the ids of other processes that take part.
    """

    world: World
    name: str
    by: str
    unit: str
    units: int
    settings: Mapping[str, str]
    queue: Callable[[AsyncExitStack], Awaitable[Callable[[], Awaitable[None]]]]
    """Leaves them in a transaction that the stack gives up, and returns how it is committed."""
    unfinished: str
    finished: str
    beside: Mapping[str, Sequence[int]] = field(default_factory=dict)

    @asynccontextmanager
    async def crew(self, count: int) -> AsyncIterator[Crew]:
        done = 0
        environment = {**self.world.environment(), "QS_LOG_LEVEL": "warning", **self.settings}
        async with AsyncExitStack() as stack:
            commits: list[Callable[[], Awaitable[None]]] = []
            queued = await stack.enter_async_context(AsyncExitStack())
            started = [
                await stack.enter_async_context(running(worker_command(self.by), environment))
                for _ in range(count)
            ]
            await self._ready(count)

            async def prepare() -> None:
                nonlocal done
                done = await self.world.admin.fetchval(self.finished)
                await queued.aclose()
                commits[:] = [await self.queue(queued)]

            async def run() -> int:
                await commits.pop()()
                async with asyncio.timeout(_DONE_WITHIN_S):
                    while await self.world.admin.fetchval(self.unfinished):
                        await asyncio.sleep(_LOOK_EVERY_S)
                return int(await self.world.admin.fetchval(self.finished)) - done

            pids = [process.pid for process in started]
            yield Crew({self.by: pids, **self.beside}, prepare, run)

    async def _ready(self, count: int) -> None:
        async with asyncio.timeout(_READY_WITHIN_S):
            while await self.world.admin.fetchval(_ALIVE, self.by) != count:
                await asyncio.sleep(_LOOK_EVERY_S)


async def executions(world: World, units: int) -> Work:
    """Executions of a job that only says hello, to their written ends."""
    job = _job()

    async def queue(stack: AsyncExitStack) -> Callable[[], Awaitable[None]]:
        uow = await stack.enter_async_context(world.container.job_uow()(DEFAULT_TENANT))
        now = await uow.system_now()
        runs = [
            new_run(job, new_id(), now, fired_by=RunFiredBy.MANUAL, actor="bench", available_at=now)
            for _ in range(units)
        ]
        for start in range(0, units, _AT_ONCE):
            await uow.runs.add([(run, job.definition) for run in runs[start : start + _AT_ONCE]])
        await uow.wake(Wake.RUNS)

        async def commit() -> None:
            await uow.commit("bench")

        return commit

    settings = {"QS_WORKER__CONCURRENCY": "100"}
    return _Working(
        world, "executions", "executions", "executions", units, settings, queue, _UNFINISHED, _SUCCEEDED
    )


async def messages(world: World, units: int) -> Work:
    """Messages about opened tasks over the signed webhook, to a receiver that takes whatever comes."""
    before = set(_children())
    url = await _receiver(world)
    receiver = [child for child in _children() if child not in before]
    await seeding.tasks(world.admin, DEFAULT_TENANT, units, 0, opened=True)
    await world.admin.execute(
        "UPDATE task SET expires_at = now() + interval '30 days' WHERE status = 'opened'"
    )

    async def queue(stack: AsyncExitStack) -> Callable[[], Awaitable[None]]:
        transaction = world.admin.transaction()
        await transaction.start()
        await world.admin.execute(f"{_QUEUE} LIMIT {units}", DEFAULT_TENANT)
        return transaction.commit

    secret = "whsec_" + base64.b64encode(b"a secret that only benches know").decode()
    settings = {
        "QS_NOTIFICATION__CHANNELS": "webhook",
        "QS_NOTIFICATION__WEBHOOK__URL": url,
        "QS_NOTIFICATION__WEBHOOK__SECRETS": secret,
        "QS_OUTBOUND__ALLOW_NETWORKS": "127.0.0.0/8",
    }
    beside = {"receiver": receiver}
    return _Working(
        world, "messages", "notifications", "messages", units, settings, queue, _UNSENT, _SENT, beside
    )


WORKS: Mapping[str, Callable[[World, int], Awaitable[Work]]] = {
    "reads": reads,
    "enrollments": enrollments,
    "sweeps": sweeps,
    "executions": executions,
    "messages": messages,
}


async def scaling(world: World, units: Mapping[str, int], processes: Sequence[int], rounds: int) -> Scaling:
    """Each kind of work in ``units``, so many of it in a round, by every number of processes.

    Raises:
        RuntimeError: another number of units was done, or a process ended by itself.
    """
    loads: list[float] = []
    growths = []
    for name, each in units.items():
        work = await WORKS[name](world, each)
        growths.append(await growth_of(world, work, processes, rounds, loads))
    return Scaling(growths, loads, {"connections to each API process": _CONNECTIONS, "units a round": units})


@asynccontextmanager
async def _apis(world: World, count: int) -> AsyncIterator[tuple[list[int], list[int]]]:
    """Ids and ports of so many API processes."""
    environment = {
        **world.environment(),
        "QS_LOG_LEVEL": "warning",
        "QS_LIMITS__WRITING": _ENDLESS,
        "QS_LIMITS__DUTIES": _ENDLESS,
        "QS_SWEEP__MAX_SECONDS": "3600",
    }
    async with AsyncExitStack() as stack:
        found = [await stack.enter_async_context(serving(_API, environment)) for _ in range(count)]
        yield [pid for pid, _ in found], [port for _, port in found]


def _token(world: World, tenant_id: UUID = DEFAULT_TENANT) -> str:
    principal = Principal(Kind.TOKEN, id="", tenant_id=tenant_id, scopes=_SCOPES)
    issued = world.container.access_tokens().issue(principal, ttl=timedelta(hours=1), now=datetime.now(UTC))
    return str(issued.token)


def _children() -> Iterator[int]:
    return (child.pid for child in psutil.Process().children())
