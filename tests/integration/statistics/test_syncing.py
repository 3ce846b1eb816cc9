"""Counters become stored figures: absolute, idempotent, one process at a time, and never less than they were."""

import asyncio
from datetime import date, timedelta

import msgspec
import pytest

from qs.application.statistics.holding import AlreadyRunning, SyncHolding
from qs.application.statistics.ports import Kind
from qs.container import build_container, close
from qs.domain.kernel.zones import UnknownZone
from qs.domain.statistics.errors import CountersAway, SyncTakenOver
from qs.domain.statistics.metrics import METRICS, Dimension, Place
from qs.settings.sections import RedisSettings
from tests.support.counting import TENANT_KEY, Ward
from tests.support.events import Background

FIRST = Place("tenant", TENANT_KEY, date(2060, 3, 1))


async def test_a_sync_writes_what_was_counted_and_twice_changes_nothing(ward):
    tasks = await ward.opened(5)
    await ward.submit(tasks[0].id)
    await ward.count()

    first, *_ = await ward.sync()
    again, accumulated, plan = await ward.sync()

    assert first["status"] == "done"
    assert first["upserted"] > 0
    assert [each["upserted"] for each in (again, accumulated, plan)] == [0, 0, 0]
    assert await ward.stored() == await ward.recounted()
    assert (await ward.validate())["differences"] == []


async def test_of_twenty_callers_at_once_one_syncs_and_the_others_are_told(ward):
    await ward.opened(50)
    await ward.count()
    await ward.connect()
    holding = SyncHolding(ward.statistics)

    async with holding.held(ward.tenant_id, Kind.DAILY, None):
        told = await asyncio.gather(*(ward.sync(Kind.DAILY) for _ in range(20)))

    assert {each["status"] for (each,) in told} == {"already_running"}
    assert (await ward.sync(Kind.DAILY))[0]["status"] == "done"


async def test_a_process_that_went_silent_is_followed_and_its_late_write_refused(ward):
    await ward.opened(5)
    await ward.count()
    async with ward.statistics(ward.tenant_id) as uow:
        old = await uow.syncs.take(Kind.DAILY, None, timedelta(0))
        await uow.commit("test")
    await ward.sync(Kind.DAILY)

    async with ward.statistics(ward.tenant_id) as uow:
        with pytest.raises(SyncTakenOver):
            await uow.syncs.check(old)


async def test_a_running_lease_is_refused_and_names_its_execution(ward):
    holding, execution_id = SyncHolding(ward.statistics), ward.container.new_id()()

    async with holding.held(ward.tenant_id, Kind.PLAN, execution_id):
        with pytest.raises(AlreadyRunning) as running:
            async with holding.held(ward.tenant_id, Kind.PLAN, None):
                pass
        assert (await ward.sync(Kind.PLAN))[0]["execution_id"] == str(execution_id)

    assert running.value.execution_id == execution_id
    assert (await ward.sync(Kind.PLAN))[0]["status"] == "done"


async def test_totals_are_not_read_from_dates_that_are_half_written(ward):
    await ward.opened(5)
    await ward.count()
    await ward.sync()
    await ward.truth.execute("UPDATE stat_sync SET whole = false WHERE kind = 'daily'")
    await ward.truth.execute("DELETE FROM stat_daily WHERE dimension = 'testee' AND day >= '2060-01-01'")
    # A pass that was cut off leaves what it had set aside; here the whole of it.
    await ward.mending.rebuild(ward.tenant_id)

    await ward.sync(Kind.ACCUMULATED)

    assert await ward.stored() == await ward.recounted()
    assert await ward.truth.fetchval("SELECT whole FROM stat_sync WHERE kind = 'daily'")


async def test_a_pass_that_was_cut_off_is_gone_over_again(ward):
    await ward.opened(5)
    await ward.count()
    epoch = await ward.mending.good(ward.tenant_id)
    await ward.counters.take_changed(ward.tenant_id, epoch.id)

    await ward.sync(Kind.DAILY)

    assert await ward.stored() == await ward.recounted()


