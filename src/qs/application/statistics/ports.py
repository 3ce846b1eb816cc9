"""What the statistics context needs from outside."""

from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Collection,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from qs.application.kernel.subscriptions import SubscribingUnitOfWork
from qs.domain.statistics.calendar import Stretch, TenantCalendar
from qs.domain.statistics.followup import Occasion
from qs.domain.statistics.metrics import Counts, Place

Figures = Mapping[Place, Counts]


@dataclass(frozen=True, slots=True)
class Epoch:
    """Under which the live counters are good, and the first civil date they hold."""

    id: UUID
    live_from: date


@dataclass(frozen=True, slots=True)
class Made:
    """Counters that are not in use yet: of how many places, on which run of Redis."""

    places: int
    server: bytes


class Counters(Protocol):
    """The live counters of every tenant, in Redis. What they hold is good only under the tenant's epoch.

    Every method but ``lost``, ``make`` and ``install`` raises CountersLost where the counters are not those of the epoch, and
    all raise CountersAway where Redis does not answer.
    """

    async def lost(self, epochs: Mapping[UUID, UUID]) -> frozenset[UUID]:
        """Those of the tenants whose counters were emptied, restored or replaced since."""
        ...

    async def add(
        self, tenant_id: UUID, epoch: UUID, event_ids: Collection[UUID], figures: Figures
    ) -> frozenset[UUID]:
        """Claims the events and adds the figures, both or neither.

        Returns the events that were claimed before; if there are any, nothing was done.
        """
        ...

    def claimed(self, tenant_id: UUID, epoch: UUID, batch: int) -> AsyncIterator[Sequence[UUID]]:
        """Every claim, in batches."""
        ...

    async def forget_claims(self, tenant_id: UUID, epoch: UUID, event_ids: Collection[UUID]) -> None: ...

    async def make(self, tenant_id: UUID, epoch: UUID, figures: AsyncIterable[Figures]) -> "Made":
        """Makes counters that nobody can use yet."""
        ...

    async def install(
        self, tenant_id: UUID, epoch: UUID, made: "Made", claims: Iterable[Sequence[UUID]]
    ) -> None:
        """Makes these the tenant's counters, all of which are to be synced, and these the claims."""
        ...

    async def take_changed(self, tenant_id: UUID, epoch: UUID) -> int:
        """Sets aside which places changed since the last pass that was finished; returns how many."""
        ...

    def changed(self, tenant_id: UUID, epoch: UUID, batch: int) -> AsyncIterator[Sequence[Place]]:
        """The places set aside, in batches."""
        ...

    async def pass_finished(self, tenant_id: UUID, epoch: UUID) -> None:
        """Lets go of what was set aside."""
        ...

    async def read(self, tenant_id: UUID, epoch: UUID, places: Sequence[Place]) -> list[dict[str, int]]:
        """The figures of each place, none where it has none."""
        ...

    def figures(self, tenant_id: UUID, epoch: UUID, batch: int) -> AsyncIterator[Figures]:
        """Every place there is, some ``batch`` at a time; one may come twice while others are added."""
        ...

    async def changed_before(self, tenant_id: UUID, epoch: UUID, day: date) -> frozenset[date]:
        """The dates before ``day`` that have places changed since they were last set aside."""
        ...

    async def forget_before(self, tenant_id: UUID, epoch: UUID, day: date) -> None:
        """Removes the counters of dates before ``day``."""
        ...


class Kind(StrEnum):
    """Work on one tenant's figures that at most one process does at a time."""

    DAILY = "daily"
    ACCUMULATED = "accumulated"
    PLAN = "plan"
    VALIDATE = "validate"
    REBUILD = "rebuild"


@dataclass(frozen=True, slots=True)
class Hold:
    """The right to do one kind of work; ``term`` is the fencing term."""

    kind: Kind
    term: int


@dataclass(frozen=True, slots=True)
class Pass:
    """The last finished pass of a kind. ``began_at`` is system time, ``as_of`` business time.

    Everything acknowledged before ``began_at`` is in it. ``whole`` is false while another is under way or was cut off.
    """

    whole: bool
    began_at: datetime | None
    as_of: datetime | None
    position: int
    closed_through: date | None


