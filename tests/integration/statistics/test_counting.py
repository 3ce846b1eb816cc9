"""Events become figures: each once, on the date it happened on, whatever comes twice, late or out of order."""

from datetime import date, datetime, timedelta
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from qs.application.identity.administering_tenants import TenantChange
from qs.application.kernel.cloud_events import PublishedEvent
from qs.application.plan.ports import Page
from qs.application.statistics import counting as statistics
from qs.application.statistics.ports import Kind
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.domain.plan.plan import ResumePolicy
from qs.domain.statistics.errors import CountersAway, CountersLost
from qs.domain.statistics.metrics import Place
from qs.infra.redis.client import create_redis
from qs.infra.statistics.counters import RedisCounters
from tests.support.builders import at
from tests.support.counting import TENANT_KEY, in_portions, installed
from tests.support.events import task_opened

FIRST = Place("tenant", TENANT_KEY, date(2060, 3, 1))


async def test_what_was_counted_live_is_what_the_tasks_say(ward):
    tasks = await ward.opened(5)
    await ward.submit(tasks[0].id)
    await ward.count()

    live = await ward.live()

    assert await ward.agrees()
    assert live[FIRST] == {"opened": 5, "completed": 1, "on_time": 1}
    assert live[Place("scale", "PHQ-9", FIRST.day)] == live[FIRST]
    assert live[Place("testee", str(tasks[0].testee_id), FIRST.day)] == {
        "opened": 1,
        "completed": 1,
        "on_time": 1,
    }


async def test_every_figure_is_counted_as_the_tasks_have_it(ward):
    plan = await ward.plan(total_times=3, catch_up_days=3, entry_ttl_days=2, due_days=1)
    late, manual, canceled, ended, *_ = [await ward.enroll(plan) for _ in range(5)]
    await ward.advance("2060-03-01")
    await ward.sweep()
    await ward.operating.expire(ward.tenant_id, manual.tasks[0].id, actor="user:anna")
    await ward.operating.cancel(ward.tenant_id, canceled.tasks[0].id, "moved_away", actor="user:anna")
    await ward.advance("2060-03-03 12:00")
    await ward.submit(late.tasks[0].id)
    await ward.steering.terminate(
        ward.tenant_id, plan.id, ended.enrollment.testee_id, "left", actor="user:anna"
    )
    await ward.advance("2060-03-08")
    await ward.sweep()
    await ward.submit(late.tasks[1].id, "assessment-2")
    await ward.steering.pause(ward.tenant_id, plan.id, actor="user:anna")
    await ward.advance("2060-03-20")
    await ward.steering.resume(ward.tenant_id, plan.id, ResumePolicy.KEEP, actor="user:anna")
    await ward.sweep()
    await ward.count()

    live = await ward.live()

    assert await ward.agrees()
    whole = {name for counts in live.values() for name in counts}
    assert whole >= {
        "enrolled", "opened", "completed", "on_time", "expired", "expired:manual", "expired:entry_timeout", "missed",
        "canceled", "canceled:moved_away", "canceled_open", "followup_completed", "followup_expired",
    }  # fmt: skip


async def test_events_that_come_twice_are_counted_once(ward, redis):
    await ward.opened(20)
    await ward.count()
    for _ in range(3):
        await redis.delete("qs:events:vouched")
        await ward.count()

    assert await ward.agrees()


async def test_events_out_of_order_are_counted_on_their_own_days(ward):
    (task,) = await ward.opened()
    await ward.advance("2060-03-02")
    await ward.submit(task.id)
    handler = statistics.Counting(ward.counters, ward.container._calendars())
    events = await _events(ward)
    await _handle(ward, handler, events[::-1])

    live = await ward.live()

    assert live[FIRST] == {"opened": 1}
    assert live[Place("tenant", TENANT_KEY, date(2060, 3, 2))] == {"completed": 1, "on_time": 1}


async def test_a_crash_between_counting_and_acknowledging_counts_once(ward):
    await ward.opened(10)
    handler = statistics.Counting(ward.counters, ward.container._calendars())
    events = await _events(ward)

    await _handle(ward, handler, events, commit=False)
    await _handle(ward, handler, events[:4], commit=False)
    await ward.count()

    assert await ward.agrees()


async def test_counters_lost_while_counting_are_made_again_and_nothing_counts_twice(ward, redis):
    await ward.opened(10)
    handler = statistics.Counting(ward.counters, ward.container._calendars())
    events = await _events(ward)
    await _handle(ward, handler, events, commit=False)
    await redis.flushall()

    with pytest.raises(CountersLost):
        await _handle(ward, handler, events)
    await ward.count()

    assert await ward.agrees()


