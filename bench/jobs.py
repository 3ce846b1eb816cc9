"""How fast due jobs become execution rows, and how fast executions are begun, ended and written."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid4

import asyncpg
import msgspec
from arq.connections import ArqRedis
from arq.worker import Worker, func

from bench.harness import Case, Goal, Subject
from bench.taskiq_peer import TaskiqPeer
from bench.venvs import PeerAbsent
from bench.world import World
from qs.application.scheduler.executors import Attempt, AttemptOutcome, AttemptStatus, Executor
from qs.application.scheduler.job_documents import read_job
from qs.application.scheduler.job_firing import new_run
from qs.application.scheduler.job_ports import Wake
from qs.application.scheduler.job_running import JobRunning
from qs.application.scheduler.run_ends import RunEnds
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.domain.scheduler.job import Job, JobSource, JobStatus
from qs.domain.scheduler.job_execution import RunFiredBy
from qs.infra.postgres.ids import new_id
from qs.infra.scheduler.across_jobs import SqlAcrossTenants
from qs.logs import configure_logging
from qs.settings.sections import LogSettings

_CONCURRENCY = 200
_AT_ONCE = 5000
_QUEUE = "bench"

# What firing comes to when nobody computes a next slot: one statement for all that is due.
_LIMIT = """
WITH due AS (
    SELECT tenant_id, id, name, kind, definition, next_slot FROM job
    WHERE tenant_id = $1 AND next_fire_at <= clock_timestamp() FOR UPDATE SKIP LOCKED
), moved AS (
    UPDATE job SET next_slot = due.next_slot + interval '1 day', next_fire_at = due.next_slot + interval '1 day',
        runs = runs + 1
    FROM due WHERE job.tenant_id = due.tenant_id AND job.id = due.id
), claimed AS (
    INSERT INTO job_slot (tenant_id, job_id, scheduled_at, execution_id)
    SELECT tenant_id, id, next_slot, gen_random_uuid() FROM due RETURNING job_id, execution_id, scheduled_at
)
INSERT INTO job_execution (tenant_id, id, job_id, job_name, kind, fired_by, actor, status, queue, priority, definition,
    payload, scheduled_at, available_at)
SELECT $1, c.execution_id, c.job_id, due.name, due.kind, 'clock', 'bench', 'queued', 'default', 0, due.definition, '{}',
    c.scheduled_at, clock_timestamp()
