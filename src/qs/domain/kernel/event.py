"""What happened, in the past tense: ids and values only, never a token, link, name, contact or answer."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Protocol
from uuid import UUID


class Payload(Protocol):
    """The data of one kind of event; a dataclass whose fields are what a subscriber reads."""

    name: ClassVar[str]
    context: ClassVar[str]
    subject_kind: ClassVar[str]

    __dataclass_fields__: ClassVar[dict[str, Any]]


@dataclass(slots=True, eq=False)
class Event:
    """One fact about one subject, before it is recorded; the outbox gives it its id.

    ``occurred_at`` is business time; ``partition_key`` is the enrollment, else the plan, testee or job
    whose events are read in order.
    """

    tenant_id: UUID
    subject_id: UUID
    partition_key: UUID
    occurred_at: datetime
    payload: Payload

    @property
    def name(self) -> str:
        return self.payload.name

    @property
    def context(self) -> str:
        return self.payload.context

    @property
    def subject(self) -> str:
        return f"{self.payload.subject_kind}/{self.subject_id}"


_WORD_START = re.compile(r"(?<!^)(?=[A-Z])")


def event_type(context: str, name: str, version: int = 1) -> str:
    """The CloudEvents ``type`` of an event, e.g. ``qs.plan.task_opened.v1``."""
    return f"qs.{context}.{_WORD_START.sub('_', name).lower()}.v{version}"
