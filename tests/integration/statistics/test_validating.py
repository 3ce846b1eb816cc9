"""Counters, stored figures and a recount are held against each other, and the side that is wrong is put right."""

import asyncio
from datetime import date, timedelta
from uuid import uuid4

import pytest

from qs.application.plan.ports import Page
from qs.application.statistics import validating
from qs.application.statistics.ports import Epoch, Kind
from qs.domain.statistics.metrics import Place
from tests.support.counting import TENANT_KEY, Ward

FIRST = Place("tenant", TENANT_KEY, date(2060, 3, 1))


@pytest.fixture
async def counted(ward: Ward) -> Ward:
    """Five opened tasks, one of them answered, counted and synced."""
    tasks = await ward.opened(5)
    await ward.submit(tasks[0].id)
    await ward.count()
    await ward.sync()
    return ward


def causes(found) -> dict[tuple[str, str], str]:
    """The cause of each difference of the tenant's own figures, by metric and the side that is wrong."""
    return {
        (
            each["metric"],
            "redis" if each["redis"] is not None else "stored" if each["date"] else "total",
        ): each["cause"]
        for each in found["differences"]
        if each["dimension"] == "tenant"
    }


async def test_all_three_agree_when_nothing_was_done_to_them(counted):
    found = await counted.validate()

    assert (found["status"], found["differences_total"], found["differences"]) == ("consistent", 0, [])
    assert found["checked"] > 10


async def test_a_stored_figure_that_is_too_high_was_counted_twice(counted):
    await counted.truth.execute(
        "UPDATE stat_daily SET opened = opened + 1 WHERE dimension = 'tenant' AND opened > 0"
    )

    found = await counted.validate()

    assert found["status"] == "different"
    assert causes(found) == {
        ("opened", "stored"): "counted_twice",
        ("opened", "total"): "law: total = sum of dates",
    }
    (difference,) = [each for each in found["differences"] if each["date"]]
    assert (difference["date"], difference["stored"], difference["expected"]) == ("2060-03-01", 6, 5)


async def test_a_stored_figure_that_is_too_low_lost_a_count(counted):
    await counted.truth.execute("UPDATE stat_daily SET opened = 1 WHERE dimension = 'tenant' AND opened > 0")
    await counted.truth.execute("UPDATE inbox SET handled_at = handled_at - interval '1 hour'")

    found = await counted.validate()

    assert causes(found)["opened", "stored"] == "lost_count"


async def test_what_was_not_synced_yet_is_no_difference(counted):
    (task, *_) = [each for each in await counted.tasks(await _plan(counted)) if each.status == "opened"]
    await counted.submit(task.id, "assessment-2")
    await counted.count()

    assert (await counted.validate())["status"] == "consistent"


async def test_what_is_on_its_way_is_no_difference(counted):
    (task, *_) = [each for each in await counted.tasks(await _plan(counted)) if each.status == "opened"]
    await counted.submit(task.id, "assessment-2")
    counted.container.comparing()._drain_within_s = 0.2

    assert (await counted.validate())["status"] == "consistent"


async def test_a_counter_that_is_too_high_was_counted_twice_and_a_repair_counts_again(counted):
    epoch = await counted.mending.good(counted.tenant_id)
    await counted.counters.add(counted.tenant_id, epoch.id, [uuid4()], {FIRST: {"opened": 1}})

    found = await counted.validate()
    repaired = await counted.validate(repair=True)

    assert causes(found) == {("opened", "redis"): "counted_twice"}
    assert repaired["status"] == "repaired"
    assert await counted.agrees()
    assert (await counted.validate())["status"] == "consistent"


