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


class Messages(Protocol):
    async def told_about(self, tenant_id: UUID, task_id: UUID) -> Sequence[Told]: ...


class MessageNotices:
    def __init__(self, messages: Messages) -> None:
        self._messages = messages

    async def notices_of(self, tenant_id: UUID, task_id: UUID) -> Sequence[Fact]:
        return [
            Fact(
                each.at, "not_notified" if each.reason else "notified", f"channel:{each.channel}", each.reason
            )
            for each in await self._messages.told_about(tenant_id, task_id)
        ]
