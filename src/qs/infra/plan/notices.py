"""What has been told about a task, as the facts of its explanation."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from qs.domain.plan.explaining import Fact


class Told(Protocol):
    """One message that went out, or never will; ``reason`` says why not."""

    @property
    def at(self) -> datetime: ...

    @property
    def channel(self) -> str: ...

    @property
    def reason(self) -> str | None: ...

    @property
    def reminder(self) -> bool: ...


class Messages(Protocol):
    async def told_about(self, tenant_id: UUID, task_id: UUID) -> Sequence[Told]: ...


class MessageNotices:
    def __init__(self, messages: Messages) -> None:
        self._messages = messages

    async def notices_of(self, tenant_id: UUID, task_id: UUID) -> Sequence[Fact]:
        return [
            Fact(each.at, _what_happened(each), f"channel:{each.channel}", each.reason)
            for each in await self._messages.told_about(tenant_id, task_id)
        ]


def _what_happened(told: Told) -> str:
    what = "reminded" if told.reminder else "notified"
    return f"not_{what}" if told.reason else what
