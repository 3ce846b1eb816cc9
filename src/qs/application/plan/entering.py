"""The entry of a testee: showing it changes nothing, submitting it completes the task once."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from qs.application.plan.ports import Lock, PlanUnitOfWork, PlanUnitOfWorkFactory, TaskTenants
from qs.application.plan.present import present
from qs.application.plan.settling import settle_enrollments
from qs.domain.plan import errors
from qs.domain.plan.entry_generator import EntryGenerator
from qs.domain.plan.task import Admission, AssessmentTask, TaskStatus

_REFUSALS = {
    Admission.COMPLETED: errors.EntryCompleted,
    Admission.EXPIRED: errors.EntryExpired,
    Admission.CANCELED: errors.EntryCanceled,
    Admission.NOT_OPEN: errors.EntryAbsent,
}


@dataclass(frozen=True, slots=True)
class EntryView:
    """What a live entry shows; the scale's title by language."""

    task_id: UUID
    scale_code: str
    scale_title: dict[str, str]
    seq: int
    expires_at: datetime
    timezone: str


@dataclass(frozen=True, slots=True)
class Submission:
    task_id: UUID
    status: TaskStatus
    completed_at: datetime
    assessment_id: str
    repeated: bool


class EntryAdmission:
    """Wrong, foreign, malformed and unknown links all answer EntryAbsent."""

    def __init__(self, uow: PlanUnitOfWorkFactory, tenants: TaskTenants, entries: EntryGenerator) -> None:
        self._uow = uow
        self._tenants = tenants
        self._entries = entries

    async def show(self, token: str, task_id: str) -> EntryView:
        """What the link opens.

        Raises:
            EntryAbsent, EntryReplaced, EntryExpired, EntryCanceled, EntryCompleted
        """
        known = await self._locate(task_id)
        async with self._uow(known[0]) as uow:
            task = await self._recognised(uow, known[1], token, Lock.NONE)
            admission = task.admission(uow.now)
            if admission is not Admission.OPEN:
                raise _REFUSALS[admission]
            scale = await uow.scales.get(task.scale_code)
        assert task.expires_at is not None
        title = scale.title if scale else {}
        return EntryView(task.id, task.scale_code, title, task.seq, task.expires_at, task.timezone)

    async def submit(self, token: str, task_id: str, assessment_id: str) -> Submission:
        """Completes the task; the same link and assessment_id again is a success with ``repeated``.

        Raises:
            EntryAbsent, EntryReplaced, EntryExpired, EntryCanceled, EntryCompleted
        """
        known = await self._locate(task_id)
        async with self._uow(known[0]) as uow:
            # A stranger's token must not be able to hold the row that the holder of the link needs.
            await self._recognised(uow, known[1], token, Lock.NONE)
            task = await self._recognised(uow, known[1], token, Lock.UPDATE)
            now = present(uow.now, [task.moved_at])
            admission = task.admission(now)
            repeated = admission is Admission.COMPLETED and task.assessment_id == assessment_id
            if admission is not Admission.OPEN and not repeated:
                raise _REFUSALS[admission]
            if not repeated:
                task.complete(assessment_id, now)
                await uow.tasks.save_many([task])
                await uow.events.add(task.recorded)
                await settle_enrollments(uow, [task])
                await uow.audit.add("task.completed", "task", task.id, actor=f"testee:{task.testee_id}")
                await uow.commit("entry.submit")
        assert task.completed_at is not None
        return Submission(task.id, task.status, task.completed_at, assessment_id, repeated)

    async def _locate(self, task_id: str) -> tuple[UUID, UUID]:
        try:
            wanted = UUID(task_id) if len(task_id) == 36 else None
        except ValueError:
            wanted = None
        tenant_id = await self._tenants(wanted) if wanted else None
        if wanted is None or tenant_id is None:
            raise errors.EntryAbsent
        return tenant_id, wanted

    async def _recognised(self, uow: PlanUnitOfWork, task_id: UUID, token: str, lock: Lock) -> AssessmentTask:
        task = await uow.tasks.get(task_id, lock)
        generation = self._entries.generation_of(task, token) if task else None
        if task is None or generation is None:
            raise errors.EntryAbsent
        if generation < task.generation:
            raise errors.EntryReplaced
        return task
