from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import pytest

from qs.domain.kernel.errors import Invalid, QsError
from qs.domain.plan.entry import MAX_GENERATIONS
from qs.domain.plan.task import Admission, AssessmentTask, TaskStatus
from tests.support.builders import a_task, an_entry, at, completed, forgetting, names, opened, payload

PLANNED = at("2026-07-01")
LATER = PLANNED + timedelta(hours=1)
EXPIRY = at("2026-07-08")
TICK = timedelta(microseconds=1)
OPERATOR = "user:anna"


def an_expired_task() -> AssessmentTask:
    task = opened(a_task())
    task.expire(EXPIRY)
    return forgetting(task)


def a_missed_task() -> AssessmentTask:
    task = a_task()
    task.miss(EXPIRY)
    return forgetting(task)


def a_canceled_task() -> AssessmentTask:
    task = a_task()
    task.cancel("withdrawn", PLANNED)
    return forgetting(task)


# A state and the instant at which the moves below are tried on it.
STATES: dict[str, tuple[Callable[[], AssessmentTask], datetime]] = {
    "pending": (a_task, LATER),
    "opened": (lambda: opened(a_task()), LATER),
    "run out": (lambda: opened(a_task()), EXPIRY),
    "completed": (lambda: completed(a_task()), LATER),
    "expired": (an_expired_task, EXPIRY),
    "missed": (a_missed_task, EXPIRY),
    "canceled": (a_canceled_task, LATER),
}
MOVES: dict[str, Callable[[AssessmentTask, datetime], Any]] = {
    "open": lambda task, now: task.open(an_entry(task, EXPIRY), now),
    "complete": lambda task, now: task.complete("assessment-1", now),
    "complete otherwise": lambda task, now: task.complete("assessment-2", now),
    "expire by the sweep": lambda task, now: task.expire(now),
    "expire by hand": lambda task, now: task.expire(now, OPERATOR),
    "miss": lambda task, now: task.miss(now),
    "cancel": lambda task, now: task.cancel("withdrawn", now, OPERATOR),
    "reissue": lambda task, now: task.reissue(an_entry(task, EXPIRY, generation=2), now, OPERATOR),
    "move": lambda task, now: task.move(EXPIRY, EXPIRY, None, now, by=OPERATOR),
}
DONE, NOTHING = "done", "nothing"
INVALID, NOT_OPEN, RAN_OUT = "task.invalid_transition", "task.not_open", "task.entry_expired"
# In the order of MOVES.
OUTCOMES = {
    "pending": (DONE, INVALID, INVALID, INVALID, INVALID, DONE, DONE, NOT_OPEN, DONE),
    "opened": (INVALID, DONE, DONE, INVALID, DONE, INVALID, DONE, DONE, INVALID),
    "run out": (INVALID, RAN_OUT, RAN_OUT, DONE, DONE, INVALID, DONE, NOT_OPEN, INVALID),
    "completed": (INVALID, NOTHING, INVALID, INVALID, INVALID, INVALID, INVALID, NOT_OPEN, INVALID),
    "expired": (INVALID, RAN_OUT, RAN_OUT, NOTHING, NOTHING, INVALID, INVALID, NOT_OPEN, INVALID),
    "missed": (INVALID, INVALID, INVALID, NOTHING, NOTHING, INVALID, INVALID, NOT_OPEN, INVALID),
    "canceled": (INVALID, INVALID, INVALID, INVALID, INVALID, INVALID, NOTHING, NOT_OPEN, INVALID),
}


def outcome_of(task: AssessmentTask, move: str, now: datetime) -> str:
    try:
        answer = MOVES[move](task, now)
    except QsError as error:
        return error.code
    return NOTHING if answer is False else DONE


def state_of(task: AssessmentTask) -> list[Any]:
    return [getattr(task, name) for name in task.__slots__ if name not in ("history", "recorded")]


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("move", MOVES)
def test_a_task_makes_the_moves_of_its_state_graph_and_no_other(state, move):
    make, now = STATES[state]
    task = make()
    before = state_of(task)

    outcome = outcome_of(task, move, now)

    assert outcome == OUTCOMES[state][list(MOVES).index(move)]
    assert (state_of(task) != before, len(task.recorded)) == ((True, 1) if outcome == DONE else (False, 0))


