"""A diff says what applying would do, field by field, and never a secret."""

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from qs.domain.scheduler.job import JobDefinition, Target
from qs.domain.scheduler.triggers.spec import TriggerKind, TriggerSpec
from qs.infra.scheduler.files.diffing import diff_jobs
from tests.unit.infra.scheduler_files.definitions import DEFINITIONS


def job(name: str, schedule: str = "0 2 * * *", **fields: Any) -> JobDefinition:
    return JobDefinition(
        name=name,
        trigger=TriggerSpec(type=TriggerKind.CRON, schedule=schedule),
        target=fields.pop("target", Target(kind="builtin", spec={"name": name})),
        **fields,
    )


def test_jobs_are_created_changed_left_alone_and_pruned() -> None:
    diff = diff_jobs([job("new"), job("b", "0 3 * * *"), job("same")], [job("same"), job("b"), job("old")])

    assert [definition.name for definition in diff.created] == ["new"]
    assert [(each.name, [str(change) for change in each.fields]) for each in diff.changed] == [
        ("b", ["schedule: '0 2 * * *' → '0 3 * * *'"])
    ]
    assert (diff.unchanged, diff.pruned, diff.empty) == (("same",), ("old",), False)


def test_without_prune_what_is_not_desired_stays() -> None:
    assert diff_jobs([], [job("old")], prune=False).empty


def test_it_is_told_to_a_person_line_by_line() -> None:
    diff = diff_jobs([job("new"), job("b", priority=5)], [job("b"), job("old")])

    assert list(diff.lines()) == [
        "+ new: cron '0 2 * * *'",
        "~ b",
        "    priority: 0 → 5",
        "- old",
        "1 to create, 1 to change, 1 to prune, 0 unchanged",
    ]


def test_true_is_not_one_and_missing_is_not_null() -> None:
    before, after = job("a", payload={"x": 1, "y": None}), job("a", payload={"x": True})

    [changed] = diff_jobs([after], [before]).changed

    assert [str(change) for change in changed.fields] == ["payload.x: 1 → true", "payload.y: null → null"]


def test_a_target_of_another_kind_is_told_field_by_field() -> None:
    http = Target(kind="http", spec={"url": "https://e.org", "headers": {"Authorization": "Bearer abcdef"}})

    diff = diff_jobs([job("a", target=http)], [job("a")])

    told = "\n".join(diff.lines())
    assert "target.http.url: null → 'https://e.org'" in told
    assert "target.builtin.name: 'a' → null" in told
    assert "abcdef" not in told + str(diff.data())


@settings(max_examples=10, deadline=None)
@given(DEFINITIONS, st.integers(-100, 100))
def test_a_change_is_seen_and_an_equal_definition_is_none(definition: JobDefinition, priority: int) -> None:
    other = replace(definition, priority=priority)

    assert diff_jobs([definition], [replace(definition)]).empty
    assert diff_jobs([other], [definition]).empty == (priority == definition.priority)