class SyncBook(Protocol):
    """Who is at work and what was finished, of the unit of work's tenant."""

    async def take(self, kind: Kind, execution_id: UUID | None, lease: timedelta) -> Hold | None:
        """None while another holds an unexpired lease."""
        ...

    async def holder(self, kind: Kind) -> UUID | None:
        """The execution that is at work."""
        ...

    async def extend(self, hold: Hold, lease: timedelta) -> bool: ...

    async def release(self, hold: Hold) -> None: ...

    async def check(self, hold: Hold) -> None:
        """Locks the hold until this transaction ends. Raises SyncTakenOver when it is no longer ours."""
        ...

    async def begin(self, hold: Hold) -> "Beginning":
        """Says that the figures are not whole from now on. Raises SyncTakenOver."""
        ...

    async def finish(
        self,
        hold: Hold,
        beginning: "Beginning",
        closed_through: date | None = None,
        *,
        differences: int = 0,
    ) -> None:
        """Says that they are whole again, and how many differences a validation left. Raises SyncTakenOver."""
        ...

    async def last(self, kind: Kind, *, share: bool = False) -> Pass | None:
        """With ``share`` nobody can begin another until this transaction ends."""
        ...


@dataclass(frozen=True, slots=True)
class Beginning:
    """When a pass began: system time, business time, and the position up to which all events were counted."""

    at: datetime
    as_of: datetime
    position: int


class EpochBook(Protocol):
    async def get(self) -> Epoch | None: ...

    async def is_still(self, epoch: Epoch) -> bool:
        """Whether it is, which stays so until this transaction ends."""
        ...

    async def put(self, epoch: Epoch) -> bool:
        """Ends the epoch before it; whether this is the tenant's first."""
        ...


class DailyFigures(Protocol):
    async def upsert(self, rows: Figures, as_of: datetime, closed_through: date | None, reason: str) -> int:
        """Writes absolute figures and returns how many places changed. No figure goes down.

        A change of a date up to ``closed_through`` is a new generation and leaves a revision with the reason.
        """
        ...

    async def replace(self, rows: Figures, as_of: datetime, closed_through: date | None) -> int:
        """As ``upsert`` with the reason ``repair``, and figures may go down; an empty one removes what is stored."""
        ...

    async def mark_stale(self, days: Collection[date], reason: str) -> None: ...

    async def stale(self) -> Mapping[date, str]: ...

    async def no_longer_stale(self, days: Collection[date]) -> None: ...

    async def of(
        self, dimension: str, key: str, since: date | None, until: date | None
    ) -> Sequence["DailyRow"]: ...

    async def revisions(
        self, dimension: str, key: str, since: date | None = None, until: date | None = None
    ) -> Sequence["Revision"]: ...


@dataclass(frozen=True, slots=True)
class DailyRow:
    day: date
    counts: dict[str, int]
    generation: int
    reason: str | None
    as_of: datetime


@dataclass(frozen=True, slots=True)
class Revision:
    day: date
    generation: int
    reason: str
    before: dict[str, int]
    after: dict[str, int]
    at: datetime


@dataclass(frozen=True, slots=True)
class AccumulatedRow:
    totals: dict[str, int]
    windows: dict[str, dict[str, int]]
    first_on: date
    last_on: date
    through: date
    as_of: datetime


class AccumulatedFigures(Protocol):
    async def next_keys(self, after: tuple[str, str], limit: int) -> Sequence[tuple[str, str]]:
        """Dimensions and keys that have daily figures, ascending."""
        ...

    async def add_up(
        self, after: tuple[str, str], through: tuple[str, str], today: date, as_of: datetime
    ) -> int:
        """Adds the daily figures of a range of keys up; returns how many rows changed."""
        ...

    async def get(self, dimension: str, key: str) -> AccumulatedRow | None: ...


@dataclass(frozen=True, slots=True)
class PlanCount:
    """The tasks of one plan as they are: by state, and per occasion (seq)."""

    plan_id: UUID
    counts: dict[str, int]
    occasions: list[dict[str, int]]


class PlanFigures(Protocol):
    async def upsert(self, counted: Sequence[PlanCount], as_of: datetime) -> int: ...

    async def get(self, plan_id: UUID) -> tuple[PlanCount, datetime] | None: ...

    async def all(self) -> dict[UUID, PlanCount]: ...


@dataclass(frozen=True, slots=True)
class Traffic:
    """Events that may or may not be in a figure yet."""

    id: UUID
    name: str
    occurred_at: datetime
    data: str
    dead: bool


class StatisticsUnitOfWork(SubscribingUnitOfWork, Protocol):
    epochs: EpochBook
    syncs: SyncBook
    daily: DailyFigures
    accumulated: AccumulatedFigures
    plans: PlanFigures

    async def acknowledged(self, subscriber: str, event_ids: Collection[UUID]) -> Collection[UUID]:
        """Those of the events that the subscriber has acted on."""
        ...


