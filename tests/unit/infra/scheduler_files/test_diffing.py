"""A diff says what applying would do, field by field, and never a secret."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from qs.application.scheduler.authoring import changed_fields
from qs.domain.scheduler.job import JobDefinition, Target
from qs.domain.scheduler.triggers.spec import TriggerKind, TriggerSpec
from qs.infra.scheduler.files.diffing import Changed, JobDiff, field_changes
from tests.unit.infra.scheduler_files.definitions import DEFINITIONS


def job(name: str, **fields: Any) -> JobDefinition:
    return JobDefinition(
        name=name,
        trigger=TriggerSpec(type=TriggerKind.CRON, schedule="0 2 * * *"),
        target=fields.pop("target", Target(kind="builtin", spec={"name": name})),
        **fields,
    )


def changed(before: JobDefinition, after: JobDefinition) -> Changed:
    return Changed(after.name, field_changes(changed_fields(before, after)))


def told(before: JobDefinition, after: JobDefinition) -> list[str]:
    return [str(change) for change in changed(before, after).fields]


def test_it_is_told_to_a_person_line_by_line() -> None:
    diff = JobDiff(created=(job("new"),), changed=(changed(job("b"), job("b", priority=5)),), pruned=("old",))

    assert list(diff.lines()) == [
        "+ new: cron '0 2 * * *'",
        "~ b",
        "    priority: 0 → 5",
        "- old",
        "1 to create, 1 to change, 1 to prune, 0 unchanged",
    ]


def test_true_is_not_one_and_missing_is_not_null() -> None:
    before, after = job("a", payload={"x": 1, "y": None}), job("a", payload={"x": True})

    assert told(before, after) == ["payload.x: 1 → true", "payload.y: null → null"]


def test_a_target_of_another_kind_is_told_field_by_field() -> None:
    http = Target(kind="http", spec={"url": "https://e.org", "headers": {"Authorization": "Bearer abcdef"}})

    diff = JobDiff(changed=(changed(job("a"), job("a", target=http)),))

    lines = "\n".join(diff.lines())
    assert "target.http.url: null → 'https://e.org'" in lines
    assert "target.builtin.name: 'a' → null" in lines
    assert "abcdef" not in lines + str(diff.data())


@settings(max_examples=10, deadline=None)
@given(DEFINITIONS, st.integers(-100, 100))
def test_nothing_is_told_of_what_stays(definition: JobDefinition, priority: int) -> None:
    fields = dict.fromkeys(("priority", "payload"), (priority, priority))

    assert field_changes(fields) == ()
    assert field_changes(changed_fields(definition, definition)) == ()
