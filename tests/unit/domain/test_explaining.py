from datetime import timedelta

import pytest
from uuid_utils.compat import uuid7

from qs.domain.plan.editing import revise
from qs.domain.plan.explaining import Explanation, Fact, explain
from qs.domain.plan.plan import ResumePolicy
from tests.support.builders import a_plan, an_entry, at, completed, edited, joined, local, opened

JOINED = at("2026-07-01 00:00")
PLANNED = at("2026-07-01")
LATER = at("2026-07-02")
EXPIRY = at("2026-07-08")
OPERATOR = "user:anna"


class Story:
    """One enrollment in one plan; ``task`` is its first task."""

    def __init__(self, **fields: object) -> None:
        self.plan = a_plan(**fields)
        self.enrollment, self.tasks = joined(self.plan, now=JOINED)
        self.task = self.tasks[0]

    def explained(self, now=LATER, notices=(), task=None) -> Explanation:
        return explain(task or self.task, self.plan, self.enrollment, notices, now, siblings=self.tasks)


def told(explanation: Explanation) -> list[tuple[str | None, str, str, str | None]]:
    return [(local(f.at), f.fact, f.actor, f.reason) for f in explanation.facts]


def facts(explanation: Explanation) -> list[str]:
    return [fact.fact for fact in explanation.facts]


def coming(explanation: Explanation) -> list[tuple[str | None, str]]:
    return [(local(step.at), step.what) for step in explanation.next]


def test_a_task_that_is_not_due_tells_when_it_opens_and_when_that_would_be_too_late():
    story = Story()

    explanation = story.explained(JOINED)

    assert (explanation.status, told(explanation)) == (
        "pending",
        [("2026-07-01 00:00", "planned", "enrollment", None)],
    )
    assert coming(explanation) == [
        ("2026-07-01 19:00", "is opened by the first sweep from then on"),
        ("2026-07-08 19:00", "is missed if no sweep has opened it by then"),
    ]


def test_a_task_without_a_window_is_never_said_to_be_missed():
    assert coming(Story(catch_up_days=None).explained(JOINED)) == [
        ("2026-07-01 19:00", "is opened by the first sweep from then on")
    ]


@pytest.mark.parametrize(
    ("now", "what"),
    [
        (PLANNED, "is opened by the next sweep"),
        (EXPIRY - timedelta(microseconds=1), "is opened by the next sweep"),
        (EXPIRY, "is marked missed by the next sweep"),
    ],
)
def test_a_due_task_waits_for_the_next_sweep(now, what):
    assert Story().explained(now).next[0].what == what


def test_a_task_that_a_newer_one_supersedes_is_said_to_be_missed_next():
    story = Story(schedule_type="by_day", interval=1, total_times=4)

    assert coming(story.explained(at("2026-07-02 19:01"))) == [
        ("2026-07-02 19:01", "is marked missed by the next sweep, since a newer one is due")
    ]
    story.tasks[1].cancel("withdrawn", LATER)
    assert story.explained(at("2026-07-02 19:01")).next[0].what == "is opened by the next sweep"


def test_of_two_due_at_the_same_instant_the_one_of_the_higher_number_supersedes():
    story = Story(schedule_type="by_day", interval=1, total_times=2)
    story.task.move(story.tasks[1].planned_at, EXPIRY, EXPIRY, JOINED, by=OPERATOR, pin=True)

    first, second = (story.explained(LATER, task=task).next[0].what for task in story.tasks)

    assert first == "is marked missed by the next sweep, since a newer one is due"
    assert second == "is opened by the next sweep"


def test_an_opened_task_waits_for_the_answer():
    story = Story()
    opened(story.task)

    explanation = story.explained(LATER)

    assert told(explanation)[1:] == [("2026-07-01 19:00", "opened", "sweep", None)]
    assert coming(explanation) == [
        (None, "waits for the answer"),
        ("2026-07-08 19:00", "expires if it is not answered"),
    ]


def test_an_opened_task_whose_entry_ran_out_is_dead_before_any_sweep_says_so():
    story = Story()
    opened(story.task)

    (step,) = story.explained(EXPIRY).next

    assert "dead already" in step.what


def test_a_completed_task_has_nothing_before_it():
    story = Story()
    completed(story.task, LATER)

    explanation = story.explained(EXPIRY)

    assert told(explanation)[2:] == [("2026-07-02 19:00", "completed", "testee", None)]
    assert explanation.next == ()


def test_a_missed_task_tells_the_reason():
    story = Story()
    story.task.miss(EXPIRY)

    assert told(story.explained(EXPIRY))[1:] == [("2026-07-08 19:00", "expired", "sweep", "missed")]