async def test_an_acknowledgement_under_an_epoch_that_ended_does_not_commit(ward):
    await ward.opened(3)
    counters: Any = RebuiltInBetween(ward)
    handler = statistics.Counting(counters, ward.container._calendars())

    with pytest.raises(CountersLost):
        await _handle(ward, handler, await _events(ward))
    await ward.count()

    assert await ward.agrees()


async def test_a_restored_redis_is_noticed_by_its_new_run(own_redis):
    keys = [f"qs:stat:{{{DEFAULT_TENANT}}}:{name}" for name in ("epoch", "server")]
    epoch = uuid4()
    async with create_redis(own_redis.url) as redis:
        counters = RedisCounters(redis)
        await installed(counters, epoch, in_portions({FIRST: {"opened": 1}}))
        assert await counters.lost({DEFAULT_TENANT: epoch}) == frozenset()
        held = await redis.mget(keys)

        await own_redis.kill()
        with pytest.raises(CountersAway):
            await counters.lost({DEFAULT_TENANT: epoch})
    await own_redis.start()

    async with create_redis(own_redis.url) as redis:
        await redis.mset(dict(zip(keys, held, strict=True)))
        assert await RedisCounters(redis).lost({DEFAULT_TENANT: epoch}) == {DEFAULT_TENANT}


async def test_losing_redis_while_counters_are_made_leaves_nothing_to_read(ward, redis):
    await ward.opened(10)
    counters, epoch = RedisCounters(redis), uuid4()

    class Emptying(RedisCounters):
        """Loses everything when the figures are made and the claims are to follow."""

        async def _run_id(self) -> bytes:
            run_id = await super()._run_id()
            if await redis.exists(f"qs:stat:{{{DEFAULT_TENANT}}}:{epoch}:made"):
                await redis.flushall()
            return run_id

    with pytest.raises(CountersLost):
        await installed(Emptying(redis), epoch, in_portions(await ward.recounted()))

    assert await counters.lost({DEFAULT_TENANT: epoch}) == {DEFAULT_TENANT}


async def test_keys_may_hold_any_character(ward, redis):
    counters, epoch = RedisCounters(redis), uuid4()
    places = [Place("scale", key, FIRST.day) for key in ("a:b", "{x}", "量表 é", "*?[", "a b\n", '"', "")]

    await installed(counters, epoch, in_portions())
    await counters.add(DEFAULT_TENANT, epoch, [uuid4()], {place: {"opened": 2} for place in places})
    await counters.add(
        DEFAULT_TENANT, epoch, [uuid4()], {place: {"opened": 1, "missed": 1} for place in places}
    )

    assert await counters.read(DEFAULT_TENANT, epoch, places) == [{"opened": 3, "missed": 1}] * len(places)
    found = {
        place: n async for some in counters.figures(DEFAULT_TENANT, epoch, 3) for place, n in some.items()
    }
    assert found == {key: {"opened": 3, "missed": 1} for key in places}


async def test_an_event_from_before_the_live_dates_has_its_date_counted_again(ward):
    plan = await ward.plan(total_times=1)
    await ward.enroll_many(plan, 3)
    await ward.advance("2060-03-01")
    await ward.sweep()
    await ward.advance("2060-06-01")
    await ward.mending.rebuild(ward.tenant_id)
    await ward.sync()
    handler = statistics.Counting(ward.counters, ward.container._calendars())
    await ward.truth.execute("DELETE FROM stat_daily WHERE day = '2060-03-01'")
    await _handle(ward, handler, await _events(ward))

    await ward.sync(Kind.DAILY)

    assert await ward.stored() == await ward.recounted()
    async with ward.statistics(ward.tenant_id) as uow:
        (row, *_) = await uow.daily.of("tenant", TENANT_KEY, FIRST.day, FIRST.day)
    assert (row.generation, row.reason) == (1, "late_event")


