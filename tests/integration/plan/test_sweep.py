"""What one sweep does."""

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest

from qs.application.identity.administering_tenants import TenantChange
from qs.application.plan.before import BeforeInFuture
from qs.application.plan.scheduling import TaskScheduling
from qs.application.plan.sweep_report import Phase
from qs.domain.identity.tenant import TenantStatus
from qs.domain.plan.plan import ResumePolicy
from qs.infra.plan.across_tenants import SqlDueTenants
from tests.support.builders import at, local

from .clinic import ACTOR, START, Clinic


def counts(report) -> tuple[int, int, int]:
    return report.opened, report.expired, report.missed


async def test_a_sweep_opens_what_is_due_with_an_entry_of_its_own_life(clinic):
    plan = await clinic.plan(entry_ttl_days=3)
    joined = await clinic.enroll(plan)
    await clinic.advance(START)

    report = await clinic.sweep()

    task = await clinic.task(joined.tasks[0].id)
    assert (report.status, counts(report), report.failed, report.remaining) == ("done", (1, 0, 0), 0, 0)
    assert await clinic.states(joined) == ["opened", "pending", "pending", "pending"]
    assert task.opened_at >= at(START)
    assert local(task.expires_at) == local(task.opened_at + timedelta(days=3))
    assert report.tasks == [{"id": str(task.id), "plan_id": str(plan.id), "seq": 1, "status": "opened"}]


async def test_sweeping_again_changes_nothing(clinic):
    joined = await clinic.enroll(await clinic.plan())
    await clinic.advance(START)
    await clinic.sweep()
    before = await clinic.task(joined.tasks[0].id)

    report = await clinic.sweep()

    assert counts(report) == (0, 0, 0)
    assert (await clinic.task(before.id)).version == before.version


async def test_nothing_is_opened_before_its_time(clinic):
    joined = await clinic.enroll(await clinic.plan())
    await clinic.advance("2060-03-01 18:59")

    assert counts(await clinic.sweep()) == (0, 0, 0)
    assert (await clinic.states(joined))[0] == "pending"


async def test_one_sweep_expires_opens_and_marks_missed(clinic):
    joined = await clinic.enroll(await clinic.plan(entry_ttl_days=5, catch_up_days=2))
    await clinic.advance(START)
    await clinic.sweep()
    await clinic.advance("2060-03-16")

    report = await clinic.sweep()

    assert counts(report) == (1, 1, 1)
    assert await clinic.states(joined) == ["expired:entry_timeout", "expired:missed", "opened", "pending"]


async def test_phases_can_be_asked_for_alone(clinic):
    await clinic.enroll(await clinic.plan(entry_ttl_days=5, catch_up_days=2))
    await clinic.advance(START)
    await clinic.sweep()
    await clinic.advance("2060-03-16")

    assert counts(await clinic.sweep(phases=[Phase.EXPIRE])) == (0, 1, 0)
    assert counts(await clinic.sweep()) == (1, 0, 1)


async def test_before_narrows_opening_to_what_was_planned_until_then_inclusively(clinic):
    joined = await clinic.enroll(await clinic.plan(catch_up_days=None))
    await clinic.advance("2060-03-20")

    first = await clinic.sweep(before="2060-03-08T10:59:59Z")
    second = await clinic.sweep(before="2060-03-08T11:00:00Z")

    assert (counts(first), counts(second)) == ((1, 0, 0), (1, 0, 0))
    assert await clinic.states(joined) == ["opened", "opened", "pending", "pending"]
    assert second.to_dict()["before"] == "2060-03-08T11:00:00Z"


async def test_before_narrows_expiry_to_entries_that_ran_out_until_then(clinic):
    await clinic.enroll(await clinic.plan(total_times=1, entry_ttl_days=5))
    await clinic.advance(START)
    await clinic.sweep()
    await clinic.advance("2060-03-20")
    expires = (await clinic.rows("SELECT expires_at FROM task"))[0].expires_at

    just_before = (expires - timedelta(microseconds=1)).isoformat()
    assert counts(await clinic.sweep(before=just_before)) == (0, 0, 0)
    assert counts(await clinic.sweep(before=expires.isoformat())) == (0, 1, 0)


async def test_before_narrows_missing_to_windows_that_ended_until_then(clinic):
    joined = await clinic.enroll(await clinic.plan(total_times=1, catch_up_days=2))
    await clinic.advance("2060-03-20")

    assert counts(await clinic.sweep(before="2060-03-03T10:59:59Z")) == (0, 0, 0)
    assert counts(await clinic.sweep(before="2060-03-03T11:00:00Z")) == (0, 0, 1)
    assert await clinic.states(joined) == ["expired:missed"]


