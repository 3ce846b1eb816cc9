"""What the engine of the jobs needs from the outside world. All instants are the database's own time."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from qs.application.kernel.quotas import Quotas
from qs.application.kernel.unit_of_work import UnitOfWork
from qs.application.scheduler.ports import SwitchRepository
from qs.application.scheduler.request_ports import RequestRepository
from qs.domain.scheduler.calendars import Calendar
from qs.domain.scheduler.job import Job, JobDefinition, JobSource, JobStatus
from qs.domain.scheduler.job_execution import AttemptEnd, JobExecution, RunStatus
from qs.domain.scheduler.notices import Notice, NoticeStatus, Standing


class Wake(StrEnum):
    """What other processes are told about when a transaction commits; nobody depends on hearing it."""

    JOBS = "qs_jobs"
    RUNS = "qs_runs"
    STOPS = "qs_stops"


@dataclass(frozen=True, slots=True)
class Advance:
    """Where the clock of a job stands after its due slots were dealt with."""

    job_id: UUID
    status: JobStatus
    next_slot: datetime | None
    next_fire_at: datetime | None
    fired: int


@dataclass(frozen=True, slots=True)
class SlotClaim:
    job_id: UUID
    scheduled_at: datetime
    execution_id: UUID


@dataclass(frozen=True, slots=True)
class ActiveRun:
    """``waits`` is that it waits behind another run of its job."""

    id: UUID
    status: RunStatus
    waits: bool


@dataclass(frozen=True, slots=True)
class ClaimedRun:
    """An execution this worker holds from now on, with what it is to do."""

    execution: JobExecution
    definition: JobDefinition


@dataclass(frozen=True, slots=True)
class Held:
    """What a worker must know of an execution to write to it: nothing is written under another epoch."""

    id: UUID
    epoch: int


@dataclass(frozen=True, slots=True)
class PlacedOutput:
    """A part of what an attempt wrote, with its offset in the whole output of the execution, in bytes."""

    held: Held
    attempt: int
    position: int
    stream: str
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptWrite:
    """The end of one attempt, and where its execution stands then.

    ``again_at`` goes with RETRYING. A run that is AWAITED stays RUNNING: ``awaited_until`` is then its lease.
    """

    execution_id: UUID
    epoch: int
    number: int
    end: AttemptEnd | None
    status: RunStatus
    code: str | None = None
    error: str | None = None
    result: Mapping[str, Any] | None = None
    again_at: datetime | None = None
    awaited_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs; what is None does not matter. ``after`` is a name: only those that come later in the list."""

    name: str | None = None
    kind: str | None = None
    enabled: bool | None = None
    status: JobStatus | None = None
    source: JobSource | None = None
    owner: str | None = None
    after: str | None = None
    created_from: datetime | None = None
    created_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which executions; what is None does not matter."""

    job_id: UUID | None = None
    status: RunStatus | None = None


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """How many executions may run at once in the whole cluster: of each queue that is named, and of each tenant."""

    by_queue: Mapping[str, int]
    per_tenant: int | None = None


class JobRepository(Protocol):
    """The jobs of the tenant."""

    async def due(self, limit: int) -> Sequence[Job]:
        """Jobs whose time has come, locked, the longest due first; those that others hold are left out."""
        ...

    async def due_at(self, at: datetime, limit: int) -> Sequence[Job]:
        """Jobs whose time will have come at ``at``, locked; those of which something is active are left out as well."""
        ...

    async def advance(self, moves: Sequence[Advance]) -> None: ...

    async def get(self, job_id: UUID, *, lock: bool = False) -> Job | None: ...

    async def by_name(self, name: str, *, lock: bool = False) -> Job | None: ...

    async def lock(self, job_ids: Iterable[UUID], names: Iterable[str] = ()) -> None:
        """Holds these until the end of the transaction, in the order of their ids, so that nobody waits in a ring.

        Whoever writes executions of a job that he locks as well locks the job first.
        """
        ...

    async def serialize_sets(self) -> None:
        """Whoever applies a set of jobs of this tenant waits here for the others who do."""
        ...

    async def add(self, job: Job) -> bool:
        """False when the name is taken."""
        ...

    async def save(self, job: Job) -> bool:
        """Writes what changed under the next version; False when the row no longer has ``job.version``.

        Raises:
            JobNameTaken: another job has its new name.
        """
        ...

    async def remove(self, job_id: UUID) -> None: ...

    async def list(self, where: JobFilter, *, offset: int, size: int) -> Sequence[Job]:
        """By name."""
        ...

    async def count(self, where: JobFilter) -> int: ...

    async def counts(self) -> Mapping[tuple[JobStatus, bool], int]:
        """How many jobs have each status, enabled ones and others."""
        ...

    async def unclocked(self) -> Sequence[Job]:
        """Enabled jobs without a next slot, locked: those whose slots follow the end of an execution."""
        ...

    async def links(self) -> Mapping[str, Sequence[str]]:
        """Which jobs start which, by name: all chains of the tenant."""
        ...


class SlotClaims(Protocol):
    async def claim(self, slots: Sequence[SlotClaim]) -> frozenset[UUID]:
        """The execution ids of those slots that were free; the others were fired before."""
        ...


class RunRepository(Protocol):
    """The executions of the tenant's jobs. A holder's write names its epoch, and is refused once that is past."""

    async def add(self, runs: Sequence[tuple[JobExecution, JobDefinition]]) -> None: ...

    async def active(self, job_ids: Iterable[UUID]) -> Mapping[UUID, Sequence[ActiveRun]]:
        """What is active of each job, the oldest first."""
        ...

    async def claim(
        self, worker: str, limit: int, *, kinds: Sequence[str], limits: QueueLimits, lease: timedelta
    ) -> Sequence[ClaimedRun]:
        """Takes executions that may begin, the most urgent first, and begins an attempt of each.

        ``limits`` hold however many workers claim at once.
        """
        ...

    async def beat(self, held: Sequence[Held], lease: timedelta) -> Mapping[UUID, RunStatus | None]:
        """Extends the leases; tells of each that is still held whether it is to stop, and as what."""
        ...

    async def write(self, ends: Sequence[AttemptWrite]) -> Mapping[UUID, RunStatus]:
        """Writes the ends of attempts once; where those stand that were accepted.

        What was asked to stop meanwhile is not attempted again: RETRYING becomes what it was asked to stop as.
        """
        ...

    async def give_back(self, held: Sequence[Held]) -> None:
        """Ends the leases at once."""
        ...

    async def lost(self, execution_ids: Sequence[UUID]) -> Sequence[ClaimedRun]:
        """Those of them whose lease ran out, taken from their holders (the epoch is a new one) and locked."""
        ...

    async def release(self, job_ids: Iterable[UUID]) -> int:
        """Lets the oldest waiting run of each of these locked jobs begin where nothing else of it is active."""
        ...

    async def waiting_jobs(self, limit: int) -> Sequence[UUID]:
        """Jobs that have runs waiting behind nothing."""
        ...

    async def overdue(self, limit: int) -> Sequence[UUID]:
        """What did not begin in time, or waits for an attempt past its end."""
        ...

    async def expire(self, execution_ids: Iterable[UUID]) -> Sequence[UUID]:
        """Ends those of them that are overdue still, as expired or timed_out; which these are."""
        ...

    async def find(self, execution_ids: Iterable[UUID]) -> Sequence[ClaimedRun]:
        """Those of them that are there."""
        ...

    async def stop(self, execution_ids: Iterable[UUID], as_: RunStatus) -> Mapping[UUID, RunStatus]:
        """Ends those that do not run at once, asks the holders of those that run to stop; the new status of each."""
        ...

    async def get(self, execution_id: UUID, *, lock: bool = False) -> ClaimedRun | None: ...

    async def by_key(self, job_id: UUID, key: str) -> JobExecution | None:
        """The execution that was asked for under this idempotency key."""
        ...

    async def list(self, where: RunFilter, *, before: UUID | None, size: int) -> Sequence[JobExecution]:
        """Newest first, those older than ``before``."""
        ...

    async def latest(self, job_ids: Iterable[UUID]) -> Mapping[UUID, JobExecution]:
        """The newest execution of each job that has one."""
        ...

    async def recent(
        self, job_ids: Iterable[UUID], size: int
    ) -> Mapping[UUID, Sequence[tuple[UUID, RunStatus]]]:
        """Of each job that ran the newest ``size`` executions with their states, the oldest first."""
        ...

    async def attempts(self, execution_id: UUID) -> Sequence[Mapping[str, Any]]: ...

    async def append_output(self, pieces: Sequence[PlacedOutput]) -> None:
        """Keeps pieces of output whose executions are still held; one that is there already is left as it is."""
        ...

    async def output_end(self, execution_id: UUID) -> int:
        """The offset at which the next piece of output begins."""
        ...

    async def output(
        self, execution_id: UUID, offset: int, most: int
    ) -> Sequence[tuple[int, int, str, bytes]]:
        """(offset, attempt, stream, data) of the pieces from ``offset`` on, up to about ``most`` bytes."""
        ...


@dataclass(frozen=True, slots=True)
class ClaimedNotice:
    """A notice that is ours to send until its lease ends; ``attempt`` counts from 1."""

    notice: Notice
    attempt: int


class NoticeRepository(Protocol):
    """The notices of the tenant."""

    async def add(self, notices: Sequence[Notice]) -> None: ...

    async def serialize(self, job_ids: Iterable[UUID]) -> None:
        """Whoever tells of one of these jobs waits here for the others who do, until this transaction ends."""
        ...

    async def standings(self, ends: Sequence[tuple[UUID, UUID]]) -> Mapping[UUID, Standing]:
        """What was told of failures before these executions (job id, execution id) ended, by execution."""
        ...

    async def missed_standings(self, job_ids: Iterable[UUID]) -> Mapping[UUID, Standing]:
        """What was told of slots that each job missed."""
        ...

    async def claim(self, limit: int, lease: timedelta) -> Sequence[ClaimedNotice]:
        """Takes what is due, the longest first, and counts an attempt; what others are about to take is left out."""
        ...

    async def settle(
        self, claimed: ClaimedNotice, status: NoticeStatus, error: str | None, retry_in: timedelta | None
    ) -> bool:
        """Writes how an attempt ended; False, and nothing is written, when its lease ran out and another has it."""
        ...


class CalendarRepository(Protocol):
    async def get(self, name: str) -> tuple[Calendar, int] | None:
        """With its version."""
        ...

    async def list(self) -> Sequence[tuple[Calendar, int]]: ...

    async def save(self, calendar: Calendar, version: int | None) -> int | None:
        """The new version; None when the row is no longer at ``version`` (None: there must be none)."""
        ...

    async def remove(self, name: str) -> bool: ...


class JobUnitOfWork(UnitOfWork, Protocol):
    jobs: JobRepository
    slots: SlotClaims
    runs: RunRepository
    requests: RequestRepository
    notices: NoticeRepository
    calendars: CalendarRepository
    switch: SwitchRepository
    quotas: Quotas

    async def system_now(self) -> datetime: ...

    async def hurry(self) -> None:
        """Lets the database end this transaction if this process stops in the middle of it."""
        ...

    async def wait_until(self, at: datetime) -> None:
        """Returns when it is ``at`` by the database's clock; at once when that is past."""
        ...

    async def wake(self, *channels: Wake) -> None:
        """Tells whoever listens, when this commits."""
        ...


JobUnitOfWorkFactory = Callable[[UUID], AbstractAsyncContextManager[JobUnitOfWork]]


@dataclass(frozen=True, slots=True)
class Due:
    """Tenants with due jobs, and when the next job of any tenant is due; ``now`` is the database's time."""

    now: datetime
    tenants: Sequence[UUID]
    next_at: datetime | None
    stopped: bool
    """Whether the platform's switch is off; nothing is due then."""


class AcrossTenants(Protocol):
    """Finds where something is to be done, without seeing what."""

    async def due(self) -> Due: ...

    async def due_at(self, at: datetime, limit: int) -> Sequence[UUID]:
        """Tenants that are not stopped and have a job whose time comes at ``at``."""
        ...

    async def waiting(self) -> Sequence[UUID]:
        """Tenants with executions that wait for a worker."""
        ...

    async def lost(self, limit: int) -> Mapping[UUID, Sequence[UUID]]:
        """Executions whose lease ran out, by tenant."""
        ...

    async def unattended(self) -> Sequence[UUID]:
        """Tenants where time may have passed by: what did not begin, waits behind another, or has no next slot."""
        ...
