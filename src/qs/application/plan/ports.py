"""What the plan context needs from the outside world."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from qs.application.kernel.quotas import Quotas
from qs.application.kernel.unit_of_work import UnitOfWork
from qs.domain.plan.enrollment import Enrollment
from qs.domain.plan.explaining import Fact
from qs.domain.plan.plan import AssessmentPlan
from qs.domain.plan.scale import Scale
from qs.domain.plan.task import AssessmentTask
from qs.domain.plan.testee import Testee


class Lock(StrEnum):
    """How long the row stays ours: ``share`` keeps it from changing, ``update`` is for changing it."""

    NONE = ""
    SHARE = "FOR SHARE"
    UPDATE = "FOR UPDATE"


@dataclass(frozen=True, slots=True)
class Page:
    """A page counted from 1 with ``size`` items."""

    number: int = 1
    size: int = 20


@dataclass(frozen=True, slots=True)
class Slice:
    """The next ``size`` items after a (planned_at, id) position; None starts at the beginning."""

    after: tuple[datetime, UUID] | None = None
    size: int = 20


@dataclass(frozen=True, slots=True)
class TaskFilter:
    plan_id: UUID | None = None
    testee_id: UUID | None = None
    enrollment_id: UUID | None = None
    status: str | None = None
    planned_from: datetime | None = None
    planned_to: datetime | None = None
    expires_before: datetime | None = None


class ScaleRepository(Protocol):
    async def get(self, code: str) -> Scale | None: ...

    async def list(self, page: Page) -> tuple[Sequence[Scale], int]: ...

    async def add(self, scale: Scale) -> bool:
        """Returns False where the code is taken."""
        ...


class TesteeRepository(Protocol):
    async def get(self, testee_id: UUID, lock: Lock = Lock.NONE) -> Testee | None: ...

    async def by_external_id(self, external_id: str) -> Testee | None: ...

    async def many_by_external_id(self, external_ids: Iterable[str]) -> Mapping[str, Testee]: ...

    async def lock_many(self, testee_ids: Iterable[UUID]) -> Mapping[UUID, Testee]:
        """The testees that exist, in id order, so that nobody else enrolls them meanwhile."""
        ...

    async def timezones(self, testee_ids: Iterable[UUID]) -> Mapping[UUID, str | None]: ...

    async def add_many(self, testees: Sequence[Testee]) -> None:
        """Raises ExternalIdTaken when another testee has one of the external ids."""
        ...

    async def save(self, testee: Testee) -> None: ...

    async def forget_answers(self, testee_id: UUID) -> None:
        """What was answered when the testee was created is kept no longer, should that request be repeated."""
        ...

    async def list(self, page: Page, ids: Sequence[UUID] = ()) -> tuple[Sequence[Testee], int]:
        """Those that are not erased, newest first, and how many they are; with ``ids`` only these."""
        ...

    async def count(self) -> int:
        """Those that are not erased."""
        ...


class PlanRepository(Protocol):
    async def get(self, plan_id: UUID, lock: Lock = Lock.NONE) -> AssessmentPlan | None: ...

    async def add(self, plan: AssessmentPlan) -> None: ...

    async def save(self, plan: AssessmentPlan) -> None:
        """Raises StaleVersion when somebody else changed it first."""
        ...

    async def has_enrollments(self, plan_id: UUID) -> bool: ...

    async def list(
        self, page: Page, status: str | None, scale_code: str | None
    ) -> tuple[Sequence[AssessmentPlan], int]: ...

    async def of_testee(self, testee_id: UUID, page: Page) -> tuple[Sequence[AssessmentPlan], int]: ...

    async def count_active(self) -> int: ...


class EnrollmentRepository(Protocol):
    async def get(self, enrollment_id: UUID, lock: Lock = Lock.NONE) -> Enrollment | None: ...

    async def live(self, plan_id: UUID, testee_id: UUID) -> Enrollment | None: ...

    async def live_of_testee(self, testee_id: UUID) -> Sequence[UUID]: ...

    async def rounds_of(
        self, plan_id: UUID, testee_ids: Sequence[UUID]
    ) -> Mapping[UUID, Sequence[Enrollment]]:
        """All rounds of each testee in the plan, the oldest first; testees without one are left out."""
        ...

    async def live_batch(self, plan_id: UUID, after: UUID | None, size: int) -> Sequence[UUID]:
        """The next live enrollments of a plan in id order."""
        ...

    async def many(self, enrollment_ids: Iterable[UUID]) -> Mapping[UUID, Enrollment]:
        """In id order."""
        ...

    async def lock_many(self, enrollment_ids: Iterable[UUID]) -> Mapping[UUID, Enrollment]:
        """Locked in id order, after the tasks they own."""
        ...

    async def add_many(self, enrollments: Sequence[Enrollment]) -> None: ...

    async def save_many(self, enrollments: Sequence[Enrollment]) -> None: ...

    async def list(
        self, plan_id: UUID, page: Page, status: str | None
    ) -> tuple[Sequence[Enrollment], int]: ...


class TaskRepository(Protocol):
    async def get(self, task_id: UUID, lock: Lock = Lock.NONE) -> AssessmentTask | None: ...

    async def of_enrollments(
        self, enrollment_ids: Sequence[UUID], lock: Lock = Lock.NONE, *, dropped: bool = False
    ) -> Sequence[AssessmentTask]:
        """In id order when locked, else by enrollment and seq."""
        ...

    async def add_many(self, tasks: Sequence[AssessmentTask]) -> None: ...

    async def save_many(self, tasks: Sequence[AssessmentTask]) -> None:
        """Raises StaleVersion when somebody else changed one of them first."""
        ...

    async def list(self, where: TaskFilter, page: Slice) -> Sequence[AssessmentTask]: ...


@dataclass(frozen=True, slots=True)
class Claim:
    """Locked tasks, each with its plan's entry_ttl_days (0 where it does not matter).

    ``exhausted`` says that nothing else was to be had; ``last`` is where the next claim goes on. ``skipped`` counts
    those that were due but stay as they are, because a command holds or has just paused what they belong to.
    """

    tasks: Sequence[tuple[AssessmentTask, int]]
    exhausted: bool
    last: tuple[datetime, UUID] | None = None
    skipped: int = 0


class DueTasks(Protocol):
    """The sweep's own reads and writes: bounded, ordered by instant, shared by SKIP LOCKED.

    A claim goes on after the (instant, id) where another one ended; None starts at the beginning.
    """

    async def openable(
        self, until: datetime, now: datetime, after: tuple[datetime, UUID] | None, size: int
    ) -> Claim:
        """Pending tasks with planned_at ≤ until that are inside their window."""
        ...

    async def missable(self, until: datetime, after: tuple[datetime, UUID] | None, size: int) -> Claim:
        """Pending tasks whose window ended at or before ``until``, or that a newer due occasion superseded."""
        ...

    async def expirable(self, until: datetime, after: tuple[datetime, UUID] | None, size: int) -> Claim:
        """Opened tasks with expires_at ≤ until."""
        ...

    async def save_opened(self, tasks: Sequence[AssessmentTask]) -> None: ...

    async def save_expired(self, tasks: Sequence[AssessmentTask]) -> None: ...

    async def record_failure(self, task_id: UUID, error: str) -> None:
        """Counts the failure and puts the next attempt off, doubling from 30 s up to an hour of system time."""
        ...

    async def remaining(self, until: datetime, now: datetime, *, expiry_only: bool) -> int: ...


class NoticeReader(Protocol):
    """What the notification context can say about a task's messages."""

    async def notices_of(self, tenant_id: UUID, task_id: UUID) -> Sequence[Fact]: ...


class TaskTenants(Protocol):
    """Finds whose task an entry names, before a tenant is known."""

    async def __call__(self, task_id: UUID) -> UUID | None:
        """None for an unknown task and for one of a suspended tenant."""
        ...


class PlanUnitOfWork(UnitOfWork, Protocol):
    @property
    def scales(self) -> ScaleRepository: ...

    @property
    def testees(self) -> TesteeRepository: ...

    @property
    def plans(self) -> PlanRepository: ...

    @property
    def enrollments(self) -> EnrollmentRepository: ...

    @property
    def tasks(self) -> TaskRepository: ...

    @property
    def due(self) -> DueTasks: ...

    @property
    def quotas(self) -> Quotas: ...

    async def tenant_timezone(self) -> str | None:
        """The zone of the tenant, for plans that name none."""
        ...


PlanUnitOfWorkFactory = Callable[[UUID], AbstractAsyncContextManager[PlanUnitOfWork]]
