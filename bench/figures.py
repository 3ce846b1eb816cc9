"""How fast events are counted, counters are synced into PostgreSQL, and all of it is held against the tasks."""

from collections.abc import AsyncIterator, Awaitable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any, cast
from uuid import UUID

from redis.asyncio import Redis

from bench.harness import Case, Goal, Subject
from bench.world import World
from qs.application.statistics.counting import figures_of
from qs.application.statistics.ports import Figures, Kind
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.domain.statistics.calendar import BEGINNING, Period, TenantCalendar
from qs.domain.statistics.facts import Fact
from qs.domain.statistics.metrics import METRICS, Place
from qs.infra.postgres.ids import new_id

_BATCH = 1000
_SYNC_BATCH = 2000
_ONE_BY_ONE = 20
_CALENDAR = TenantCalendar([Period(BEGINNING, "Asia/Shanghai")])

# The least that counting once takes: claim an id and, if it is new, add to one figure.
_COUNT_ONCE = """
for i = 1, #ARGV, 2 do
    if redis.call('SADD', KEYS[1], ARGV[i]) == 1 then redis.call('HINCRBY', ARGV[i + 1], 'opened', 1) end
end
"""
_READ_ALL = "local found = {} for i = 1, #ARGV do found[i] = redis.call('HGETALL', ARGV[i]) end return found"
_UPSERT = """
INSERT INTO stat_daily (tenant_id, dimension, key, day, opened, as_of) VALUES ($1, $2, $3, $4, $5, now())
ON CONFLICT (tenant_id, dimension, key, day) DO UPDATE SET opened = excluded.opened
"""