StatisticsUnitOfWorkFactory = Callable[[UUID], StatisticsUnitOfWork]


class Truth(Protocol):
    """One repeatable-read snapshot of what happened, of one tenant."""

    now: datetime

    async def first_instant(self) -> datetime | None:
        """When the first thing that is counted happened."""
        ...

    def figures(self, stretches: Sequence[Stretch]) -> AsyncGenerator[Figures, None]:
        """The figures of these dates, counted from enrollments and tasks, in portions; no place comes twice."""
        ...

    def unacknowledged(self, subscriber: str, batch: int) -> AsyncIterator[Sequence[UUID]]:
        """The events that the subscriber has not acted on, or could not."""
        ...

    async def recent(self, subscriber: str, since: datetime) -> Sequence[Traffic]:
        """Counted events not acted on before that system time, or dead."""
        ...

    async def plans(self, after: UUID | None, limit: int) -> Sequence[PlanCount]: ...


TruthFactory = Callable[[UUID], AbstractAsyncContextManager[Truth]]


@dataclass(frozen=True, slots=True)
class Sides:
    """What three sides hold of one place."""

    place: Place
    counted: Counts
    stored: Counts
    expected: Counts


class Comparison(Protocol):
    """One snapshot, in which what was counted before it, what is stored in it and what happened stand side by side.

    They stand in the database: a large tenant has millions, of which only those that differ are handed out.
    """

    truth: Truth
    epoch: Epoch | None
    """As it is in the snapshot; None where what was counted is not of it, and is not compared."""

    async def passes(self, kinds: Collection[Kind]) -> Mapping[Kind, Pass | None]:
        """The last finished pass of each kind."""
        ...

    async def recount(self, stretches: Sequence[Stretch]) -> int:
        """Counts what happened from enrollments and tasks, which is to be done first; returns how many places there are."""
        ...

    def differing(self) -> AsyncGenerator[Sequence[Sides], None]:
        """The places at which not all are alike, ascending, in portions; what is not counted live is not compared."""
        ...

    def happened(self) -> AsyncGenerator[Sequence[tuple[str, str, Counts]], None]:
        """Dimension, key and the sum of what happened on all dates, in portions."""
        ...

    def happened_unlike(self) -> AsyncGenerator[Sequence[tuple[str, str, Counts]], None]:
        """The same of each plan, and of all others each sum once, without a key."""
        ...

    def totals_apart(self) -> AsyncGenerator[Sequence[tuple[str, str, Counts, Counts]], None]:
        """Dimension, key, the sum of the stored dates, and the stored total where it is another, in portions."""
        ...

    async def stored_plans(self) -> Mapping[UUID, "PlanCount"]: ...


class Comparisons(Protocol):
    def __call__(
        self, tenant_id: UUID, epoch: UUID | None, counted: AsyncIterable[Figures]
    ) -> AbstractAsyncContextManager[Comparison]:
        """Keeps what was counted under the epoch, then takes the snapshot; with None nothing counted is compared."""
        ...


class Calendars(Protocol):
    """In which zone a tenant's dates are counted."""

    async def of(self, tenant_id: UUID) -> TenantCalendar: ...


@dataclass(frozen=True, slots=True)
class Condition:
    """Of all active tenants: how many differences the last validations left, and when each kind was last done for all."""

    differences: int
    finished_at: Mapping[str, datetime]


class Tenants(Protocol):
    async def condition(self) -> Condition: ...

    async def epochs(self) -> Mapping[UUID, UUID | None]:
        """Every active tenant and the epoch of its counters, if they were ever made."""
        ...


@dataclass(frozen=True, slots=True)
class TaskPage:
    """Which tasks stand behind a figure, and where the next page begins."""

    task_ids: list[UUID]
    next_after: UUID | None


class Course(Protocol):
    """The tasks behind the figures, of the plan context."""

    async def knows(self, tenant_id: UUID, dimension: str, key: str) -> bool: ...

    async def occasions(self, tenant_id: UUID, plan_id: UUID) -> Mapping[UUID, Sequence[Occasion]]:
        """The occasions of each enrollment of a plan in order of their planned instants."""
        ...

    async def behind(
        self,
        tenant_id: UUID,
        dimension: str,
        key: str,
        metric: str,
        stretches: Sequence[Stretch] | None,
        after: UUID | None,
        limit: int,
    ) -> TaskPage: ...


Progress = Callable[[int], None]
"""Told how many more places are done."""


def no_progress(_: int) -> None: ...


Report = Mapping[str, Any]
