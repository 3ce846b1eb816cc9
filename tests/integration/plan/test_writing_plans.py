"""A plan from its fields, what it comes to, and what is wrong with it."""

from datetime import datetime
from uuid import UUID

import pytest

from qs.application.plan.ports import Page, Slice, TaskFilter
from qs.domain.kernel.errors import Absent, Invalid
from tests.support.builders import at, local

from .clinic import ACTOR, START

WEEKLY = {"schedule_type": "by_week", "interval": 1, "total_times": 4}


async def test_a_plan_has_the_defaults_of_the_field_and_is_read_back_as_it_was_made(clinic):
    made = await clinic.plan(**WEEKLY)

    found = await clinic.reading.plan(clinic.tenant_id, made.id)

    assert (found.schedule, found.terms, found.timezone, found.status) == (
        made.schedule,
        made.terms,
        "Asia/Shanghai",
        "active",
    )
    terms = found.terms
    assert (str(found.schedule.trigger_time), terms.due_days, terms.entry_ttl_days, terms.catch_up_days) == (
        "19:00:00",
        7,
        7,
        7,
    )
    assert (terms.catch_up, terms.notify_on_expiry) == ("all", "staff")
    assert (found.version, found.revision, await clinic.events("PlanCreated")) == (1, 1, 1)


async def test_every_kind_of_schedule_is_read_back_as_it_was_made(clinic):
    kinds = (
        {"schedule_type": "by_day", "interval": 3, "total_times": 4, "trigger_time": "08:30"},
        {"schedule_type": "by_month", "interval": 1, "total_times": 6, "catch_up_days": None},
        {"schedule_type": "custom", "relative_weeks": [2, 4, 8, 12, 18]},
        {"schedule_type": "custom", "relative_days": [0, 1], "catch_up": "latest"},
        {"schedule_type": "custom", "relative_months": [0, 6], "notify_on_expiry": "nobody"},
        {"schedule_type": "fixed_date", "fixed_dates": ["2060-03-01", "2060-04-01"]},
    )

    for fields in kinds:
        made = await clinic.plan(**fields)
        found = await clinic.reading.plan(clinic.tenant_id, made.id)
        assert (found.schedule, found.terms) == (made.schedule, made.terms)


CUSTOM = {"schedule_type": "custom", "interval": None, "total_times": None}
FIXED = {"schedule_type": "fixed_date", "interval": None, "total_times": None}
BROKEN = (
    ({"interval": 0, "due_days": 400, "timezone": "Mars/Olympus"}, {"/interval", "/due_days", "/timezone"}),
    ({"scale_code": "NONE"}, {"/scale_code"}),
    ({"scale_code": "DRAFT"}, {"/scale_code"}),
    ({"schedule_type": "by_year"}, {"/schedule_type"}),
    ({"relative_weeks": [1]}, {"/relative_weeks"}),
    (CUSTOM | {"relative_days": [2, 1]}, {"/relative_days/1"}),
    (FIXED | {"fixed_dates": ["2060-02-30"]}, {"/fixed_dates/0"}),
    ({"catch_up": "newest", "notify_on_expiry": "everybody"}, {"/catch_up", "/notify_on_expiry"}),
    ({"reminders": "2d", "catch_up": "newest"}, {"/reminders", "/catch_up"}),
    ({"reminders": [{"after": "2d"}, {"after": "2w"}, {"before_expiry": "7d"}]}, {"/reminders/1"}),
    ({"reminders": [{"after": "2d"}, {"before_expiry": "7d"}]}, {"/reminders/1"}),
    ({"name": ""}, {"/name"}),
)


async def test_a_plan_that_breaks_rules_names_all_of_them_and_is_not_made(clinic, admin):
    await admin.execute(
        "INSERT INTO scale (tenant_id, code, title, published) VALUES ($1, 'DRAFT', '{}', false)",
        clinic.tenant_id,
    )

    for fields, pointers in BROKEN:
        with pytest.raises(Invalid) as caught:
            await clinic.plan(**WEEKLY | fields)
        assert {problem.pointer for problem in caught.value.problems} == pointers

    assert await clinic.rows("SELECT id FROM plan") == []


async def test_a_preview_shows_dates_instants_and_what_the_calendar_does_to_them_and_writes_nothing(clinic):
    fields = {
        "schedule_type": "by_week",
        "interval": 1,
        "total_times": 3,
        "trigger_time": "02:30",
        "due_days": 1,
    }

    preview = await clinic.authoring.preview(
        clinic.tenant_id, fields | {"start_date": "2026-03-22", "timezone": "Europe/Berlin"}
    )

    shown = [(local(o.planned_at, "Europe/Berlin"), o.flag) for o in preview.occasions]
    assert shown == [("2026-03-22 02:30", None), ("2026-03-29 03:00", "gap"), ("2026-04-05 02:30", None)]
    assert local(preview.occasions[1].due_at, "Europe/Berlin") == "2026-03-30 03:00"
    skipping = {"schedule_type": "by_day", "interval": 1, "total_times": 3, "timezone": "Pacific/Apia"}
    apia = await clinic.authoring.preview(clinic.tenant_id, skipping | {"start_date": "2011-12-29"})
    assert ([o.seq for o in apia.occasions], [str(day) for day in apia.skipped]) == ([1, 2], ["2011-12-30"])
    assert await clinic.rows("SELECT id FROM plan") == []