async def test_before_narrows_superseding_to_what_was_due_until_then(clinic):
    joined = await clinic.enroll(await clinic.plan(catch_up="latest", catch_up_days=None))
    await clinic.advance("2060-03-09")

    assert counts(await clinic.sweep(before="2060-03-08T10:59:59Z")) == (0, 0, 0)
    assert counts(await clinic.sweep(before="2060-03-08T11:00:00Z")) == (1, 0, 1)
    assert (await clinic.states(joined))[:2] == ["expired:missed", "opened"]


async def test_a_wall_time_before_is_read_in_the_zone_it_is_asked_in(clinic):
    await clinic.enroll(await clinic.plan())
    await clinic.advance("2060-03-02")

    assert counts(await clinic.sweep(before="2060-03-01 18:59:59", zone_name="Asia/Shanghai")) == (0, 0, 0)
    assert counts(await clinic.sweep(before="2060-03-01 19:00:00", zone_name="Asia/Shanghai")) == (1, 0, 0)


async def test_a_before_in_the_future_opens_nothing(clinic):
    await clinic.enroll(await clinic.plan())
    await clinic.advance("2060-03-01 18:00")

    with pytest.raises(BeforeInFuture):
        await clinic.sweep(before="2060-03-01T11:00:00Z")


async def test_a_limit_bounds_what_is_moved_and_the_rest_is_told(clinic):
    plan = await clinic.plan(total_times=1)
    await clinic.enroll_many(plan, 30)
    await clinic.advance(START)

    first = await clinic.sweep(limit=7)
    second = await clinic.sweep(limit=23)
    third = await clinic.sweep(limit=1)

    assert [(r.status, r.opened, r.remaining) for r in (first, second, third)] == [
        ("limited", 7, 23),
        ("done", 23, 0),
        ("done", 0, 0),
    ]


async def test_a_limit_counts_over_all_phases(clinic):
    await clinic.opened(4, entry_ttl_days=2)
    await clinic.enroll_many(await clinic.plan(total_times=1, catch_up_days=2), 4)
    await clinic.enroll_many(await clinic.plan(total_times=1), 4, "2060-03-05")
    await clinic.advance("2060-03-05")

    reports = [await clinic.sweep(limit=5) for _ in range(3)]

    assert [r.opened + r.expired + r.missed for r in reports] == [5, 5, 2]
    assert [r.remaining for r in reports] == [7, 2, 0]
    assert [counts(r) for r in reports] == [(1, 4, 0), (3, 0, 2), (0, 0, 2)]


async def test_a_sweep_that_ran_out_of_time_says_what_remains(clinic, container):
    await clinic.enroll_many(await clinic.plan(total_times=1), 5)
    await clinic.advance(START)
    hasty = TaskScheduling(clinic.uow, SqlDueTenants(clinic.engine), clinic.generator, max_seconds=0)

    report = await hasty.sweep(clinic.tenant_id)

    assert (report.status, report.opened, report.remaining) == ("limited", 0, 5)
    assert (await clinic.sweep()).opened == 5


async def test_small_batches_come_to_the_same(clinic):
    await clinic.enroll_many(await clinic.plan(total_times=1), 25)
    await clinic.advance(START)
    small = TaskScheduling(clinic.uow, SqlDueTenants(clinic.engine), clinic.generator, batch=4)
    seen: list[int] = []

    report = await small.sweep(clinic.tenant_id, on_progress=lambda r: seen.append(r.opened))

    assert (report.opened, report.remaining, report.to_dict()["total_count"]) == (25, 0, 25)
    assert len(report.tasks) == 20
    assert (seen[-1], seen) == (25, sorted(seen))


async def test_where_only_the_latest_counts_older_due_ones_are_missed_and_staff_can_be_told(clinic):
    plan = await clinic.plan(schedule_type="by_day", interval=1, total_times=4)
    joined = await clinic.enroll(plan)
    await clinic.advance("2060-03-03")

    report = await clinic.sweep()

    assert counts(report) == (1, 0, 2)
    assert await clinic.states(joined) == ["expired:missed", "expired:missed", "opened", "pending"]
    assert await clinic.events("TaskExpired") == 2


