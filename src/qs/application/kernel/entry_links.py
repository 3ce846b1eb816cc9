"""The link of an opened task, as other contexts may ask for it at the moment they need it."""

from datetime import datetime
from typing import Protocol
from uuid import UUID


class EntryLink(Protocol):
    """``url`` is a credential: it is handed on at once and kept nowhere."""

    @property
    def url(self) -> str: ...

    @property
    def expires_at(self) -> datetime: ...


class EntryLinks(Protocol):
    async def show(self, tenant_id: UUID, task_id: UUID) -> EntryLink | None:
        """The link as it is now; None when the task is not open (any more)."""
