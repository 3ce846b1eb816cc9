"""What applying a set of jobs would do: which are created, changed field by field, left alone and pruned."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from qs.application.scheduler.job_documents import write_job
from qs.domain.scheduler.job import JobDefinition
from qs.infra.scheduler.files.showing import is_secret_name, masked, shown

_ABSENT = object()


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


def field_changes(fields: Mapping[str, tuple[Any, Any]]) -> tuple[FieldChange, ...]:
    """What differs within the fields of a job that differ, each from and to, down to the members of objects."""
    return tuple(
        change for name, (before, after) in fields.items() for change in _leaves(name, before, after)
    )


def _leaves(field: str, before: Any, after: Any) -> Iterator[FieldChange]:
    objects = [each for each in (before, after) if isinstance(each, dict)]
    lacking = before is _ABSENT or after is _ABSENT
    if len(objects) == 2 or (lacking and objects and objects[0]):
        one, other = ({} if each is _ABSENT else each for each in (before, after))
        for key in {**one, **other}:
            yield from _leaves(f"{field}.{key}", one.get(key, _ABSENT), other.get(key, _ABSENT))
    elif lacking or not _same(before, after):
        yield FieldChange(field, *(None if each is _ABSENT else each for each in (before, after)))


def _same(one: Any, other: Any) -> bool:
    # As Python compares, true is 1.
    return one is other or json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _field_data(change: FieldChange) -> dict[str, Any]:
    hidden = is_secret_name(change.field)
    before, after = (
        shown(value, change.field) if hidden and value is not None else masked(value)
        for value in (change.before, change.after)
    )
    return {"field": change.field, "before": before, "after": after}
