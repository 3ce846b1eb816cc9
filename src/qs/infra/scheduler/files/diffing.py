"""What applying a set of jobs would do: which are created, changed field by field, left alone and pruned."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from qs.application.scheduler.job_documents import write_job
from qs.domain.scheduler.job import JobDefinition
from qs.infra.scheduler.files.showing import is_secret_name, masked, shown


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field, dotted, with what stands there and what is wanted; None is a field that is not there."""

    field: str
    before: Any
    after: Any

    def __str__(self) -> str:
        return f"{self.field}: {shown(self.before, self.field)} → {shown(self.after, self.field)}"


@dataclass(frozen=True, slots=True)
class Changed:
    name: str
    fields: tuple[FieldChange, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDiff:
    """By name, each list in the order of names."""

    created: tuple[JobDefinition, ...] = ()
    changed: tuple[Changed, ...] = ()
    unchanged: tuple[str, ...] = ()
    pruned: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.created or self.changed or self.pruned)

    def data(self) -> dict[str, Any]:
        """JSON values of it, secrets masked."""
        return {
            "created": [masked(write_job(definition)) for definition in self.created],
            "changed": [
                {"name": each.name, "fields": [_field_data(change) for change in each.fields]}
                for each in self.changed
            ],
            "unchanged": list(self.unchanged),
            "pruned": list(self.pruned),
        }

    def lines(self) -> Iterator[str]:
        """The same for a person: ``+`` is created, ``~`` changed, ``-`` pruned."""
        for definition in self.created:
            yield f"+ {definition.name}: {definition.trigger.type.value} {shown(definition.trigger.schedule)}"
        for each in self.changed:
            yield f"~ {each.name}"
            for change in each.fields:
                yield f"    {change}"
        for name in self.pruned:
            yield f"- {name}"
        yield (
            f"{len(self.created)} to create, {len(self.changed)} to change, {len(self.pruned)} to prune, "
            f"{len(self.unchanged)} unchanged"
        )


def diff_jobs(
    desired: Iterable[JobDefinition], current: Iterable[JobDefinition], *, prune: bool = True
) -> JobDiff:
    """What makes ``current`` the ``desired`` ones; without ``prune`` what is not desired stays.

    ``current`` are the jobs that whoever applies may change, which with ``prune`` are those of one owner.
    """
    wanted = {definition.name: definition for definition in desired}
    there = {definition.name: definition for definition in current}
    both = sorted(wanted.keys() & there.keys())
    changed = [Changed(name, fields) for name in both if (fields := _changes(there[name], wanted[name]))]
    touched = {each.name for each in changed}
    return JobDiff(
        created=tuple(wanted[name] for name in sorted(wanted.keys() - there.keys())),
        changed=tuple(changed),
        unchanged=tuple(name for name in both if name not in touched),
        pruned=tuple(sorted(there.keys() - wanted.keys())) if prune else (),
    )


def _changes(before: JobDefinition, after: JobDefinition) -> tuple[FieldChange, ...]:
    old, new = dict(_flat(write_job(before))), dict(_flat(write_job(after)))
    fields = [*old, *(field for field in new if field not in old)]
    return tuple(
        FieldChange(field, old.get(field), new.get(field))
        for field in fields
        if (field in old) != (field in new) or not _same(old[field], new[field])
    )


def _same(one: Any, other: Any) -> bool:
    # As Python compares, true is 1.
    return one is other or json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _flat(document: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in document.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _field_data(change: FieldChange) -> dict[str, Any]:
    hidden = is_secret_name(change.field)
    before, after = (
        shown(value, change.field) if hidden and value is not None else masked(value)
        for value in (change.before, change.after)
    )
    return {"field": change.field, "before": before, "after": after}
