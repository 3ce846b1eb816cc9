"""One batch of the sweep: claim tasks, decide by the domain's rules, write, in one short transaction."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from qs.application.kernel import crash
from qs.application.kernel.errors import RowRefused
from qs.application.plan.ports import Claim, PlanUnitOfWork, PlanUnitOfWorkFactory
from qs.application.plan.settling import settle_enrollments
from qs.application.plan.sweep_report import Phase
from qs.domain.kernel.errors import QsError
from qs.domain.plan.entry_generator import EntryGenerator
from qs.domain.plan.task import AssessmentTask

Failure = tuple[UUID, QsError]
Cursor = tuple[datetime, UUID] | None


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """What one batch did; ``exhausted`` says that nothing more is to be had, ``last`` where the next one goes on.

    ``skipped`` counts due tasks that were left to the command that holds them; ``unrecorded`` are the failures that
    could not be written down, so that a batch which began beside this one may meet those tasks once more.
    """

    moved: Sequence[AssessmentTask]
    failures: Sequence[Failure]
    exhausted: bool
    last: Cursor
    skipped: int = 0
    unrecorded: Collection[UUID] = ()


class SweepBatch:
    """One task's failure is recorded on that task, with a next attempt, and undoes nothing else."""

    def __init__(self, uow: PlanUnitOfWorkFactory, entries: EntryGenerator) -> None:
        self._uow = uow
        self._entries = entries

    async def work(
        self, tenant_id: UUID, phase: Phase, narrow: datetime | None, after: Cursor, size: int, actor: str
    ) -> BatchOutcome:
        """Moves up to ``size`` tasks of one tenant; ``narrow`` bounds how late they may have become due."""
        async with self._uow(tenant_id) as uow:
            until = min(narrow or uow.now, uow.now)
            claim = await self._claim(uow, phase, until, after, size)
            await crash.hit("sweep.after_claim")
            moved, failures = self._decide(phase, claim, uow.now)
            try:
                async with uow.savepoint():
                    await self._write(uow, phase, moved)
            except RowRefused:
                moved, refused = await self._write_one_by_one(uow, phase, moved)
                failures += refused
            unrecorded = [
                failed for failed, failure in failures if not await self._record(uow, failed, failure)
            ]
            if moved:
                await uow.audit.add(f"tasks.{phase}", "task", None, actor=actor, detail={"count": len(moved)})
            await uow.commit("sweep.batch")
        return BatchOutcome(moved, failures, claim.exhausted, claim.last, claim.skipped, unrecorded)

    async def _record(self, uow: PlanUnitOfWork, task_id: UUID, failure: QsError) -> bool:
        """Whether it could be; a row that refuses even this is passed by the cursor, and met again by the next sweep."""
        try:
            async with uow.savepoint():
                await uow.due.record_failure(task_id, f"{failure.code}: {failure.sentence}")
        except RowRefused:
            return False
        return True

    async def _claim(
        self, uow: PlanUnitOfWork, phase: Phase, until: datetime, after: Cursor, size: int
    ) -> Claim:
        if phase is Phase.EXPIRE:
            return await uow.due.expirable(until, after, size)
        if phase is Phase.MISS:
            return await uow.due.missable(until, after, size)
        return await uow.due.openable(until, uow.now, after, size)

    def _decide(
        self, phase: Phase, claim: Claim, now: datetime
    ) -> tuple[list[AssessmentTask], list[Failure]]:
        generate = self._entries.generate
        moved: list[AssessmentTask] = []
        failures: list[Failure] = []
        for task, entry_ttl_days in claim.tasks:
            try:
                if phase is Phase.OPEN:
                    task.open(generate(task, now, entry_ttl_days), now)
                elif phase is Phase.EXPIRE:
                    task.expire(now)
                else:
                    task.miss(now)
            except QsError as error:
                failures.append((task.id, error))
            else:
                moved.append(task)
        return moved, failures

    async def _write(self, uow: PlanUnitOfWork, phase: Phase, moved: Sequence[AssessmentTask]) -> None:
        if phase is Phase.OPEN:
            await uow.due.save_opened(moved)
        else:
            await uow.due.save_expired(moved)
        await crash.hit("sweep.before_outbox")
        await uow.events.add([event for task in moved for event in task.recorded])
        await crash.hit("sweep.after_outbox")
        if phase is not Phase.OPEN:
            await settle_enrollments(uow, moved)

    async def _write_one_by_one(
        self, uow: PlanUnitOfWork, phase: Phase, moved: Sequence[AssessmentTask]
    ) -> tuple[list[AssessmentTask], list[Failure]]:
        written: list[AssessmentTask] = []
        refused: list[Failure] = []
        # In the order in which everybody locks enrollments, since each stays locked until the commit.
        for task in sorted(moved, key=lambda task: task.enrollment_id):
            try:
                async with uow.savepoint():
                    await self._write(uow, phase, [task])
            except RowRefused as error:
                refused.append((task.id, error))
            else:
                written.append(task)
        return written, refused
