"""The sweep: expire what ran out, open what is due, mark what was missed."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from qs.application.plan.before import parse_before
from qs.application.plan.ports import PlanUnitOfWorkFactory
from qs.application.plan.sweep_batch import BatchOutcome, Cursor, SweepBatch
from qs.application.plan.sweep_report import ALL_PHASES, Phase, SweepReport
from qs.domain.kernel.ids import PLATFORM_TENANT
from qs.domain.plan.entry_generator import EntryGenerator
from qs.domain.plan.explaining import SWEEP

_LANES = 2


class DueTenants(Protocol):
    """Which tenants a sweep goes through."""

    async def __call__(self, tenant_id: UUID | None) -> Sequence[UUID]:
        """The active tenants with due work; of a given tenant, itself if it is active."""
        ...


@dataclass(slots=True, eq=False)
class _Progress:
    """Where one tenant's sweep stands; the cursor spares reading again what this sweep has passed."""

    tenant_id: UUID
    phases: list[Phase]
    after: Cursor = None
    skipped: int = 0

    def take_in(self, phase: Phase, outcome: BatchOutcome) -> None:
        """Goes on after a batch, unless the other lane went on already."""
        self.skipped += outcome.skipped
        if not self.phases or self.phases[0] is not phase:
            return
        if outcome.last is not None:
            self.after = max(self.after or outcome.last, outcome.last)
        if outcome.exhausted:
            self.phases.pop(0)
            self.after = None


@dataclass(slots=True)
class _Pass:
    """One sweep under way: tenants take turns, a batch each."""

    report: SweepReport
    tenants: Sequence[_Progress]
    narrow: datetime | None
    limit: int | None
    batch: int
    ends: float
    actor: str
    on_progress: Callable[[SweepReport], None] | None = None
    in_flight: int = 0
    unrecorded: set[UUID] = field(default_factory=set)
    turns: deque[_Progress] = field(init=False)

    def __post_init__(self) -> None:
        self.turns = deque(self.tenants)

    def next_turn(self) -> tuple[_Progress, int] | None:
        """The tenant whose turn it is and how many tasks it may move; None when the sweep is over for this lane."""
        size = self.batch
        if self.limit is not None:
            # Every tenant still waiting has its share, rounded up, or the first would take it all.
            left = self.limit - self.report.moved - self.in_flight
            size = min(size, -(-left // max(1, len(self.turns))))
        if size <= 0 or time.monotonic() >= self.ends:
            return None
        while self.turns:
            progress = self.turns[0]
            if progress.phases:
                self.turns.rotate(-1)
                self.in_flight += size
                return progress, size
            self.turns.popleft()
        return None

    def note(self, phase: Phase, outcome: BatchOutcome, size: int) -> None:
        self.in_flight -= size
        self.report.note(phase, outcome.moved)
        for task_id, failure in outcome.failures:
            if task_id in self.unrecorded:
                continue  # the other lane met it too, and counted it
            self.report.note_failure(task_id, failure.code, failure.sentence)
        self.unrecorded.update(outcome.unrecorded)
        if self.on_progress is not None:
            self.on_progress(self.report)


class TaskScheduling:
    """Sweeps in short transactions of at most ``batch`` tasks that any number of sweeps share.

    Two batches are under way at a time, so that rules are applied to one while the database writes the other.
    """

    def __init__(
        self,
        uow: PlanUnitOfWorkFactory,
        due_tenants: DueTenants,
        entries: EntryGenerator,
        *,
        batch: int = 2000,
        max_seconds: float = 120.0,
    ) -> None:
        self._uow = uow
        self._due_tenants = due_tenants
        self._work = SweepBatch(uow, entries).work
        self._batch = batch
        self._max_seconds = max_seconds

    async def sweep(
        self,
        tenant_id: UUID | None,
        *,
        before: str | None = None,
        zone_name: str = "UTC",
        limit: int | None = None,
        phases: Sequence[Phase] = ALL_PHASES,
        actor: str = SWEEP,
        on_progress: Callable[[SweepReport], None] | None = None,
    ) -> SweepReport:
        """One pass over one tenant, or fairly in turn over all of them when ``tenant_id`` is None.

        ``before`` narrows every phase, inclusively; ``limit`` bounds the tasks moved; ``actor`` is who the audit
        names. Stops after ``max_seconds`` and says what remains, what a command held meanwhile included.

        Raises:
            BeforeInvalid, BeforeInFuture
        """
        started = time.monotonic()
        async with self._uow(tenant_id or PLATFORM_TENANT) as uow:
            now = uow.now
        narrow = parse_before(before, zone_name, now) if before else None
        tenants = [_Progress(tenant, list(phases)) for tenant in await self._due_tenants(tenant_id)]
        report = SweepReport(narrow or now)
        ends = started + self._max_seconds
        pass_ = _Pass(report, tenants, narrow, limit, self._batch, ends, actor, on_progress)
        lanes = [asyncio.create_task(self._lane(pass_)) for _ in range(_LANES)]
        try:
            await asyncio.gather(*lanes)
        finally:
            # A failure in one lane ends the sweep, and no lane outlives it.
            for lane in lanes:
                lane.cancel()
            await asyncio.gather(*lanes, return_exceptions=True)
        await self._conclude(pass_, phases)
        report.duration_ms = round((time.monotonic() - started) * 1000)
        return report

    async def _lane(self, pass_: _Pass) -> None:
        while (turn := pass_.next_turn()) is not None:
            progress, size = turn
            phase = progress.phases[0]
            outcome = await self._work(
                progress.tenant_id, phase, pass_.narrow, progress.after, size, pass_.actor
            )
            progress.take_in(phase, outcome)
            pass_.note(phase, outcome, size)

    async def _conclude(self, pass_: _Pass, phases: Sequence[Phase]) -> None:
        report = pass_.report
        for progress in pass_.tenants:
            if not progress.phases and not progress.skipped:
                continue
            async with self._uow(progress.tenant_id) as uow:
                until = min(pass_.narrow or uow.now, uow.now)
                only_expiry = Phase.OPEN not in phases
                report.remaining += await uow.due.remaining(until, uow.now, expiry_only=only_expiry)
        if report.remaining:
            report.status = "limited"
        elif report.failed:
            report.status = "partial"
