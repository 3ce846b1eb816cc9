"""What texts of tenants need from the outside world."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from qs.application.kernel.unit_of_work import UnitOfWork
from qs.domain.notification.templates import TemplateVersion
from qs.domain.notification.texts import OwnTexts, Text


class TextBook(Protocol):
    """What a tenant wrote in the place of built-in texts, in the running transaction."""

    async def own(self) -> Mapping[str, OwnTexts]:
        """All that are active now, by language and key."""
        ...


class TemplateRepository(Protocol):
    """The versions of one tenant's texts, in the running transaction."""

    async def lock(self, key: str, locale: str) -> None:
        """Lets nobody else change that text before this transaction ends."""
        ...

    async def active(self, key: str, locale: str) -> TemplateVersion | None: ...

    async def all_active(self) -> Sequence[TemplateVersion]: ...

    async def version(self, key: str, locale: str, version: int) -> TemplateVersion | None: ...

    async def versions(
        self, key: str, locale: str, before: int | None, limit: int
    ) -> Sequence[TemplateVersion]:
        """The newest first, going on from ``before``."""
        ...

    async def add(self, key: str, locale: str, text: Text, created_by: str) -> TemplateVersion:
        """The next version, not active yet."""
        ...

    async def activate(self, key: str, locale: str, version: int | None) -> None:
        """Makes that version the only active one; None makes none active."""
        ...


class TemplateUnitOfWork(UnitOfWork, Protocol):
    @property
    def templates(self) -> TemplateRepository: ...


class TemplateUnitOfWorkFactory(Protocol):
    def __call__(self, tenant_id: UUID) -> TemplateUnitOfWork: ...


class ScaleMentions(Protocol):
    async def mentioned(self, tenant_id: UUID, text: str) -> Sequence[str]:
        """The codes of the tenant's scales whose code or title stands in the text; a handful at most."""
        ...


@dataclass(frozen=True, slots=True)
class TaskSample:
    """What a preview shows of a task; ``expires_at`` is None while it has not been opened. The name is masked."""

    plan_id: UUID | None
    timezone: str
    expires_at: datetime | None
    name: str | None


class TaskSamples(Protocol):
    async def find(self, tenant_id: UUID, task_id: UUID) -> TaskSample:
        """Raises TaskAbsent of the plan context."""
        ...