async def test_the_latest_that_was_answered_still_supersedes_and_a_canceled_one_does_not(clinic):
    plan = await clinic.plan(schedule_type="by_day", interval=1, total_times=2)
    answered, withdrawn = await clinic.enroll(plan), await clinic.enroll(plan)
    await clinic.advance("2060-03-02")
    await clinic.operating.open(clinic.tenant_id, answered.tasks[1].id, actor=ACTOR)
    await clinic.submit(answered.tasks[1].id)
    await clinic.operating.cancel(clinic.tenant_id, withdrawn.tasks[1].id, "withdrawn", actor=ACTOR)

    await clinic.sweep()

    assert await clinic.states(answered) == ["expired:missed", "completed"]
    assert await clinic.states(withdrawn) == ["opened", "canceled:withdrawn"]


async def test_of_two_due_at_the_same_instant_only_the_one_of_the_higher_number_is_opened(clinic):
    plan = await clinic.plan(schedule_type="by_day", interval=1, total_times=2)
    joined = await clinic.enroll(plan)
    first, second = joined.tasks
    await clinic.operating.reschedule(clinic.tenant_id, first.id, second.planned_at, actor=ACTOR)
    await clinic.advance("2060-03-02")

    assert counts(await clinic.sweep()) == (1, 0, 1)
    assert await clinic.states(joined) == ["expired:missed", "opened"]


async def test_while_the_plan_is_paused_nothing_opens_or_is_missed_but_entries_still_expire(clinic):
    plan = await clinic.plan(catch_up_days=2, entry_ttl_days=3)
    joined = await clinic.enroll(plan)
    await clinic.advance(START)
    await clinic.sweep()
    await clinic.steering.pause(clinic.tenant_id, plan.id, actor=ACTOR)
    await clinic.advance("2060-03-20")

    report = await clinic.sweep()

    assert (counts(report), report.remaining) == ((0, 1, 0), 0)
    assert await clinic.states(joined) == ["expired:entry_timeout", "pending", "pending", "pending"]


async def test_a_paused_enrollment_waits_while_the_others_go_on(clinic):
    plan = await clinic.plan(total_times=1)
    waiting, going = await clinic.enroll(plan), await clinic.enroll(plan)
    await clinic.steering.pause_enrollment(clinic.tenant_id, waiting.enrollment.id, actor=ACTOR)
    await clinic.advance(START)

    assert counts(await clinic.sweep()) == (1, 0, 0)
    assert (await clinic.states(waiting), await clinic.states(going)) == (["pending"], ["opened"])


async def test_the_last_move_of_a_sweep_closes_the_enrollment(clinic):
    expiring = await clinic.enroll(await clinic.plan(total_times=1, entry_ttl_days=2))
    missing = await clinic.enroll(await clinic.plan(total_times=1, catch_up_days=2), "2060-03-03")
    await clinic.advance(START)
    await clinic.sweep()
    await clinic.advance("2060-03-06")

    await clinic.sweep()

    for joined in (expiring, missing):
        enrollment, _ = await clinic.reading.enrollment(clinic.tenant_id, joined.enrollment.id)
        assert (enrollment.status, enrollment.tasks_left) == ("closed", 0)
    assert await clinic.events("EnrollmentClosed") == 2


async def test_what_a_sweep_moved_is_audited_by_phase_in_the_transaction_that_moved_it(clinic):
    await clinic.opened(3, entry_ttl_days=2)
    await clinic.enroll_many(await clinic.plan(total_times=1, catch_up_days=2), 4)
    await clinic.enroll_many(await clinic.plan(total_times=1), 5, "2060-03-05")
    await clinic.advance("2060-03-05")
    small = TaskScheduling(clinic.uow, SqlDueTenants(clinic.engine), clinic.generator, batch=4)

    await small.sweep(clinic.tenant_id, actor="user:bo")
    await small.sweep(clinic.tenant_id, actor="user:cy")

    rows = await clinic.rows(
        "SELECT action, actor, object_kind, object_id, (detail->>'count')::int AS n FROM audit"
        " WHERE action LIKE 'tasks.%' ORDER BY id"
    )
    sums = Counter[tuple[str, str]]()
    for row in rows:
        sums[row.action, row.actor] += row.n
    assert sums == {
        ("tasks.open", "sweep"): 3,
        ("tasks.expire", "user:bo"): 3,
        ("tasks.open", "user:bo"): 5,
        ("tasks.miss", "user:bo"): 4,
    }
    assert max(row.n for row in rows) <= 4
    assert {(row.object_kind, row.object_id) for row in rows} == {("task", None)}


async def refuse(admin: asyncpg.Connection, condition: str, *, every_change: bool = False) -> None:
    """From now on the database refuses to move tasks of which the condition holds, or to change them at all."""
    change = "true" if every_change else "NEW.status <> OLD.status"
    await admin.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$"
    )
    await admin.execute(
        "CREATE TRIGGER refuse BEFORE UPDATE ON task FOR EACH ROW"
        f" WHEN ({change} AND {condition}) EXECUTE FUNCTION refuse()"
    )


