"""One transaction of one tenant, with what every context writes beside its own rows."""

from collections.abc import Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from types import TracebackType
from typing import Any, Protocol, Self
from uuid import UUID

from qs.domain.kernel.event import Event


class EventRecorder(Protocol):
    """Writes events into the outbox of the running transaction."""

    async def add(self, events: Iterable[Event]) -> None: ...


class AuditRecorder(Protocol):
    """Appends who did what to the audit log of the running transaction."""

    async def add(
        self,
        action: str,
        object_kind: str,
        object_id: UUID | None,
        *,
        actor: str,
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """``detail`` holds ids, codes and whole numbers: never a secret, a link, a fraction or what is known of a testee."""
        ...


class UnitOfWork(Protocol):
    """A transaction that sees one tenant's rows; leaving it without ``commit`` rolls back.

    ``now`` is business time at its beginning. Nothing in it was true before ``commit`` returned.
    """

    @property
    def tenant_id(self) -> UUID: ...

    @property
    def now(self) -> datetime: ...

    @property
    def events(self) -> EventRecorder: ...

    @property
    def audit(self) -> AuditRecorder: ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def commit(self, at: str) -> None:
        """Makes it true. ``at`` names this boundary of the work, once in the whole service, for kernel.crash."""
        ...

    async def rollback(self) -> None: ...

    def savepoint(self) -> AbstractAsyncContextManager[object]:
        """A part that can fail alone: on RowRefused it is undone and the transaction goes on."""
        ...
