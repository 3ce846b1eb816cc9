"""Tasks as previews show them. What the plan context is asked for is stated here; the container binds it."""

from datetime import datetime
from typing import Protocol
from uuid import UUID

from qs.application.notification.ports import TesteeDirectory
from qs.application.notification.template_ports import TaskSample


class TaskRecord(Protocol):
    @property
    def plan_id(self) -> UUID: ...

    @property
    def testee_id(self) -> UUID: ...

    @property
    def timezone(self) -> str: ...

    @property
    def expires_at(self) -> datetime | None: ...


class TaskRecords(Protocol):
    async def task(self, tenant_id: UUID, task_id: UUID) -> TaskRecord: ...


class RecordedTaskSamples:
    def __init__(self, tasks: TaskRecords, testees: TesteeDirectory) -> None:
        self._tasks = tasks
        self._testees = testees

    async def find(self, tenant_id: UUID, task_id: UUID) -> TaskSample:
        task = await self._tasks.task(tenant_id, task_id)
        found = await self._testees.find(tenant_id, [task.testee_id])
        addressee = found.get(task.testee_id)
        name = None if addressee is None else addressee.testee.name
        return TaskSample(task.plan_id, task.timezone, task.expires_at, f"{name[0]}**" if name else None)