FROM claimed c JOIN due ON due.id = c.job_id
"""


class _NoOp:
    """Does nothing, as fast as that can be done."""

    kind = "builtin"
    scope = None
    grace = timedelta(seconds=30)

    def check(self, target: Any) -> list[Any]:
        return []

    async def execute(self, attempt: Attempt) -> AttemptOutcome:
        return AttemptOutcome(status=AttemptStatus.SUCCEEDED)

    async def aclose(self) -> None: ...


async def firing(world: World, due: int, idle: int) -> Case:
    """From due jobs to execution rows, each with its slot and its next one: one set statement against the clock.

    ``idle`` further jobs are not due. Jobs fire daily, each at a minute of its own, in a zone with daylight saving.
    """
    await _seed(world.admin, due, idle)
    await world.keep()
    executions = "SELECT count(*) FROM job_execution"

    async def prepare(number: int) -> None:
        await world.restore()

    async def run_limit(number: int) -> int:
        await world.admin.execute(_LIMIT, DEFAULT_TENANT)
        return int(await world.admin.fetchval(executions))

    async def run_ours(number: int) -> int:
        clock = world.container.job_firing()
        while (await clock.fire_due()).dealt_with:
            pass
        fired = await world.admin.fetchval("SELECT count(*) FROM job WHERE runs = 1")
        slots = await world.admin.fetchval("SELECT count(*) FROM job_slot")
        rows = int(await world.admin.fetchval(executions))
        assert fired == slots == rows, (fired, slots, rows)
        return rows

    subjects = {
        "one set statement": Subject(run_limit, due, prepare),
        "ours": Subject(run_ours, due, prepare),
    }
    goals = [Goal("ours", 10_000)]
    return Case("firing", "jobs", subjects, goals, {"jobs": due + idle, "of them due": due})


async def executing(world: World, executions: int, peers: Path | None = None) -> Case:
    """No-op executions that wait, to their written ends, against the same number of arq's and of taskiq's.

    Each in one process, as many at once; ours is durable in PostgreSQL, theirs in Redis. taskiq has an environment of
    its own below ``peers``; without that, or where it cannot be made, which the notes then say, taskiq is left out.
    """
    # A line for each execution goes to a log in production as well; here it would go to the terminal.
    configure_logging(LogSettings(path=world.home / "bench.log", console=False), "bench")
    job = _job()
    await world.keep()
    redis = ArqRedis.from_url(world.redis_url)
    redis.job_serializer = msgspec.json.encode
    redis.job_deserializer = msgspec.json.decode

    async def prepare_arq(number: int) -> None:
        await world.restore()
        for start in range(0, executions, _AT_ONCE):
            count = min(_AT_ONCE, executions - start)
            await asyncio.gather(*(redis.enqueue_job("noop", _queue_name=_QUEUE) for _ in range(count)))

    async def run_arq(number: int) -> int:
        worker = Worker(
            functions=[func(_noop, name="noop")],
            redis_pool=redis,
            queue_name=_QUEUE,
            burst=True,
            max_jobs=_CONCURRENCY,
            poll_delay=0.01,
            handle_signals=False,
            job_serializer=msgspec.json.encode,
            job_deserializer=msgspec.json.decode,
        )
        await worker.async_run()
        return worker.jobs_complete

    async def prepare_ours(number: int) -> None:
        await world.restore()
        async with world.container.job_uow()(DEFAULT_TENANT) as uow:
            now = await uow.system_now()
            runs = [
                new_run(job, new_id(), now, fired_by=RunFiredBy.MANUAL, actor="bench", available_at=now)
                for _ in range(executions)
            ]
            for start in range(0, executions, _AT_ONCE):
                await uow.runs.add([(run, job.definition) for run in runs[start : start + _AT_ONCE]])
            await uow.wake(Wake.RUNS)
            await uow.commit("bench")
        await world.admin.execute("ANALYZE job_execution")

    async def run_ours(number: int) -> int:
        container, executors = world.container, {"builtin": cast("Executor", _NoOp())}
        unit_of_work: Any = container.job_uow()
        ends = RunEnds(unit_of_work, container.job_ending())
        running = JobRunning(
            unit_of_work,
            SqlAcrossTenants(container.engine()),
            executors,
            ends,
            f"bench:{number}",
            concurrency=_CONCURRENCY,
        )
        writing = asyncio.create_task(ends.keep_writing())
        while await running.take() or len(running):
            await running.room()
            await asyncio.sleep(0)
        writing.cancel()
        done = await world.admin.fetchval("SELECT count(*) FROM job_execution WHERE status = 'succeeded'")
        attempts = await world.admin.fetchval("SELECT count(*) FROM job_attempt WHERE outcome = 'succeeded'")
        assert done == attempts, (done, attempts)
        return int(done)

    subjects = {
        "arq": Subject(run_arq, executions, prepare_arq),
        "ours": Subject(run_ours, executions, prepare_ours),
    }
    case = Case("executing", "executions", subjects, [Goal("ours", 1.5, "arq")], {"at once": _CONCURRENCY})
    if peers is not None:
        await _add_taskiq(case, world, executions, peers)
    return case


async def _add_taskiq(case: Case, world: World, executions: int, peers: Path) -> None:
    try:
        taskiq, versions = await TaskiqPeer.installed(world, peers, _CONCURRENCY)
    except PeerAbsent as absent:
        case.notes["taskiq is left out"] = str(absent)
        return

    async def prepare(number: int) -> None:
        await world.restore()
        await taskiq.prepare(executions)

    async def run(number: int) -> int:
        return await taskiq.run(executions)

    case.subjects = {**case.subjects, "taskiq": Subject(run, executions, prepare)}
    case.goals = [*case.goals, Goal("ours", 1.0, "taskiq", aimed_at=True)]
    case.notes["taskiq"] = [each for each in versions if each.startswith(("taskiq", "redis"))]


async def _noop(ctx: dict[Any, Any]) -> None:
    """arq's job."""


def _document(number: int) -> dict[str, Any]:
    # No slot of their own comes while they are measured.
    hour = (datetime.now(UTC).hour + 6 + number // 60 % 12) % 24
    return {
        "name": f"job {number}",
        "type": "cron",
        "schedule": f"{number % 60} {hour} * * *",
        "timezone": "Europe/Berlin",
        "target": {"builtin": {"name": "hello_job"}},
    }


def _job() -> Job:
    return Job(
        id=uuid4(),
        tenant_id=DEFAULT_TENANT,
        source=JobSource.STORED,
        owner=None,
        definition=read_job(_document(0)),
        status=JobStatus.ACTIVE,
        anchor=datetime.now(UTC),
    )


async def _seed(admin: asyncpg.Connection, due: int, idle: int) -> None:
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    rows: list[tuple[Any, ...]] = []
    for number in range(due + idle):
        definition = read_job(_document(number))
        slot = now if number < due else now + timedelta(days=300)
        rows.append(
            (
                DEFAULT_TENANT,
                UUID(int=number + 1),
                definition.name,
                "stored",
                msgspec.json.encode(definition).decode(),
                "builtin",
                True,
                "active",
                now,
                slot,
                slot,
            )
        )
    await admin.copy_records_to_table(
        "job",
        records=rows,
        columns=(
            "tenant_id",
            "id",
            "name",
            "source",
            "definition",
            "kind",
            "enabled",
            "status",
            "anchor",
            "next_slot",
            "next_fire_at",
        ),
    )
    await admin.execute("ANALYZE job")
