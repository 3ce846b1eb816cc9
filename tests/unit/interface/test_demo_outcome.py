"""The demonstration says what is not as the trial published it, and nothing when all is well."""

from datetime import date
from typing import Any

from qs.interface.cli.demo.outcome import Outcome
from qs.interface.cli.demo.statistics import Statistics
from qs.interface.cli.demo.trial import ANSWERED, load


def outcome(*, differences: int = 0, completed: tuple[int, ...] = ANSWERED, **fields: Any) -> Outcome:
    occasions = [
        {"seq": seq, "total": 100, "opened": 100, "closed": 100, "completed": n, "expired": 100 - n}
        for seq, n in enumerate(completed, start=1)
    ]
    later = sum(completed[1:])
    plan = {
        "occasions": occasions,
        "retention": list(completed),
        "followup": {"n": later, "d": 400, "rate": later / 400},
        "survival": {
            "times": [61.0, 92.0, 153.0, 245.0],
            "at_risk": [100, 97, 73, 58],
            "events": [3, 24, 15, 6],
            "censored": [0, 0, 0, 52],
            "survival": [0.97, 0.73, 0.58, 0.52],
            "low": [None, 0.63, 0.48, 0.42],
            "high": [None, 0.81, 0.67, 0.61],
            "confidence": 0.95,
        },
    }
    given: dict[str, Any] = {
        "statistics": Statistics({"daily": 7, "accumulated": 3, "plan": 1}, differences, plan),
        "events": {"task_opened": 500, "task_completed": 380, "task_expired": 120},
        "deliveries": {"sent": 620},
        "unacknowledged": 0,
        "trial": load(date(2026, 11, 20)),
        "seconds": 12.0,
    }
    return Outcome(**(given | fields))


def test_figures_as_published_are_no_difference() -> None:
    assert outcome().differences() == []


def test_a_difference_that_the_validation_found_is_one() -> None:
    assert outcome(differences=2).differences() == ["validation is 2, not 0"]


def test_other_figures_than_published_are_named() -> None:
    told = outcome(completed=(100, 97, 73, 58, 51)).differences()

    assert {each.partition(" is ")[0] for each in told} == {"completed", "expired", "retention", "followup"}


def test_the_statistics_are_told_beside_what_was_told_before() -> None:
    told = outcome().to_dict()

    assert told["statistics"] == {
        "differences": 0,
        "synced": {"daily": 7, "accumulated": 3, "plan": 1},
        "survival": [0.97, 0.73, 0.58, 0.52],
    }
    assert (told["tasks"], told["followup"]) == (500, {"n": 280, "d": 400, "rate": 0.7})