async def test_a_counter_that_is_too_low_lost_a_count_and_a_repair_counts_again(counted, redis):
    epoch = await counted.mending.good(counted.tenant_id)
    key = f"qs:stat:{{{counted.tenant_id}}}:{epoch.id}:c:2060-03-01:tenant:{TENANT_KEY}"
    await redis.hincrby(key, "opened", -2)

    found = await counted.validate()
    repaired = await counted.validate(repair=True)

    assert causes(found) == {("opened", "redis"): "lost_count"}
    assert repaired["status"] == "repaired"
    assert await counted.agrees()


async def test_a_counter_that_ran_away_is_found_and_counted_again(counted, redis):
    epoch = await counted.mending.good(counted.tenant_id)
    key = f"qs:stat:{{{counted.tenant_id}}}:{epoch.id}:c:2060-03-01:tenant:{TENANT_KEY}"
    await redis.hincrby(key, "opened", 2**40)

    repaired = await counted.validate(repair=True)

    assert repaired["status"] == "repaired"
    assert [each["redis"] for each in repaired["differences"]] == [2**40 + 5]
    assert await counted.agrees()


async def test_dates_that_a_sync_lets_go_while_counters_are_copied_are_no_difference(counted, monkeypatch):
    counters, figures = counted.counters, counted.counters.figures

    async def letting_go(*asked):
        await _let_go_of_the_first(counted)
        async for found in figures(*asked):
            yield found

    monkeypatch.setattr(counters, "figures", letting_go)

    assert (await counted.validate())["status"] == "consistent"


async def test_dates_that_a_sync_lets_go_before_counters_are_read_again_are_no_difference(
    counted, redis, monkeypatch
):
    counters, read = counted.counters, counted.counters.read
    epoch = await counted.mending.good(counted.tenant_id)
    await redis.hincrby(
        f"qs:stat:{{{counted.tenant_id}}}:{epoch.id}:c:2060-03-01:tenant:{TENANT_KEY}", "opened", -2
    )

    async def letting_go(*asked):
        await _let_go_of_the_first(counted)
        return await read(*asked)

    monkeypatch.setattr(counters, "read", letting_go)

    assert (await counted.validate())["status"] == "consistent"


async def _let_go_of_the_first(ward: Ward) -> None:
    epoch, later = await ward.mending.good(ward.tenant_id), FIRST.day + timedelta(days=1)
    assert epoch is not None
    async with ward.statistics(ward.tenant_id) as uow:
        await uow.epochs.put(Epoch(epoch.id, later))
        await uow.commit("test.let_go")
    await ward.counters.forget_before(ward.tenant_id, epoch.id, later)


async def test_counters_that_are_made_again_meanwhile_are_not_compared(counted, monkeypatch):
    counters, figures = counted.counters, counted.counters.figures

    async def made_again(*asked):
        async for found in figures(*asked):
            yield {key: {"opened": 99} for key in found}
        await counted.mending.rebuild(counted.tenant_id)

    monkeypatch.setattr(counters, "figures", made_again)

    assert (await counted.validate())["status"] == "consistent"


async def test_a_dead_letter_is_named_as_the_cause(counted):
    (task, *_) = [each for each in await counted.tasks(await _plan(counted)) if each.status == "opened"]
    await counted.submit(task.id, "assessment-2")
    await counted.truth.execute(
        "INSERT INTO inbox (subscriber, event_id, tenant_id, state, error)"
        " SELECT 'statistics', id, tenant_id, 'dead', 'x' FROM outbox o"
        " WHERE NOT EXISTS (SELECT FROM inbox i WHERE i.event_id = o.id AND i.subscriber = 'statistics')"
        " AND name = 'TaskCompleted'"
    )

    found = await counted.validate()

    assert causes(found)["completed", "redis"] == "dead_letter"


