"""Events that were recorded by earlier releases are understood by this one.

`tests/data/events` keeps one of every kind and version as it was when that version came about. A file is never changed: a
field that goes or gets another name needs a new version of the event, and a file of its own.
"""

from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest

from qs.application.kernel.cloud_events import CloudEvent, PublishedEvent
from qs.application.kernel.streams import _OpenedTask
from qs.application.notification import alerting, announcing
from qs.domain.kernel.event import event_type
from qs.interface.rest.events.schemas import PUBLISHED

_STORED = sorted((Path(__file__).parents[2] / "data" / "events").glob("*.json"))
_KINDS = {event_type(kind.context, kind.name): kind for kind in PUBLISHED}
_READERS = {
    "qs.plan.task_opened.v1": (announcing._TaskNews, _OpenedTask),
    "qs.plan.task_expired.v1": (announcing._TaskNews, alerting._TaskNews),
    "qs.plan.task_completed.v1": (alerting._TaskNews,),
}
"""What subscribers inside qs make of the data."""


def test_every_kind_of_event_is_stored_in_its_version() -> None:
    assert {path.stem for path in _STORED} >= set(_KINDS)


@pytest.mark.parametrize("path", _STORED, ids=lambda path: str(path.stem))
def test_a_stored_event_has_every_field_that_it_had_and_is_read_as_it_was(path: Path) -> None:
    stored = msgspec.json.decode(path.read_bytes(), type=CloudEvent)
    kind: Any = _KINDS[stored.type]
    data = msgspec.json.decode(bytes(stored.data))

    known = {field.name for field in fields(kind)}
    read = msgspec.json.decode(bytes(stored.data), type=kind)

    assert set(data) <= known, "a field that is published goes or is renamed only under a new version"
    written_again = msgspec.json.decode(msgspec.json.encode(read))
    assert {name: written_again[name] for name in data} == data


@pytest.mark.parametrize(
    ("kind", "reader"), [(kind, reader) for kind, readers in _READERS.items() for reader in readers]
)
def test_subscribers_read_a_stored_event(kind: str, reader: type[Any]) -> None:
    (path,) = [path for path in _STORED if path.stem == kind]
    stored = msgspec.json.decode(path.read_bytes(), type=CloudEvent)
    event = PublishedEvent(
        id=UUID(stored.id),
        tenant_id=UUID(stored.source.split("/")[2]),
        context="plan",
        name=_KINDS[kind].name,
        subject=stored.subject,
        partition_key=UUID(stored.partitionkey),
        position=int(stored.sequence),
        occurred_at=stored.time,
        data=bytes(stored.data).decode(),
    )

    assert event.facts(reader).task_id is not None


@pytest.mark.parametrize("kind", PUBLISHED, ids=lambda kind: str(kind.name))
def test_a_field_that_is_newer_than_its_version_may_be_missing(kind: Any) -> None:
    """Code of this release reads what code of the one before wrote, in the middle of an upgrade."""
    (path,) = [path for path in _STORED if path.stem == event_type(kind.context, kind.name)]
    data = msgspec.json.decode(bytes(msgspec.json.decode(path.read_bytes(), type=CloudEvent).data))

    newer = [field for field in fields(kind) if field.name not in data]

    assert [field.name for field in newer if field.default is field.default_factory is MISSING] == []
