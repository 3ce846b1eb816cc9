"""What is kept of the jobs, and for how long: months are made in time, moved out of the rest, and dropped as a whole."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from qs.container import Container
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.infra.postgres import retention
from qs.infra.postgres.retention import SqlMonths

DAY = timedelta(days=1)
TABLES = ("job_execution", "job_attempt", "job_output")
KEEP = 90 * DAY


def made_at(instant: datetime, number: int = 0) -> UUID:
    """An id of that millisecond, as UUIDv7 has it."""
    return UUID(int=(int(instant.timestamp() * 1000) << 80) | (7 << 76) | (2 << 62) | number)


class History:
    """Writes executions of any time, each with an attempt and a piece of output, and finds where they lie."""

    def __init__(self, truth: asyncpg.Connection) -> None:
        self.truth = truth
        self.job_id = uuid4()

    async def execution(self, instant: datetime, status: str = "succeeded", number: int = 0) -> UUID:
        execution_id = made_at(instant, number)
        await self.truth.execute(
            "INSERT INTO job_execution (tenant_id, id, job_id, job_name, kind, fired_by, actor, status, queue, priority,"
            " definition, payload) VALUES ($1, $2, $3, 'tidy', 'builtin', 'clock', 'clock', $4, 'default', 0, '{}', '{}')",
            DEFAULT_TENANT,
            execution_id,
            self.job_id,
            status,
        )
        await self.truth.execute(
            "INSERT INTO job_attempt (tenant_id, execution_id, number, epoch, worker) VALUES ($1, $2, 1, 1, 'w')",
            DEFAULT_TENANT,
            execution_id,
        )
        await self.truth.execute(
            "INSERT INTO job_output (tenant_id, execution_id, position, attempt, stream, data)"
            " VALUES ($1, $2, 0, 1, 'log', 'x')",
            DEFAULT_TENANT,
            execution_id,
        )
        return execution_id

    async def where(self, execution_id: UUID) -> list[str]:
        """The partitions that hold what there is of it."""
        found = []
        for table in TABLES:
            column = "id" if table == "job_execution" else "execution_id"
            found.append(
                await self.truth.fetchval(
                    f"SELECT tableoid::regclass::text FROM {table} WHERE {column} = $1", execution_id
                )
            )
        return found

    async def months(self) -> list[str]:
        rows = await self.truth.fetch(
            "SELECT right(c.relname, 7) AS month FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
            " WHERE i.inhparent = 'job_execution'::regclass AND c.relname !~ 'rest$' ORDER BY 1"
        )
        return [row["month"] for row in rows]

    async def total(self) -> list[int]:
        return [await self.truth.fetchval(f"SELECT count(*) FROM {table}") for table in TABLES]


@pytest.fixture
def history(truth: asyncpg.Connection) -> History:
    return History(truth)


def month_of(instant: datetime) -> str:
    return f"{instant:%Y_%m}"


def month_start(now: datetime, months: int) -> datetime:
    """The beginning of the month so many months later or, if negative, earlier."""
    number = now.year * 12 + now.month - 1 + months
    return datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC)


def in_partitions(month: str) -> list[str]:
    return [f"{table}_{month}" for table in TABLES]


IN_THE_REST = [f"{table}_rest" for table in TABLES]


async def test_each_month_begins_with_its_first_millisecond(history, engine):
    now = datetime.now(UTC)
    begins = month_start(now, 1)

    last = await history.execution(begins - timedelta(milliseconds=1))
    first = await history.execution(begins)

    assert await history.where(last) == in_partitions(month_of(now))
    assert await history.where(first) == in_partitions(month_of(begins))


async def test_this_month_and_three_more_are_there_however_often_it_is_asked_for(history, engine, truth):
    now = datetime.now(UTC)
    for table in reversed(TABLES):
        for number in (2, 3):
            await truth.execute(f"DROP TABLE {table}_{month_of(month_start(now, number))}")
    months = SqlMonths(engine)

    made = [await months.prepare(3), await months.prepare(3)]
    at_once = await asyncio.gather(*(SqlMonths(engine).prepare(5) for _ in range(4)))

    assert made == [6, 0]
    assert sorted(each or 0 for each in at_once) == [0, 0, 0, 6]
    assert await history.months() == [month_of(month_start(now, n)) for n in range(6)]


async def test_what_came_before_its_month_was_made_is_moved_into_it_and_nothing_is_lost(
    history, engine, truth
):
    now = datetime.now(UTC)
    ahead, gone_by = month_start(now, 5) + DAY, month_start(now, -2) + DAY
    early = [await history.execution(ahead, number=n) for n in range(3)]
    late = await history.execution(gone_by)
    nonsense = await history.execution(datetime(1990, 1, 1, tzinfo=UTC))
    before = await history.total()
    assert {tuple(await history.where(each)) for each in (*early, late)} == {tuple(IN_THE_REST)}

    await SqlMonths(engine).prepare(3)

    assert await history.total() == before
    for each in early:
        assert await history.where(each) == in_partitions(month_of(ahead))
    assert await history.where(late) == in_partitions(month_of(gone_by))
    assert await history.where(nonsense) == IN_THE_REST
    # Such a partition is as closed as the others.
    closed = await truth.fetchval(
        "SELECT bool_and(relrowsecurity AND relforcerowsecurity) FROM pg_class WHERE relname = ANY($1)",
        in_partitions(month_of(ahead)),
    )
    assert closed


async def test_months_that_are_old_as_a_whole_are_dropped_unless_something_is_to_be_done_in_them(
    history, engine
):
    now = datetime.now(UTC)
    old, older, young = month_start(now, -5), month_start(now, -6), month_start(now, -1)
    await history.execution(old + DAY)
    waiting = await history.execution(older + DAY, status="running")
    finished = await history.execution(older + 2 * DAY)
    kept = await history.execution(young + DAY)
    months = SqlMonths(engine)
    await months.prepare(3)

    dropped = await months.drop(KEEP)

    assert dropped == 1
    assert month_of(old) not in await history.months()
    assert await history.where(waiting) == in_partitions(month_of(older))
    assert await history.where(finished) == in_partitions(month_of(older))
    assert await history.where(kept) == in_partitions(month_of(young))
    assert await history.total() == [3, 3, 3]

    await history.truth.execute("UPDATE job_execution SET status = 'failed' WHERE id = $1", waiting)
    assert await months.drop(KEEP) == 1
    assert await history.total() == [1, 1, 1]


async def test_a_month_is_kept_until_its_last_day_is_old_enough(history, engine):
    now = datetime.now(UTC)
    month, following = month_start(now, -4), month_start(now, -3)
    await history.execution(month + DAY)
    months = SqlMonths(engine)
    await months.prepare(3)

    too_early = await months.drop(now - following + DAY)
    in_time = await months.drop(now - following - timedelta(minutes=5))

    assert (too_early, in_time) == (0, 1)


async def test_a_long_reader_delays_both_and_blocks_nobody(history, engine, truth, monkeypatch):
    monkeypatch.setattr(retention, "_TRIES", 1)
    now = datetime.now(UTC)
    await history.execution(month_start(now, -6) + DAY)
    months = SqlMonths(engine)
    await months.prepare(3)
    for table in reversed(TABLES):
        await truth.execute(f"DROP TABLE {table}_{month_of(month_start(now, 3))}")
    before = await history.total()
    async with engine.connect() as reading:
        # As a backup does it.
        await reading.exec_driver_sql("SELECT count(*) FROM job_execution")
        while_read = await asyncio.gather(months.prepare(3), months.drop(KEEP))
        still_there = await history.total()

    after = [await months.prepare(3), await months.drop(KEEP)]

    assert [*while_read, *after] == [None, None, 3, 1]
    assert still_there == before


async def test_slots_go_when_their_job_has_moved_on_and_notices_after_a_month(
    container: Container, truth: asyncpg.Connection, desk, history
):
    job = await desk.job()
    await _slots(truth, job.id, [200, 150, 100, 10])
    await _slots(truth, quiet := (await desk.job("quiet")).id, [300, 200])
    await _slots(truth, gone := uuid4(), [120])
    for status, days in (("sent", 31), ("dead", 31), ("pending", 400), ("sent", 29)):
        await truth.execute(
            "INSERT INTO job_notice (tenant_id, id, job_id, execution_id, kind, channel, address, body, status, created_at)"
            " VALUES ($1, $2, $3, $3, 'failure', 'email', 'x', '{}', $4, clock_timestamp() - $5::interval)",
            DEFAULT_TENANT,
            uuid4(),
            job.id,
            status,
            days * DAY,
        )
    await history.execution(month_start(datetime.now(UTC), -6) + DAY)

    report = await container.retention().run()

    left = {
        (row["job_id"], row["days"])
        for row in await truth.fetch(
            "SELECT job_id, extract(day FROM clock_timestamp() - scheduled_at)::int AS days FROM job_slot"
        )
    }
    # The newest of each job stays, however old it is: nothing may ever fire it again.
    assert left == {(job.id, 10), (quiet, 200)}
    assert gone not in {job_id for job_id, _ in left}
    statuses = [row["status"] for row in await truth.fetch("SELECT status FROM job_notice ORDER BY status")]
    assert statuses == ["pending", "sent"]
    told: dict[str, Any] = {name: report[name] for name in report if name.startswith("job_")}
    assert told == {
        "job_partitions_made": 3,
        "job_months_dropped": 1,
        "job_slots": 5,
        "job_notices": 2,
    }


async def _slots(truth: asyncpg.Connection, job_id: UUID, days_ago: list[int]) -> None:
    for days in days_ago:
        await truth.execute(
            "INSERT INTO job_slot (tenant_id, job_id, scheduled_at, execution_id, claimed_at)"
            " VALUES ($1, $2, clock_timestamp() - $3::interval, gen_random_uuid(), clock_timestamp() - $3::interval)",
            DEFAULT_TENANT,
            job_id,
            days * DAY,
        )