async def test_a_tenant_that_moves_counts_in_the_new_zone_from_its_next_date_on(ward):
    await ward.opened(2)
    administration = ward.container.tenant_administration()
    await _change_zone(administration, "America/New_York")
    tasks = await ward.tasks((await ward.reading.plans(ward.tenant_id, _page()))[0][0])
    # Still 1 March in Shanghai, and already the new zone's 1 March at 13:00 when the old date is over.
    await ward.advance("2060-03-01 23:59")
    await ward.submit(tasks[0].id)
    await ward.advance("2060-03-02 12:00")
    await ward.submit(tasks[1].id)
    await ward.count()

    live = await ward.live()

    assert await ward.agrees()
    assert live[FIRST] == {"opened": 2, "completed": 2, "on_time": 2}


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [("Europe/Berlin", date(2060, 3, 28), 23), ("Europe/Berlin", date(2060, 10, 31), 25)],
)
async def test_a_day_of_another_length_is_one_date(ward, zone, day, hours):
    await _change_zone(ward.container.tenant_administration(), zone)
    calendar = await ward.container._calendars().of(ward.tenant_id)
    start = at(f"{day} 00:00", zone)
    await ward.opened()
    handler = statistics.Counting(ward.counters, ward.container._calendars())
    events = [await _opened_at(ward, start + timedelta(minutes=30 + 60 * n)) for n in range(-1, hours + 1)]
    await _handle(ward, handler, events)

    live = await ward.live()

    assert live[Place("tenant", TENANT_KEY, day)] == {"opened": hours}
    assert calendar.date_of(start) == day


async def test_claims_of_acknowledged_events_are_forgotten(ward):
    await ward.opened(10)
    await ward.count()
    epoch = await ward.mending.good(ward.tenant_id)

    await ward.mending.forget_claims()

    left = [id_ async for ids in ward.counters.claimed(ward.tenant_id, epoch.id, 100) for id_ in ids]
    assert left == []
    await ward.count()
    assert await ward.agrees()


async def test_a_dead_letter_is_counted_by_a_rebuild_and_not_again_when_it_is_replayed(ward):
    await ward.opened(2)
    await ward.count()
    await ward.truth.execute("UPDATE inbox SET state = 'dead', error = 'x' WHERE subscriber = 'statistics'")
    await ward.mending.rebuild(ward.tenant_id)
    handler = statistics.Counting(ward.counters, ward.container._calendars())
    await ward.truth.execute("DELETE FROM inbox WHERE subscriber = 'statistics'")

    await _handle(ward, handler, await _events(ward))

    assert await ward.agrees()


async def test_losing_redis_costs_no_attempt(ward, redis):
    await ward.opened(3)
    await redis.flushall()
    publishing = ward.container.publishing()
    while await publishing.round():
        pass
    for _ in range(8):
        await ward.counting.follow(timedelta(milliseconds=1))
        await ward.truth.execute("UPDATE inbox_attempt SET next_attempt_at = now() - interval '1 s'")
        await ward.counting.retry()

    assert await ward.truth.fetchval("SELECT count(*) FROM inbox WHERE state = 'dead'") == 0
    await ward.truth.execute("UPDATE inbox_attempt SET next_attempt_at = now() - interval '1 s'")
    await ward.count()
    assert await ward.agrees()
    assert await ward.truth.fetchval("SELECT count(*) FROM inbox_attempt") == 0


class RebuiltInBetween:
    """Counters that are counted again between the script and the acknowledgement."""

    def __init__(self, ward: Any) -> None:
        self._ward = ward

    async def add(self, *arguments: Any) -> Any:
        done = await self._ward.counters.add(*arguments)
        await self._ward.mending.rebuild(self._ward.tenant_id)
        return done


async def _change_zone(administration: Any, zone: str) -> None:
    await administration.change("default", TenantChange(timezone=zone), actor="test")


def _page() -> Any:
    return Page(1, 20)


async def _events(ward: Any) -> list[Any]:
    """The recorded events that are counted, as the worker gets them."""
    rows = await ward.truth.fetch(
        "SELECT id, tenant_id, context, name, subject, partition_key, coalesce(position, 0) AS position, occurred_at,"
        " data::text AS data FROM outbox WHERE name = ANY($1) ORDER BY ordinal",
        list(statistics.SUBSCRIPTION.names),
    )
    return [PublishedEvent(**dict(row)) for row in rows]


async def _opened_at(ward: Any, instant: datetime) -> Any:
    """An event that says that a task was opened then."""
    event = task_opened()
    data = msgspec.json.encode(event.payload).decode()
    return PublishedEvent(uuid4(), DEFAULT_TENANT, "plan", "TaskOpened", "x", uuid4(), 0, instant, data)


async def _handle(ward: Any, handler: Any, events: list[Any], *, commit: bool = True) -> None:
    """One batch as the subscriber framework hands it in."""
    async with ward.statistics(ward.tenant_id) as uow:
        await handler.handle(uow, events)
        if commit:
            await uow.inbox.set_aside("statistics", [event.id for event in events])
            await uow.inbox.take_again("statistics", [event.id for event in events])
            await uow.commit("test")