def test_a_due_task_opens_and_says_so_with_everything_a_subscriber_needs():
    task = a_task(seq=3)

    task.open(an_entry(task, EXPIRY), LATER)

    (event,) = task.recorded
    told = payload(event)
    assert (task.status, task.opened_at, task.expires_at, task.entry_keys) == (
        TaskStatus.OPENED,
        LATER,
        EXPIRY,
        ("k1",),
    )
    assert (event.name, event.subject, event.partition_key, event.occurred_at) == (
        "TaskOpened",
        f"tasks/{task.id}",
        task.enrollment_id,
        LATER,
    )
    assert asdict(told) == {
        "task_id": task.id,
        "plan_id": task.plan_id,
        "enrollment_id": task.enrollment_id,
        "testee_id": task.testee_id,
        "scale_code": "PHQ-9",
        "seq": 3,
        "planned_at": PLANNED,
        "opened_at": LATER,
        "due_at": task.due_at,
        "expires_at": EXPIRY,
        "timezone": "Asia/Shanghai",
    }


@pytest.mark.parametrize(
    ("now", "outcome"),
    [
        (PLANNED - TICK, "task.not_due"),
        (PLANNED, DONE),
        (EXPIRY - TICK, DONE),
        (EXPIRY, "task.window_closed"),
    ],
)
def test_a_task_may_be_opened_from_its_planned_instant_until_just_before_its_window_ends(now, outcome):
    task = a_task(closes_at=EXPIRY)

    assert outcome_of(task, "open", now) == outcome
    assert a_task(closes_at=EXPIRY).is_in_window(now) is (outcome == DONE)


def test_without_a_window_a_task_may_be_opened_however_late():
    task = a_task(closes_at=None)

    task.open(an_entry(task, EXPIRY), at("2099-01-01"))

    assert task.status is TaskStatus.OPENED


@pytest.mark.parametrize(("now", "outcome"), [(EXPIRY - TICK, DONE), (EXPIRY, RAN_OUT)])
def test_an_entry_completes_its_task_until_just_before_it_expires_even_if_no_sweep_has_run(now, outcome):
    task = opened(a_task())

    assert outcome_of(task, "complete", now) == outcome


@pytest.mark.parametrize(("now", "outcome"), [(EXPIRY - TICK, INVALID), (EXPIRY, DONE)])
def test_the_sweep_expires_a_task_from_the_instant_its_entry_is_dead(now, outcome):
    task = opened(a_task())

    assert outcome_of(task, "expire by the sweep", now) == outcome


def test_a_completed_task_keeps_when_and_with_which_answer():
    task = opened(a_task())

    task.complete("assessment-1", LATER)

    (event,) = task.recorded
    assert (task.status, task.completed_at, task.assessment_id) == (
        TaskStatus.COMPLETED,
        LATER,
        "assessment-1",
    )
    assert (event.name, payload(event).completed_at, payload(event).assessment_id) == (
        "TaskCompleted",
        LATER,
        "assessment-1",
    )


def test_the_same_answer_again_is_a_success_even_after_the_entry_would_have_expired():
    task = completed(a_task(), LATER)

    changed = task.complete("assessment-1", EXPIRY + timedelta(days=30))

    assert (changed, task.completed_at, names(task)) == (False, LATER, [])


@pytest.mark.parametrize(
    ("make", "move", "now", "reason", "opened_at"),
    [
        (lambda: opened(a_task()), "expire by the sweep", EXPIRY, "entry_timeout", PLANNED),
        (lambda: opened(a_task()), "expire by hand", EXPIRY, "entry_timeout", PLANNED),
        (lambda: opened(a_task()), "expire by hand", EXPIRY - TICK, "manual", PLANNED),
        (a_task, "miss", EXPIRY, "missed", None),
    ],
)
def test_an_expired_task_says_why(make, move, now, reason, opened_at):
    task = make()

    MOVES[move](task, now)

    (event,) = task.recorded
    assert (task.status, task.expired_at, task.reason) == (TaskStatus.EXPIRED, now, reason)
    told = payload(event)
    assert (event.name, told.reason, told.expired_at, told.opened_at) == (
        "TaskExpired",
        reason,
        now,
        opened_at,
    )


@pytest.mark.parametrize("make", [a_task, lambda: opened(a_task())])
def test_a_canceled_task_keeps_its_note_to_itself_and_tells_its_reason(make):
    task = make()

    task.cancel("moved_away", LATER, OPERATOR, "Anna moved to Berlin")

    (event,) = task.recorded
    assert (task.status, task.canceled_at, task.reason, task.note) == (
        TaskStatus.CANCELED,
        LATER,
        "moved_away",
        "Anna moved to Berlin",
    )
    assert (event.name, payload(event).reason) == ("TaskCanceled", "moved_away")
    assert "Berlin" not in repr(payload(event))