async def test_a_preview_of_what_cannot_be_planned_says_why(clinic):
    for fields, code in (
        ({"start_date": "2026-02-30"}, "plan.invalid_start_date"),
        ({"start_date": None}, "plan.invalid_start_date"),
        ({"start_date": "2099-12-31", "interval": 366, "total_times": 100}, "plan.occasion_out_of_range"),
        ({"start_date": "2060-03-01", "timezone": "Mars/Olympus"}, "zone.unknown"),
    ):
        with pytest.raises(Invalid) as caught:
            await clinic.authoring.preview(clinic.tenant_id, WEEKLY | fields)
        assert caught.value.code == code


async def test_tasks_are_listed_by_planned_instant_and_filtered_by_what_is_asked(clinic):
    plan, testee = await clinic.plan(), await clinic.testee(external_id="p-1")
    await clinic.enroll(plan, testee=testee)
    await clinic.enroll(plan, "2060-03-02")
    await clinic.advance(START)
    await clinic.sweep()
    tenant = clinic.tenant_id

    async def listed(where: TaskFilter, page: Slice | None = None, **options) -> list[str]:
        found = await clinic.reading.tasks(tenant, where, page or Slice(size=100), **options)
        return [str(local(task.planned_at))[5:10] for task in found]

    everything = await listed(TaskFilter(plan_id=plan.id))
    first = await clinic.reading.tasks(tenant, TaskFilter(), Slice(size=3))
    after = (first[-1].planned_at, first[-1].id)
    assert everything == ["03-01", "03-02", "03-08", "03-09", "03-15", "03-16", "03-22", "03-23"]
    assert await listed(TaskFilter(), Slice(after, 100)) == everything[3:]
    assert await listed(TaskFilter(status="opened")) == ["03-01"]
    assert await listed(TaskFilter(), testee="p-1") == everything[::2]
    between = TaskFilter(planned_from=at("2060-03-08"), planned_to=at("2060-03-15"))
    assert await listed(between) == ["03-08", "03-09"]
    assert await listed(TaskFilter(expires_before=at("2060-03-07"))) == []
    assert await listed(TaskFilter(expires_before=at("2060-03-10"))) == ["03-01"]
    with pytest.raises(Absent):
        await listed(TaskFilter(), testee="p-2")


async def test_tasks_of_several_plans_are_listed_as_of_one(clinic):
    for plan in [await clinic.plan(name=name) for name in ("A", "B", "C")]:
        for start in ("2060-03-01", "2060-03-02"):
            await clinic.enroll(plan, start)
    tenant = clinic.tenant_id

    async def listed(where: TaskFilter, size: int, pages: int) -> list[tuple[datetime, UUID]]:
        found: list[tuple[datetime, UUID]] = []
        for _ in range(pages):
            page = Slice(found[-1] if found else None, size)
            found += [(task.planned_at, task.id) for task in await clinic.reading.tasks(tenant, where, page)]
        return found

    everything = await listed(TaskFilter(), 100, 1)
    assert everything == sorted(everything)
    assert len(everything) == 3 * 2 * 4
    assert await listed(TaskFilter(), 5, 6) == everything
    await clinic.steering.finish(tenant, plan.id, actor=ACTOR)
    canceled = await listed(TaskFilter(status="canceled"), 3, 4)
    assert len(canceled) == 2 * 4
    assert set(canceled) < set(everything)
    assert await listed(TaskFilter(planned_from=at("2060-03-08"), planned_to=at("2060-03-15")), 5, 2) == [
        each for each in everything if at("2060-03-08") <= each[0] < at("2060-03-15")
    ]


async def test_plans_and_enrollments_are_listed_by_page_and_status(clinic):
    plans = [await clinic.plan(name=name) for name in ("A", "B", "C")]
    await clinic.steering.pause(clinic.tenant_id, plans[1].id, actor=ACTOR)
    joined = [await clinic.enroll(plans[0]) for _ in range(3)]
    await clinic.steering.pause_enrollment(clinic.tenant_id, joined[0].enrollment.id, actor=ACTOR)
    tenant = clinic.tenant_id

    page, total = await clinic.reading.plans(tenant, Page(2, 2))
    assert ([plan.terms.name for plan in page], total) == (["A"], 3)
    paused, total = await clinic.reading.plans(tenant, Page(), status="paused", scale_code="PHQ-9")
    assert ([plan.terms.name for plan in paused], total) == (["B"], 1)
    active, total = await clinic.reading.enrollments(tenant, plans[0].id, Page(1, 1), "active")
    assert ([each.id for each in active], total) == ([joined[2].enrollment.id], 2)
    of_testee, total = await clinic.reading.plans_of_testee(tenant, joined[0].enrollment.testee_id, Page())
    assert ([plan.id for plan in of_testee], total) == ([plans[0].id], 1)