async def test_one_task_that_cannot_be_opened_stops_no_other_and_is_tried_again_later(clinic, admin):
    tasks = []
    plan = await clinic.plan(total_times=1)
    await clinic.enroll_many(plan, 20)
    tasks = await clinic.tasks(plan)
    await clinic.advance(START)
    await refuse(admin, f"NEW.id = '{tasks[3].id}'")

    first, second = await clinic.sweep(), await clinic.sweep()

    stuck = await clinic.task(tasks[3].id)
    assert (first.status, first.opened, first.failed, first.remaining) == ("partial", 19, 1, 0)
    assert [(e["task_id"], e["error"]) for e in first.errors] == [(str(stuck.id), "row.refused")]
    assert (second.status, second.opened, second.failed) == ("done", 0, 0)
    assert (stuck.status, stuck.attempts) == ("pending", 1)
    assert stuck.last_error.startswith("row.refused: ")
    wait = await admin.fetchval(
        "SELECT next_attempt_at - clock_timestamp() FROM task WHERE id = $1", stuck.id
    )
    assert timedelta(seconds=20) < wait <= timedelta(seconds=30)


async def test_attempts_at_a_failing_task_are_put_off_twice_as_long_each_time_up_to_an_hour(clinic, admin):
    (joined,) = [await clinic.enroll(await clinic.plan(total_times=1))]
    await clinic.advance(START)
    await refuse(admin, "true")
    task_id, waits = joined.tasks[0].id, []

    for _ in range(9):
        await clinic.sweep()
        waits.append(
            await admin.fetchval(
                "SELECT next_attempt_at - clock_timestamp() FROM task WHERE id = $1", task_id
            )
        )
        await admin.execute("UPDATE task SET next_attempt_at = clock_timestamp()")

    minutes = [round(wait.total_seconds() / 60, 1) for wait in waits]
    assert minutes == [0.5, 1, 2, 4, 8, 16, 32, 60, 60]
    explanation = await clinic.reading.explain(clinic.tenant_id, task_id)
    assert [fact.fact for fact in explanation.facts] == ["planned", "sweep_failed"]
    assert "9 attempts failed" in explanation.next[0].what


async def test_a_task_that_failed_opens_once_what_hindered_it_is_gone(clinic, admin):
    joined = await clinic.enroll(await clinic.plan(total_times=1))
    await clinic.advance(START)
    await refuse(admin, "true")
    await clinic.sweep()
    await admin.execute("DROP TRIGGER refuse ON task")
    await admin.execute("UPDATE task SET next_attempt_at = clock_timestamp()")

    assert (await clinic.sweep()).opened == 1
    task = await clinic.task(joined.tasks[0].id)
    assert (task.attempts, task.last_error, task.next_attempt_at) == (0, None, None)


async def test_a_task_that_cannot_expire_or_be_missed_stops_no_other_either(clinic, admin):
    await clinic.opened(6, entry_ttl_days=2)
    missing = await clinic.plan(total_times=1, catch_up_days=2)
    await clinic.enroll_many(missing, 6, "2060-03-02")
    await clinic.advance("2060-03-10")
    ids = [row.id for row in await clinic.rows("SELECT id FROM task ORDER BY planned_at, id")]
    await refuse(admin, f"NEW.id IN ('{ids[2]}', '{ids[8]}')")

    report, again = await clinic.sweep(), await clinic.sweep()

    assert (counts(report), report.failed, report.status) == ((0, 5, 5), 2, "partial")
    assert {error["task_id"] for error in report.errors} == {str(ids[2]), str(ids[8])}
    assert (counts(again), again.failed) == ((0, 0, 0), 0), "it was tried again before its time"


async def test_a_task_of_which_not_even_the_failure_can_be_recorded_stops_no_other(clinic, admin):
    await clinic.opened(4, entry_ttl_days=2)
    await clinic.enroll_many(await clinic.plan(total_times=1, catch_up_days=2), 4, "2060-03-02")
    await clinic.enroll_many(await clinic.plan(total_times=1), 4, "2060-03-10")
    await clinic.advance("2060-03-10")
    ids = [row.id for row in await clinic.rows("SELECT id FROM task ORDER BY planned_at, id")]
    stuck = [str(ids[0]), str(ids[4]), str(ids[8])]
    await refuse(admin, "NEW.id IN ('" + "', '".join(stuck) + "')", every_change=True)
    small = TaskScheduling(clinic.uow, SqlDueTenants(clinic.engine), clinic.generator, batch=1)

    report = await asyncio.wait_for(small.sweep(clinic.tenant_id), timeout=100)

    assert (counts(report), report.failed, report.status) == ((3, 3, 3), 3, "partial")
    assert sorted(error["task_id"] for error in report.errors) == sorted(stuck)
    assert {(await clinic.task(UUID(task_id))).attempts for task_id in stuck} == {0}