@pytest.mark.parametrize("reason", ["", "Moved", "moved away", "x" * 65, "moved-away", "grund_ä", "moved\n"])
def test_a_reason_is_one_lower_case_word(reason):
    task = a_task()

    with pytest.raises(Invalid) as caught:
        task.cancel(reason, LATER, OPERATOR)

    assert caught.value.problems[0].pointer == "/reason"
    assert task.status is TaskStatus.PENDING


def test_a_note_has_at_most_500_characters():
    assert a_task().cancel("moved_away", LATER, OPERATOR, "x" * 500)

    with pytest.raises(Invalid) as caught:
        a_task().cancel("moved_away", LATER, OPERATOR, "x" * 501)
    assert caught.value.problems[0].pointer == "/note"


@pytest.mark.parametrize("assessment_id", ["", "x" * 65])
def test_an_assessment_id_has_1_to_64_characters(assessment_id):
    task = opened(a_task())

    with pytest.raises(Invalid) as caught:
        task.complete(assessment_id, LATER)

    assert caught.value.problems[0].pointer == "/assessment_id"
    assert opened(a_task()).complete("x" * 64, LATER)


def test_a_new_link_raises_the_generation_and_leaves_the_expiry():
    task = opened(a_task())

    task.reissue(an_entry(task, EXPIRY, generation=2, key_id="k2"), LATER, OPERATOR)

    (event,) = task.recorded
    assert (task.entry_keys, task.generation, task.expires_at) == (("k1", "k2"), 2, EXPIRY)
    assert (event.name, payload(event).generation) == ("EntryReissued", 2)


def test_a_link_is_issued_at_most_32_times():
    task = opened(a_task())
    for generation in range(2, MAX_GENERATIONS + 1):
        task.reissue(an_entry(task, EXPIRY, generation=generation), LATER, OPERATOR)

    assert (task.generation, outcome_of(task, "reissue", LATER)) == (32, "task.reissue_limit")
    assert task.generation == 32


def test_a_moved_task_tells_where_it_was_and_a_pin_stays():
    task = a_task()
    there = at("2026-07-03")

    changed = task.move(there, EXPIRY, None, LATER, by=OPERATOR, pin=True)
    task.move(PLANNED, EXPIRY, None, LATER, by=OPERATOR)

    first = task.recorded[0]
    assert (changed, first.name, payload(first).planned_before, payload(first).planned_at) == (
        True,
        "TaskRescheduled",
        PLANNED,
        there,
    )
    assert (payload(first).pinned, task.pinned, task.planned_at) == (True, True, PLANNED)


def test_a_task_that_stays_where_it_is_takes_its_new_window_over_and_tells_nothing():
    task = a_task()

    changed = task.move(PLANNED, at("2026-07-04"), at("2026-07-05"), LATER, revision=2, by=OPERATOR)

    assert (changed, names(task), list(task.history)) == (False, [], [])
    assert (task.due_at, task.closes_at, task.schedule_revision) == (
        at("2026-07-04"),
        at("2026-07-05"),
        2,
    )


@pytest.mark.parametrize(
    ("state", "admission"),
    [
        ("pending", Admission.NOT_OPEN),
        ("opened", Admission.OPEN),
        ("run out", Admission.EXPIRED),
        ("completed", Admission.COMPLETED),
        ("expired", Admission.EXPIRED),
        ("missed", Admission.EXPIRED),
        ("canceled", Admission.CANCELED),
    ],
)
def test_one_function_says_what_an_entry_is_worth(state, admission):
    make, now = STATES[state]

    assert make().admission(now) is admission


def test_what_a_person_did_is_remembered_and_what_the_sweep_did_is_not():
    by_hand, by_sweep = a_task(), a_task()

    by_hand.open(an_entry(by_hand, EXPIRY), LATER, by=OPERATOR)
    by_sweep.open(an_entry(by_sweep, EXPIRY), LATER)

    assert [(entry["fact"], entry["actor"]) for entry in by_hand.history] == [("opened", OPERATOR)]
    assert not by_sweep.history


def test_a_refusal_is_a_sentence_with_the_task_and_its_state():
    task = completed(a_task())

    with pytest.raises(QsError, match=f"task {task.id} is completed; it cannot be canceled"):
        task.cancel("moved_away", LATER)


def test_an_opened_task_forgets_that_opening_it_had_failed():
    task = a_task(attempts=3, last_error="row.refused", next_attempt_at=PLANNED)

    opened(task)

    assert (task.attempts, task.last_error, task.next_attempt_at) == (0, None, None)
