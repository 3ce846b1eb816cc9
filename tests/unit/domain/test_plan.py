import pytest

from qs.domain.kernel.errors import QsError, Refused
from qs.domain.plan.errors import PlanFieldFixed, PlanNotActive
from qs.domain.plan.plan import AssessmentPlan, PlanStatus, ResumePolicy
from tests.support.builders import EARLY, a_plan, at, edited, forgetting, names, payload

NOW = at("2026-07-01")
LATER = at("2026-07-09")
COMMANDS = {
    "pause": lambda plan, now: plan.pause(now),
    "resume": lambda plan, now: plan.resume(ResumePolicy.KEEP, now),
    "finish": lambda plan, now: plan.finish(now),
    "cancel": lambda plan, now: plan.cancel(now),
}
REFUSED = "plan.invalid_transition"
# By command: what becomes of an active, paused, finished and canceled plan; None is a success that changes nothing.
GRAPH = {
    "pause": ("paused", None, REFUSED, REFUSED),
    "resume": (None, "active", REFUSED, REFUSED),
    "finish": ("finished", "finished", None, REFUSED),
    "cancel": ("canceled", "canceled", REFUSED, None),
}


def in_state(status: str) -> AssessmentPlan:
    plan = a_plan()
    reach = {"paused": "pause", "finished": "finish", "canceled": "cancel"}
    if status != "active":
        COMMANDS[reach[status]](plan, NOW)
    return forgetting(plan)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("status", list(PlanStatus))
def test_a_plan_takes_the_commands_of_its_state_graph_and_repeating_one_changes_nothing(command, status):
    plan = in_state(status)
    expected = GRAPH[command][list(PlanStatus).index(status)]

    changed, code = False, None
    try:
        changed = COMMANDS[command](plan, LATER)
    except QsError as error:
        code = error.code

    assert (code or (plan.status.value if changed else None)) == expected
    assert (plan.updated_at == LATER, len(plan.recorded)) == ((True, 1) if changed else (False, 0))
    assert changed or plan.status == status


def test_every_command_tells_what_happened_and_when():
    plan = a_plan()

    plan.announce(EARLY)
    plan.pause(NOW)
    plan.resume(ResumePolicy.SHIFT, LATER)
    plan.finish(LATER)

    assert names(plan) == ["PlanCreated", "PlanPaused", "PlanResumed", "PlanFinished"]
    assert [event.occurred_at for event in plan.recorded] == [EARLY, NOW, LATER, LATER]
    assert {event.partition_key for event in plan.recorded} == {plan.id}
    assert payload(plan.recorded[2]).policy == "shift"
    assert (plan.paused_at, plan.resumed_at) == (NOW, LATER)


def test_a_second_pause_keeps_when_the_first_began():
    plan = in_state("paused")

    plan.pause(LATER)

    assert plan.paused_at == NOW


def test_named_dates_cannot_be_shifted_and_the_plan_stays_paused():
    plan = a_plan(schedule_type="fixed_date", fixed_dates=["2026-07-01"])
    plan.pause(NOW)

    with pytest.raises(Refused) as caught:
        plan.resume(ResumePolicy.SHIFT, LATER)

    assert (caught.value.code, plan.status) == ("plan.fixed_dates_cannot_shift", PlanStatus.PAUSED)
    assert plan.resume(ResumePolicy.SKIP, LATER)


@pytest.mark.parametrize("status", ["paused", "finished", "canceled"])
def test_a_plan_that_is_not_active_takes_nobody_in(status):
    plan = in_state(status)

    with pytest.raises(PlanNotActive, match=f"is {status}, not active"):
        plan.require_active()


@pytest.mark.parametrize("status", ["finished", "canceled"])
def test_a_final_plan_is_not_edited(status):
    plan = in_state(status)

    with pytest.raises(Refused) as caught:
        edited(plan, LATER, total_times=5)

    assert (caught.value.code, plan.schedule.total_times, plan.revision) == (REFUSED, 4, 1)


@pytest.mark.parametrize("status", ["active", "paused"])
def test_an_edit_is_the_next_revision(status):
    plan = in_state(status)

    edited(plan, LATER, total_times=5, due_days=3, timezone="Europe/Berlin")

    assert (plan.schedule.total_times, plan.terms.due_days, plan.timezone) == (5, 3, "Europe/Berlin")
    assert (plan.revision, plan.updated_at, names(plan), plan.status) == (2, LATER, ["PlanEdited"], status)
    assert payload(plan.recorded[0]).revision == 2


def test_scale_and_schedule_type_are_fixed_once_somebody_is_enrolled():
    plan = a_plan()
    daily = a_plan(schedule_type="by_day", interval=1, total_times=4).schedule

    with pytest.raises(PlanFieldFixed, match="scale_code"):
        plan.edit("GAD-7", plan.schedule, plan.terms, plan.timezone, enrolled=True, now=NOW)
    with pytest.raises(PlanFieldFixed, match="schedule_type"):
        plan.edit("PHQ-9", daily, plan.terms, plan.timezone, enrolled=True, now=NOW)

    assert (plan.scale_code, plan.schedule.schedule_type, plan.recorded) == ("PHQ-9", "by_week", [])


def test_scale_and_schedule_type_may_change_while_nobody_is_enrolled():
    plan = a_plan()
    daily = a_plan(schedule_type="by_day", interval=1, total_times=4).schedule

    plan.edit("GAD-7", daily, plan.terms, plan.timezone, enrolled=False, now=NOW)

    assert (plan.scale_code, plan.schedule.schedule_type) == ("GAD-7", "by_day")


@pytest.mark.parametrize(
    ("fields", "follow"),
    [
        ({"name": "Renamed"}, False),
        ({"entry_ttl_days": 3}, False),
        ({"notify_on_expiry": "nobody"}, False),
        ({"total_times": 5}, True),
        ({"trigger_time": "08:30"}, True),
        ({"timezone": "Europe/Berlin"}, True),
        ({"due_days": 3}, True),
        ({"catch_up_days": None}, True),
        ({"catch_up": "latest"}, True),
    ],
)
def test_tasks_follow_an_edit_of_what_they_were_planned_by_and_no_other(fields, follow):
    plan, after = a_plan(), a_plan(**fields)

    answer = plan.edit("PHQ-9", after.schedule, after.terms, after.timezone, enrolled=True, now=NOW)

    assert answer is follow
    assert (plan.schedule, plan.terms, plan.timezone) == (after.schedule, after.terms, after.timezone)