async def counting(world: World, events: int) -> Case:
    """Claiming events and adding them to the figures of four dimensions, against a script that adds to one."""
    redis, counters = world.container.redis(), world.container.counters()
    count_once = redis.register_script(_COUNT_ONCE)
    people = [str(new_id()) for _ in range(events // 10)]
    plan_id, epoch = str(new_id()), new_id()

    def facts(number: int) -> list[tuple[UUID, Fact]]:
        at = datetime(2026, 7, 1, 11, number, tzinfo=UTC)
        return [
            (new_id(), Fact("TaskOpened", at, plan_id, people[n % len(people)], "PHQ-9"))
            for n in range(events)
        ]

    told: dict[int, list[tuple[UUID, Fact]]] = {}

    async def prepare(number: int) -> None:
        await redis.flushdb()
        made = await counters.make(DEFAULT_TENANT, epoch, _no_figures())
        await counters.install(DEFAULT_TENANT, epoch, made, ())
        told[number] = facts(number)

    async def run_limit(number: int) -> int:
        for chunk in _chunks(told[number], _BATCH):
            parts = [part for id_, fact in chunk for part in (id_.bytes, f"c:{fact.testee_id}")]
            await count_once(keys=["claims"], args=parts)
        return await _claims(redis)

    async def run_pipeline(number: int) -> int:
        for chunk in _chunks(told[number], _BATCH):
            async with redis.pipeline(transaction=False) as pipeline:
                for id_, fact in chunk:
                    pipeline.sadd("claims", id_.bytes)
                    pipeline.hincrby(f"c:{fact.testee_id}", "opened", 1)
                await pipeline.execute()
        return await _claims(redis)

    async def run_ours(number: int) -> int:
        done = 0
        for chunk in _chunks(told[number], _BATCH):
            figures = figures_of(DEFAULT_TENANT, (fact for _, fact in chunk), _CALENDAR)
            assert not await counters.add(DEFAULT_TENANT, epoch, [id_ for id_, _ in chunk], figures)
            done += len(chunk)
        return done

    subjects = {
        "one script, one figure": Subject(run_limit, events, prepare),
        "ours, four dimensions": Subject(run_ours, events, prepare),
        "pipeline, one figure": Subject(run_pipeline, events, prepare),
    }
    return Case("counting", "events", subjects, [Goal("ours, four dimensions", 200_000)])


async def syncing(world: World, places: int) -> Case:
    """Changed counters into daily figures, against reading them and a COPY into an identical, bare table."""
    container, redis = world.container, world.container.redis()
    counters, sync = container.counters(), container.daily_sync()
    await world.admin.execute("CREATE TABLE bare_daily (LIKE stat_daily INCLUDING ALL)")
    epoch = (await container.counter_mending().rebuild(DEFAULT_TENANT)).id
    day = _CALENDAR.date_of(datetime.now(UTC))
    which = [Place("testee", str(new_id()), day) for _ in range(places)]
    some = which[: places // _ONE_BY_ONE]
    read_all = redis.register_script(_READ_ALL)
    columns = ["tenant_id", "dimension", "key", "day", *METRICS, "as_of"]

    async def prepare(number: int) -> None:
        await world.admin.execute("TRUNCATE bare_daily")
        for chunk in _chunks(which, _BATCH):
            await counters.add(
                DEFAULT_TENANT, epoch, [], {place: {"opened": 1, "completed": 1} for place in chunk}
            )

    def key_of(place: Place) -> str:
        return f"qs:stat:{{{DEFAULT_TENANT}}}:{epoch}:c:{place.day}:{place.dimension}:{place.key}"

    async def run_limit(number: int) -> int:
        for chunk in _chunks(which, _SYNC_BATCH):
            found = await read_all(args=[key_of(place) for place in chunk])
            rows = [_row(place, fields) for place, fields in zip(chunk, found, strict=True)]
            await world.admin.copy_records_to_table("bare_daily", records=rows, columns=columns)
        return places

    async def run_ours(number: int) -> int:
        return (await sync.run(DEFAULT_TENANT)).upserted

    async def run_one_by_one(number: int) -> int:
        for place in some:
            found: dict[bytes, bytes] = await cast("Awaitable[Any]", redis.hgetall(key_of(place)))
            await world.admin.execute(
                _UPSERT, DEFAULT_TENANT, place.dimension, place.key, place.day, int(found[b"opened"])
            )
        return len(some)

    subjects = {
        "reading and COPY, bare table": Subject(run_limit, places, prepare),
        "ours": Subject(run_ours, places, prepare),
        "one by one": Subject(run_one_by_one, len(some), prepare),
    }
    return Case("sync", "counters", subjects, [Goal("ours", 40_000), Goal("ours", 10, "one by one")])


async def validating(world: World, keys: int) -> Case:
    """Redis, stored figures and a recount of the tasks compared, against merely reading counters and figures."""
    container = world.container
    await _fill(world, keys // 2)
    epoch = await container.counter_mending().rebuild(DEFAULT_TENANT)
    for kind in (Kind.DAILY, Kind.ACCUMULATED, Kind.PLAN):
        await container.statistics_syncing().sync(kind, DEFAULT_TENANT)
    places = int(await world.admin.fetchval("SELECT count(*) FROM stat_daily"))

    async def run_limit(number: int) -> int:
        counters, found = container.counters(), 0
        async for figures in counters.figures(DEFAULT_TENANT, epoch.id, _SYNC_BATCH):
            found += len(figures)
        await world.admin.fetch("SELECT * FROM stat_daily")
        return found

    async def run_ours(number: int) -> int:
        found = await container.validation().validate(DEFAULT_TENANT)
        assert found["status"] == "consistent", found["differences"][:3]
        return int(found["checked"]) - 1

    subjects = {
        "reading two sides": Subject(run_limit, places),
        "ours, three sides": Subject(run_ours, places),
    }
    # 100,000 keys in under five seconds.
    return Case("validation", "keys", subjects, [Goal("ours, three sides", 20_000)], {"keys": places})


async def _fill(world: World, people: int) -> None:
    """Testees with one task each, enrolled three days before it was opened, so that each has figures on two dates."""
    now, plan_id = datetime.now(UTC), new_id()
    joined, opened = now - timedelta(days=4), now - timedelta(days=1)
    await world.admin.execute(
        "INSERT INTO plan (id, tenant_id, name, scale_code, schedule_type, interval, total_times, trigger_time,"
        " timezone, due_days, entry_ttl_days, catch_up_days, catch_up, notify_on_expiry, status, created_at,"
        " updated_at) VALUES ($1, $2, 'bench', 'PHQ-9', 'by_week', 1, 1, '19:00', 'Asia/Shanghai', 7, 7, 7,"
        " 'all', 'staff', 'active', $3, $3)",
        plan_id,
        DEFAULT_TENANT,
        joined,
    )
    who = [(new_id(), new_id()) for _ in range(people)]
    await world.admin.copy_records_to_table(
        "testee",
        records=[(person, DEFAULT_TENANT, joined, joined) for _, person in who],
        columns=["id", "tenant_id", "created_at", "updated_at"],
    )
    await world.admin.copy_records_to_table(
        "enrollment",
        records=[
            (enrollment, DEFAULT_TENANT, plan_id, person, 1, date(2026, 1, 1), 1, "active", joined)
            for enrollment, person in who
        ],
        columns=[
            "id",
            "tenant_id",
            "plan_id",
            "testee_id",
            "round",
            "start_date",
            "tasks_left",
            "status",
            "created_at",
        ],
    )
    later = opened + timedelta(days=7)
    await world.admin.copy_records_to_table(
        "task",
        records=[
            (
                *(new_id(), DEFAULT_TENANT, plan_id, enrollment, person, "PHQ-9", 1, opened),
                *("Asia/Shanghai", later, later, "opened", opened, later, ["bench"], joined),
            )
            for enrollment, person in who
        ],
        columns=[
            *("id", "tenant_id", "plan_id", "enrollment_id", "testee_id", "scale_code", "seq", "planned_at"),
            *(
                "timezone",
                "due_at",
                "closes_at",
                "status",
                "opened_at",
                "expires_at",
                "entry_keys",
                "created_at",
            ),
        ],
    )
    await world.admin.execute("VACUUM ANALYZE task")
    await world.admin.execute("ANALYZE enrollment")


def _row(place: Place, fields: Sequence[bytes]) -> tuple[Any, ...]:
    counts = {name.decode(): int(count) for name, count in zip(fields[::2], fields[1::2], strict=True)}
    return (DEFAULT_TENANT, *place, *(counts.get(name, 0) for name in METRICS), datetime.now(UTC))


async def _claims(redis: Redis) -> int:
    return int(await cast("Awaitable[Any]", redis.scard("claims")))


async def _no_figures() -> AsyncIterator[Figures]:
    for _ in ():
        yield {}


def _chunks(items: Sequence[Any], size: int) -> Iterator[list[Any]]:
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk
