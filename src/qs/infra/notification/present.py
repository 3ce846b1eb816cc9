"""What other contexts say of people and tasks, read within a transaction of this one; the container binds who says it."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from qs.application.notification.ports import OpenTask
from qs.domain.notification.addressing import Addressee, Contact
from qs.infra.notification.directories import (
    ContactRecord,
    TesteeRecord,
    addressee_of,
    contacts_of,
)
from qs.infra.notification.ledger import SqlNotificationUnitOfWork
from qs.infra.notification.templates import SqlTemplates


class OpenTaskRecord(Protocol):
    @property
    def url(self) -> str: ...

    @property
    def expires_at(self) -> datetime: ...

    @property
    def paused(self) -> bool: ...


class HeldTesteeRecords(Protocol):
    async def hold(
        self, connection: AsyncConnection, tenant_id: UUID, testee_ids: Collection[UUID], *, alone: bool
    ) -> Mapping[UUID, TesteeRecord]: ...


class OpenTaskRecords(Protocol):
    async def open_tasks(
        self, connection: AsyncConnection, tenant_id: UUID, task_ids: Collection[UUID]
    ) -> Mapping[UUID, OpenTaskRecord]: ...


class StaffRecordsWithin(Protocol):
    async def contacts_within(
        self, connection: AsyncConnection, tenant_id: UUID
    ) -> Sequence[ContactRecord]: ...


class RecordedPresent:
    """What the plan and identity contexts say, read on the connection of the one who asks."""

    def __init__(self, testees: HeldTesteeRecords, tasks: OpenTaskRecords, staff: StaffRecordsWithin) -> None:
        self._testees = testees
        self._tasks = tasks
        self._staff = staff

    async def addressees(
        self, connection: AsyncConnection, tenant_id: UUID, testee_ids: Collection[UUID], *, alone: bool
    ) -> Mapping[UUID, Addressee]:
        found = await self._testees.hold(connection, tenant_id, testee_ids, alone=alone)
        return {testee_id: addressee_of(testee_id, record) for testee_id, record in found.items()}

    async def tasks(
        self, connection: AsyncConnection, tenant_id: UUID, task_ids: Collection[UUID]
    ) -> Mapping[UUID, OpenTask]:
        found = await self._tasks.open_tasks(connection, tenant_id, task_ids)
        return {
            task_id: OpenTask(record.url, record.expires_at, record.paused)
            for task_id, record in found.items()
        }

    async def staff(self, connection: AsyncConnection, tenant_id: UUID) -> Sequence[Contact]:
        return contacts_of(await self._staff.contacts_within(connection, tenant_id))


class SqlPresent:
    """Implements Present for one unit of work."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID, recorded: RecordedPresent) -> None:
        self._connection = connection
        self._tenant_id = tenant_id
        self._recorded = recorded

    async def addressees(self, testee_ids: Collection[UUID], *, alone: bool) -> Mapping[UUID, Addressee]:
        return await self._recorded.addressees(self._connection, self._tenant_id, testee_ids, alone=alone)

    async def tasks(self, task_ids: Collection[UUID]) -> Mapping[UUID, OpenTask]:
        return await self._recorded.tasks(self._connection, self._tenant_id, task_ids)

    async def staff(self) -> Sequence[Contact]:
        return await self._recorded.staff(self._connection, self._tenant_id)


class SqlSendingUnitOfWork(SqlNotificationUnitOfWork):
    present: SqlPresent
    texts: SqlTemplates

    def __init__(self, engine: AsyncEngine, recorded: RecordedPresent, tenant_id: UUID) -> None:
        super().__init__(engine, tenant_id)
        self._recorded = recorded

    def bind(self, connection: AsyncConnection) -> None:
        super().bind(connection)
        self.present = SqlPresent(connection, self.tenant_id, self._recorded)
        self.texts = SqlTemplates(connection, self.tenant_id)