def test_what_people_did_is_told_once_with_who_they_are():
    story = Story()
    task = story.task
    task.move(LATER, EXPIRY, None, at("2026-07-01 12:00"), by=OPERATOR, pin=True)
    task.open(an_entry(task, EXPIRY), LATER, by=OPERATOR)
    task.reissue(an_entry(task, EXPIRY, generation=2), at("2026-07-03"), OPERATOR)
    task.cancel("moved_away", at("2026-07-04"), "user:bo", "to Berlin")

    assert told(story.explained(EXPIRY)) == [
        ("2026-07-01 00:00", "planned", "enrollment", None),
        (
            "2026-07-01 12:00",
            "rescheduled",
            OPERATOR,
            "from 2026-07-01T11:00:00.000000Z to 2026-07-02T11:00:00.000000Z",
        ),
        ("2026-07-02 19:00", "opened", OPERATOR, None),
        ("2026-07-03 19:00", "reissued", OPERATOR, None),
        ("2026-07-04 19:00", "canceled", "user:bo", "moved_away"),
    ]


def test_a_late_occasion_was_canceled_by_the_enrollment_and_not_by_a_sweep():
    story = Story()
    story.enrollment, story.tasks = joined(story.plan, now=EXPIRY)

    assert told(story.explained(EXPIRY, task=story.tasks[0]))[1:] == [
        ("2026-07-08 19:00", "canceled", "enrollment", "late_enrollment")
    ]


def test_a_task_that_an_edit_made_says_so():
    story = Story()
    edited(story.plan, LATER, total_times=5)
    revision = revise(story.plan, story.enrollment, story.tasks, "Asia/Shanghai", LATER, OPERATOR, uuid7)

    assert told(story.explained(LATER, task=revision.created[0])) == [
        ("2026-07-02 19:00", "planned", "edit", None)
    ]


def test_notices_stand_where_they_happened():
    story = Story()
    completed(story.task, LATER)
    notices = [
        Fact(PLANNED, "notified", "notification", "email"),
        Fact(at("2026-07-02 12:00"), "reminded", "x"),
    ]

    assert facts(story.explained(EXPIRY, notices)) == [
        "planned",
        "opened",
        "notified",
        "reminded",
        "completed",
    ]


def test_a_pause_is_a_fact_of_a_task_that_lived_through_it():
    story = Story()
    story.plan.pause(at("2026-07-01 08:00"))
    story.plan.resume(ResumePolicy.KEEP, at("2026-07-01 09:00"))
    story.enrollment.pause(story.plan, at("2026-07-01 10:00"))

    explanation = story.explained(LATER)

    assert facts(explanation) == ["planned", "plan_paused", "plan_resumed", "enrollment_paused"]
    assert coming(explanation) == [(None, "waits until the enrollment is resumed")]


def test_a_pause_before_the_enrollment_or_after_the_end_is_no_fact_of_the_task():
    story = Story()
    story.plan.paused_at, story.plan.resumed_at = at("2026-06-01"), at("2026-06-02")
    completed(story.task, LATER)
    story.enrollment.pause(story.plan, at("2026-07-03"))

    assert facts(story.explained(EXPIRY)) == ["planned", "opened", "completed"]


@pytest.mark.parametrize("now", [JOINED, LATER, EXPIRY])
def test_while_the_plan_is_paused_a_pending_task_waits_whatever_the_time(now):
    story = Story()
    story.plan.pause(JOINED)

    assert coming(story.explained(now)) == [(None, "waits until the plan is resumed")]


def test_an_opened_task_stays_answerable_while_the_plan_is_paused():
    story = Story()
    opened(story.task)
    story.plan.pause(LATER)

    assert story.explained(LATER).next[0].what == "waits for the answer"


def test_a_failure_of_the_sweep_is_told_with_the_next_attempt_and_never_lies_ahead():
    story = Story()
    story.task.attempts, story.task.last_error = 3, "row.refused: no"
    story.task.next_attempt_at = LATER + timedelta(hours=1)
    story.task.history = [
        {
            "at": "2026-07-01T11:00:01.000000Z",
            "fact": "sweep_failed",
            "actor": "sweep",
            "reason": "row.refused: no",
        }
    ]

    explanation = story.explained(LATER)

    assert told(explanation)[1:] == [("2026-07-01 19:00", "sweep_failed", "sweep", "row.refused: no")]
    assert coming(explanation) == [
        ("2026-07-02 20:00", "is tried again by the sweep; 3 attempts failed, the last with row.refused: no")
    ]