async def test_windows_are_civil_dates_that_include_today(ward):
    plan = await ward.plan(schedule_type="by_day", interval=1, total_times=31, catch_up="all")
    await ward.enroll(plan)
    for day in range(31):
        await ward.advance(f"2060-03-{day + 1:02}")
        await ward.sweep()
    await ward.count()
    await ward.sync()

    async with ward.statistics(ward.tenant_id) as uow:
        row = await uow.accumulated.get(Dimension.PLAN, str(plan.id))

    assert (row.through, row.first_on, row.last_on) == (date(2060, 3, 31), row.first_on, date(2060, 3, 31))
    assert {days: counts["opened"] for days, counts in row.windows.items()} == {"7": 7, "15": 15, "30": 30}
    assert row.totals["opened"] == 31
    assert row.totals["expired:entry_timeout"] == row.totals["expired"] > 0


async def test_a_late_fact_changes_a_closed_date_visibly(ward):
    tasks = await ward.opened(3)
    await ward.count()
    await ward.advance("2060-03-02 12:00")
    await ward.sync()
    before = await ward.stored()
    await ward.truth.execute(
        "UPDATE task SET completed_at = opened_at, status = 'completed' WHERE id = $1", tasks[0].id
    )
    await ward.mending.rebuild(ward.tenant_id)

    await ward.sync(Kind.DAILY)

    assert (await ward.stored())[FIRST] == before[FIRST] | {"completed": 1, "on_time": 1}
    async with ward.statistics(ward.tenant_id) as uow:
        (row,) = await uow.daily.of("tenant", TENANT_KEY, FIRST.day, FIRST.day)
        (revision,) = await uow.daily.revisions("tenant", TENANT_KEY)
    assert (row.generation, row.reason) == (1, "late_event")
    assert (revision.before["completed"], revision.after["completed"], revision.reason) == (
        0,
        1,
        "late_event",
    )


async def test_a_sync_never_lowers_a_figure(ward):
    async with ward.statistics(ward.tenant_id) as uow:
        await uow.daily.upsert({FIRST: {"opened": 5, "completed": 2}}, uow.now, None, "x")
        await uow.commit("test")

    async with ward.statistics(ward.tenant_id) as uow:
        changed = await uow.daily.upsert({FIRST: {"opened": 4, "completed": 1}}, uow.now, None, "x")
        mixed = await uow.daily.upsert({FIRST: {"opened": 6, "completed": 1}}, uow.now, None, "x")
        await uow.commit("test")

    assert (changed, mixed) == (0, 1)
    assert (await ward.stored())[FIRST] == {"opened": 6, "completed": 2}


async def test_without_redis_the_figures_come_from_the_tasks(ward, settings, truth):
    # Of the years between the clock of the machine and that of the tenant some dates will do.
    await ward.advance("2060-01-01")
    await truth.execute("UPDATE stat_epoch SET live_from = '2060-01-01'")
    await ward.opened(4)
    away = msgspec.structs.replace(settings, redis=RedisSettings(url="unix:///nonexistent/redis.sock"))
    container = build_container(away)

    (done,) = await Ward(container, truth).sync(Kind.DAILY)
    await close(container)

    assert done["status"] == "done"
    assert await ward.stored() == await ward.recounted()
    await ward.count()
    await ward.sync()
    assert await ward.stored() == await ward.recounted()


async def test_dates_counted_live_long_ago_are_let_go_and_their_figures_stay(ward):
    await ward.opened(4)
    await ward.count()
    await ward.sync()
    await ward.advance("2060-07-01")
    await ward.sync()

    assert await ward.live() == {}
    assert await ward.stored() == await ward.recounted()
    assert (await ward.validate())["status"] == "consistent"


async def test_an_installation_that_counts_for_the_first_time_counts_its_history(ward):
    await ward.truth.execute("DELETE FROM stat_epoch")
    await ward.advance("2060-01-01")
    await ward.opened(3)
    await ward.advance("2060-07-01")
    await ward.sweep()

    await ward.sync()

    assert await ward.stored() == await ward.recounted()
    assert await ward.truth.fetchval("SELECT count(*) FROM stat_revision") == 0