async def test_a_task_that_both_lanes_meet_fails_once_in_the_report(clinic, admin):
    await clinic.enroll_many(await clinic.plan(total_times=1), 4)
    await clinic.advance(START)
    ids = [row.id for row in await clinic.rows("SELECT id FROM task ORDER BY planned_at, id")]
    await refuse(admin, f"NEW.id = '{ids[0]}'", every_change=True)
    turns = asyncio.Lock()

    @asynccontextmanager
    async def one_after_the_other(tenant_id):
        # The second lane has chosen where it begins, and looks when the first has given back what it held.
        async with turns, clinic.uow(tenant_id) as uow:
            yield uow

    sweeping = TaskScheduling(one_after_the_other, SqlDueTenants(clinic.engine), clinic.generator, batch=1)
    report = await asyncio.wait_for(sweeping.sweep(clinic.tenant_id), timeout=100)

    assert (counts(report), report.failed) == ((3, 0, 0), 1)
    assert [error["task_id"] for error in report.errors] == [str(ids[0])]


async def test_failing_tasks_at_the_head_do_not_starve_the_rest(clinic, admin):
    await clinic.enroll_many(await clinic.plan(total_times=1, trigger_time="08:00"), 9)
    await clinic.enroll_many(await clinic.plan(total_times=1), 3)
    await clinic.advance(START)
    await refuse(admin, "NEW.planned_at < '2060-03-01T10:00Z'")
    small = TaskScheduling(clinic.uow, SqlDueTenants(clinic.engine), clinic.generator, batch=2)

    report = await small.sweep(clinic.tenant_id, limit=12)

    assert (report.opened, report.failed) == (3, 9)


async def test_a_platform_sweep_takes_tenants_in_turn_and_a_tenants_own_touches_no_other(clinic, neighbour):
    for tenant in (clinic, neighbour):
        await tenant.enroll_many(await tenant.plan(total_times=1, timezone="Asia/Shanghai"), 10)
    await clinic.advance(START)

    own = await neighbour.sweep(limit=2)
    shared = await clinic.scheduling.sweep(None, limit=8)
    rest = await clinic.scheduling.sweep(None)

    assert (own.opened, shared.opened, rest.opened) == (2, 8, 10)
    states = "SELECT count(*) FILTER (WHERE status = 'opened') AS opened FROM task WHERE version > 0"
    assert [(await tenant.rows(states))[0].opened for tenant in (clinic, neighbour)] == [10, 10]


async def test_a_limited_platform_sweep_leaves_no_tenant_out(clinic, neighbour):
    for tenant in (clinic, neighbour):
        await tenant.enroll_many(await tenant.plan(total_times=1, timezone="Asia/Shanghai"), 10)
    await clinic.advance(START)

    report = await clinic.scheduling.sweep(None, limit=8)

    opened = "SELECT count(*) AS n FROM task WHERE status = 'opened'"
    shares = [(await tenant.rows(opened))[0].n for tenant in (clinic, neighbour)]
    assert (report.opened, sum(shares)) == (8, 8)
    assert min(shares) > 0


async def test_a_suspended_tenant_is_not_swept(clinic, neighbour, container):
    await neighbour.enroll_many(await neighbour.plan(total_times=1, timezone="Asia/Shanghai"), 2)
    await clinic.advance(START)
    suspend = TenantChange(status=TenantStatus.SUSPENDED)
    await container.tenant_administration().change("north", suspend, actor=ACTOR)

    assert (await clinic.scheduling.sweep(None)).opened == 0
    assert (await neighbour.sweep()).opened == 0


async def test_resuming_with_keep_leaves_the_decision_to_the_next_sweep(clinic: Clinic):
    plan = await clinic.plan(catch_up_days=7)
    joined = await clinic.enroll(plan)
    await clinic.steering.pause(clinic.tenant_id, plan.id, actor=ACTOR)
    await clinic.advance("2060-03-10")
    await clinic.steering.resume(clinic.tenant_id, plan.id, ResumePolicy.KEEP, actor=ACTOR)

    assert counts(await clinic.sweep()) == (1, 0, 1)
    assert (await clinic.states(joined))[:2] == ["expired:missed", "opened"]
