"""How an event looks outside qs: CloudEvents 1.0 in JSON, the same in the stream, the feed and on the command line."""

from datetime import datetime
from typing import TypeVar
from uuid import UUID

import msgspec

from qs.domain.kernel.event import event_type

T = TypeVar("T")


class PublishedEvent(msgspec.Struct, frozen=True):
    """An event that has its position. ``data`` is its JSON as recorded; ``position`` never changes once given.

    ``traceparent`` is that of the work that recorded it, where traces were kept.
    """

    id: UUID
    tenant_id: UUID
    context: str
    name: str
    subject: str
    partition_key: UUID
    position: int
    occurred_at: datetime
    data: str
    traceparent: str | None = None

    def facts(self, kind: type[T]) -> T:
        """The data as ``kind``, which names only the fields its reader needs.

        Raises:
            msgspec.ValidationError: a field is missing or of another type.
        """
        return msgspec.json.decode(self.data, type=kind)


class CloudEvent(msgspec.Struct, frozen=True):
    """CloudEvents 1.0.2 with the extensions ``partitionkey`` and ``sequence``, and ``traceparent`` where it has one.

    ``sequence`` is the position in twenty digits, since the extension asks for strings that sort as text: it grows
    strictly within its partition key in the order of first publication.
    """

    id: str
    source: str
    type: str
    subject: str
    time: datetime
    partitionkey: str
    sequence: str
    data: msgspec.Raw
    specversion: str = "1.0"
    datacontenttype: str = "application/json"
    traceparent: str | msgspec.UnsetType = msgspec.UNSET


_types: dict[tuple[str, str], str] = {}


def cloud_event(event: PublishedEvent, *, entry_url: str | None = None) -> CloudEvent:
    """The event for readers outside; ``entry_url``, if given, is added to its data."""
    key = (event.context, event.name)
    kind = _types.get(key)
    if kind is None:
        kind = _types.setdefault(key, event_type(*key))
    data = event.data if entry_url is None else _with_entry_url(event.data, entry_url)
    return CloudEvent(
        id=str(event.id),
        source=f"/tenants/{event.tenant_id}/{event.context}",
        type=kind,
        subject=event.subject,
        time=event.occurred_at,
        partitionkey=str(event.partition_key),
        sequence=f"{event.position:020d}",
        data=msgspec.Raw(data.encode()),
        traceparent=event.traceparent or msgspec.UNSET,
    )


def traceparent_of(body: bytes) -> str | None:
    """That of an event that was written as JSON; None where it has none.

    Raises:
        msgspec.DecodeError: it is no such event.
    """
    return _traced(body).traceparent


class _Traced(msgspec.Struct):
    traceparent: str | None = None


_traced = msgspec.json.Decoder(_Traced).decode


def _with_entry_url(data: str, entry_url: str) -> str:
    fields = msgspec.json.decode(data)
    fields["entry_url"] = entry_url
    return msgspec.json.encode(fields).decode()