async def test_all_tenants_are_synced_in_turn(ward, container, truth):
    tenant = await container.tenant_administration().create("north", "North", "Europe/London", actor="test")
    north = Ward(container, truth, tenant.id)
    await north.mending.mend_lost()
    await north.enroll(await north.plan(timezone="Asia/Shanghai"))
    await ward.opened(2)
    await north.sweep()
    await ward.count()

    done = await container.statistics_syncing().sync(Kind.DAILY, None)

    assert done["status"] == "done"
    await truth.execute(
        "UPDATE stat_daily SET opened = opened + 1 WHERE tenant_id = $1 AND dimension = 'scale' AND opened > 0",
        ward.tenant_id,
    )
    found = await container.validation().validate(None)
    assert {each["tenant_id"] for each in found["differences"]} == {str(ward.tenant_id)}
    await container.validation().validate(None, repair=True)
    for each in (ward, north):
        assert await each.stored() == await each.recounted()
    keys = [{place.key for place in await each.stored()} for each in (ward, north)]
    assert keys[0] & keys[1] == {"PHQ-9"}


async def test_a_tenant_that_fails_keeps_no_other_waiting(ward, container, truth, redis):
    tenant = await container.tenant_administration().create("north", "North", "Europe/London", actor="test")
    north = Ward(container, truth, tenant.id)
    await ward.opened(2)
    await north.enroll(await north.plan())
    # Of the two the default tenant comes first in every pass.
    await truth.execute("UPDATE tenant SET timezone = 'Nowhere/At-All' WHERE id = $1", ward.tenant_id)
    await redis.flushall()

    await container.counter_mending().mend_lost()
    with pytest.raises(UnknownZone):
        await container.statistics_syncing().sync(Kind.DAILY, None)
    with pytest.raises(UnknownZone):
        await container.validation().validate(None)

    assert await north.agrees()
    assert await north.stored() == await north.recounted()
    assert await truth.fetchval(
        "SELECT whole FROM stat_sync WHERE kind = 'validate' AND tenant_id = $1", tenant.id
    )


@pytest.mark.timeout(300)
async def test_emptying_redis_a_hundred_times_under_load_lowers_no_figure_and_loses_none(ward, redis):
    lowered: list[str] = []
    seen: dict[tuple[object, ...], list[int]] = {}
    done = asyncio.Event()

    async def watch() -> None:
        while not done.is_set():
            rows = await ward.truth.fetch(f"SELECT dimension, key, day, {', '.join(METRICS)} FROM stat_daily")
            for dimension, key, day, *figures in rows:
                place = (dimension, key, day)
                before = seen.get(place, [0] * len(figures))
                if any(now < then for now, then in zip(figures, before, strict=True)):
                    lowered.append(f"{place}: {before} -> {figures}")
                seen[place] = figures
            await asyncio.sleep(0.05)

    async def work() -> None:
        plan = await ward.plan(total_times=2)
        for day in range(1, 11):
            await ward.enroll_many(plan, 20, f"2060-03-{day:02}")
            await ward.advance(f"2060-03-{day:02}")
            await ward.sweep()
            for task in (await ward.tasks(plan))[::7]:
                if task.status == "opened":
                    await ward.submit(task.id)
            await asyncio.sleep(0.02)

    async def sync() -> None:
        await ward.sync()

    async def validate() -> None:
        found = await ward.validate(repair=True)
        assert found["status"] in ("consistent", "already_running"), found["differences"][:3]

    failures: list[BaseException] = []

    async def repeat(step) -> None:
        while not done.is_set():
            try:
                await step()
            except AssertionError as error:
                failures.append(error)
            except CountersAway:
                pass
            await asyncio.sleep(0.02)

    async def mend() -> None:
        await ward.mending.mend_lost()

    publishing = ward.container.publishing()
    watching = [asyncio.create_task(each) for each in (watch(), repeat(sync), repeat(validate))]
    follow = lambda: ward.counting.follow(timedelta(milliseconds=20))  # noqa: E731
    async with Background(publishing.round, follow, ward.counting.retry, mend):
        working = asyncio.create_task(work())
        for _ in range(100):
            await redis.flushall()
            await asyncio.sleep(0.05)
        await working
        done.set()
        await asyncio.gather(*watching)
    await ward.count()
    await ward.sync()

    assert lowered == []
    assert failures == []
    assert await ward.stored() == await ward.recounted()
    assert (await ward.validate())["status"] == "consistent"