async def test_a_repair_of_stored_figures_writes_the_recount_visibly(counted):
    await counted.advance("2060-03-02 12:00")
    await counted.sync()
    await counted.truth.execute("UPDATE stat_daily SET opened = opened + 3 WHERE opened > 0")
    await counted.sync(Kind.ACCUMULATED)

    repaired = await counted.validate(repair=True)

    assert repaired["status"] == "repaired"
    assert await counted.stored() == await counted.recounted()
    async with counted.statistics(counted.tenant_id) as uow:
        (revision,) = await uow.daily.revisions("tenant", TENANT_KEY)
        totals = await uow.accumulated.get("tenant", TENANT_KEY)
    assert (revision.reason, revision.before["opened"], revision.after["opened"]) == ("repair", 8, 5)
    assert totals.totals["opened"] == 5
    assert (await counted.validate())["status"] == "consistent"


async def test_a_stored_figure_of_nothing_that_happened_is_taken_back(counted):
    await counted.truth.execute(
        "INSERT INTO stat_daily (tenant_id, dimension, key, day, opened, as_of)"
        " VALUES ($1, 'scale', 'GAD-7', '2060-03-01', 4, now())",
        counted.tenant_id,
    )

    await counted.validate(repair=True)

    assert (await counted.stored())[Place("scale", "GAD-7", FIRST.day)] == {}
    assert (await counted.validate())["status"] == "consistent"


async def test_without_redis_stored_figures_are_still_held_against_the_tasks(counted, redis):
    await redis.flushall()
    await counted.truth.execute("UPDATE stat_daily SET opened = opened + 1 WHERE opened > 0")

    found = await counted.validate()

    assert found["status"] == "different"
    assert all(each["redis"] is None for each in found["differences"])


async def test_totals_that_are_not_the_sum_of_their_dates_are_named_by_the_law(counted):
    await counted.truth.execute(
        "UPDATE stat_accumulated SET totals = jsonb_set(totals, '{opened}', '9') WHERE dimension = 'tenant'"
    )

    found = await counted.validate()

    assert causes(found) == {("opened", "total"): "law: total = sum of dates"}


async def test_a_second_caller_is_told_who_validates(counted):
    execution_id = counted.container.new_id()()
    async with counted.container._sync_holding().held(counted.tenant_id, Kind.VALIDATE, execution_id):
        found = await counted.validate()

    assert (found["status"], found["execution_id"]) == ("already_running", str(execution_id))


async def _plan(ward: Ward):
    (plan,), _ = await ward.reading.plans(ward.tenant_id, Page(1, 20))
    return plan


async def test_a_repair_waits_for_a_sync_that_is_at_work(counted):
    await counted.truth.execute("UPDATE stat_daily SET opened = opened + 3 WHERE opened > 0")
    async with counted.container._sync_holding().held(counted.tenant_id, Kind.DAILY):
        repairing = asyncio.create_task(counted.validate(repair=True))
        done, _ = await asyncio.wait({repairing}, timeout=1)
    assert not done

    assert (await repairing)["status"] == "repaired"
    assert await counted.stored() == await counted.recounted()


async def test_a_repair_that_a_sync_keeps_waiting_for_too_long_says_that_it_is_not_mended(
    counted, monkeypatch
):
    monkeypatch.setattr(validating, "_DAILY_WITHIN_S", 0.2)
    await counted.truth.execute("UPDATE stat_daily SET opened = opened + 3 WHERE opened > 0")

    async with counted.container._sync_holding().held(counted.tenant_id, Kind.DAILY):
        found = await counted.validate(repair=True)

    assert found["status"] == "different"


async def test_tasks_that_break_a_law_themselves_cannot_be_repaired(counted):
    await counted.truth.execute("UPDATE task SET opened_at = NULL WHERE status = 'opened'")
    await counted.truth.execute("UPDATE task SET completed_at = opened_at WHERE status = 'completed'")
    await counted.truth.execute("UPDATE task SET opened_at = NULL")

    found = await counted.validate(repair=True)

    assert found["status"] == "different"
    laws = {each["cause"] for each in found["differences"] if each["metric"] == "law"}
    assert laws == {"law: opened = completed + expired + canceled_open + currently_open"}
