"""Reading statistics: every number with what it is made of, as of when, and the tasks behind it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from qs.application.statistics.following import LagView, LatencyView, PlanFollowing, SurvivalView
from qs.application.statistics.ports import (
    Calendars,
    Course,
    DailyRow,
    Kind,
    Revision,
    StatisticsUnitOfWorkFactory,
    TaskPage,
)
from qs.domain.statistics.errors import NothingCounted, SpanTooLong
from qs.domain.statistics.metrics import DEFINITION_VERSION, WINDOWS, Counts, Dimension, reasons
from qs.domain.statistics.rates import Rate, rates

LONGEST_SPAN = 400
"""Civil dates that one request may ask for."""

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class WindowView:
    """Figures of so many civil dates, the last of which is the date they were added up on, else today."""

    from_: date
    to: date
    counts: Mapping[str, int]
    rates: Mapping[str, Rate]


@dataclass(frozen=True, slots=True)
class FiguresView:
    """Totals and windows of one key. ``as_of`` is None where nothing was added up yet."""

    dimension: str
    key: str
    as_of: datetime | None
    timezone: str
    definition_version: int
    through: date | None
    totals: Mapping[str, int]
    rates: Mapping[str, Rate]
    windows: Mapping[str, WindowView]
    reasons: Mapping[str, int]
    first_on: date | None
    last_on: date | None


@dataclass(frozen=True, slots=True)
class PlanView:
    """A plan: its tasks as they were at ``as_of``, and how people stayed, as it was at ``followed_at``."""

    figures: FiguresView
    counts: Mapping[str, int]
    rates: Mapping[str, Rate]
    occasions: Sequence[Mapping[str, int]]
    retention: Sequence[int]
    followup: Rate
    survival: SurvivalView
    latency: LatencyView
    opening: LagView
    followed_at: datetime
    as_of: datetime | None


@dataclass(frozen=True, slots=True)
class Basis:
    """As of when figures are, in which zone their dates are counted, and by which definitions."""

    as_of: datetime | None
    timezone: str
    definition_version: int


class StatisticsReading:
    """Every method sees only the given tenant, and raises NothingCounted for what is not there."""

    def __init__(
        self,
        unit_of_work: StatisticsUnitOfWorkFactory,
        calendars: Calendars,
        course: Course,
        following: PlanFollowing,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._calendars = calendars
        self._course = course
        self._following = following

    async def figures(self, tenant_id: UUID, dimension: str, key: str) -> FiguresView:
        """Totals, windows and rates as they were last added up; zeros for what exists and was never counted."""
        calendar = await self._calendars.of(tenant_id)
        async with self._unit_of_work(tenant_id) as uow:
            row, now = await uow.accumulated.get(dimension, key), uow.now
            last = await uow.syncs.last(Kind.ACCUMULATED)
        timezone = calendar.timezone_at(row.as_of if row else now)
        if row is None:
            await self._require_known(tenant_id, dimension, key)
            windows = _windows({}, calendar.date_of(now))
            return FiguresView(
                dimension,
                key,
                None,
                timezone,
                DEFINITION_VERSION,
                None,
                {},
                rates({}),
                windows,
                {},
                None,
                None,
            )
        return FiguresView(
            dimension,
            key,
            # A key that nothing happened to was looked at all the same.
            last.as_of if last and last.as_of else row.as_of,
            timezone,
            DEFINITION_VERSION,
            row.through,
            {name: count for name, count in row.totals.items() if name not in reasons(row.totals)},
            rates(row.totals),
            _windows(row.windows, row.through),
            reasons(row.totals),
            row.first_on,
            row.last_on,
        )

    async def plan(self, tenant_id: UUID, plan_id: UUID) -> PlanView:
        """A plan's figures, states, occasions, retention and latency."""
        figures = await self.figures(tenant_id, Dimension.PLAN, str(plan_id))
        async with self._unit_of_work(tenant_id) as uow:
            found, now = await uow.plans.get(plan_id), uow.now
            last = await uow.syncs.last(Kind.PLAN)
        counts: Counts = found[0].counts if found else {}
        occasions = found[0].occasions if found else []
        followed = await self._following.of(tenant_id, plan_id, now)
        later = [each for each in occasions if each["seq"] > 1]
        return PlanView(
            figures,
            counts,
            rates(counts),
            occasions,
            [each["completed"] for each in occasions],
            Rate(sum(each["completed"] for each in later), sum(each["closed"] for each in later)),
            followed.survival,
            followed.latency,
            followed.opening,
            followed.at,
            (last.as_of if last and last.as_of else found[1]) if found else None,
        )

    async def daily(
        self,
        tenant_id: UUID,
        dimension: str,
        key: str,
        from_: date | None = None,
        to: date | None = None,
    ) -> Sequence[DailyRow]:
        """The figures of each civil date with any; without ``from_`` the thirty up to ``to``, which else is today.

        Raises:
            SpanTooLong: more than 400 dates are asked for.
        """
        first, last = await self.span(tenant_id, from_, to)
        async with self._unit_of_work(tenant_id) as uow:
            found = await uow.daily.of(dimension, key, first, last)
        if not found:
            await self._require_known(tenant_id, dimension, key)
        return found

    async def span(self, tenant_id: UUID, from_: date | None, to: date | None) -> tuple[date, date]:
        """The first and the last date that ``daily`` answers for. Raises SpanTooLong."""
        last = to
        if last is None:
            calendar = await self._calendars.of(tenant_id)
            async with self._unit_of_work(tenant_id) as uow:
                last = calendar.date_of(uow.now)
        first = from_ or last - 29 * _DAY
        if not 0 <= (last - first).days < LONGEST_SPAN:
            raise SpanTooLong(LONGEST_SPAN)
        return first, last

    async def revisions(
        self,
        tenant_id: UUID,
        dimension: str,
        key: str,
        from_: date | None = None,
        to: date | None = None,
    ) -> Sequence[Revision]:
        """Every change of a closed date, or of those given: what it was, what it became, and why."""
        async with self._unit_of_work(tenant_id) as uow:
            return await uow.daily.revisions(dimension, key, from_, to)

    async def basis(self, tenant_id: UUID) -> Basis:
        """What the daily figures stand on."""
        calendar = await self._calendars.of(tenant_id)
        async with self._unit_of_work(tenant_id) as uow:
            last, timezone = await uow.syncs.last(Kind.DAILY), calendar.timezone_at(uow.now)
        return Basis(last.as_of if last else None, timezone, DEFINITION_VERSION)

    async def behind(
        self,
        tenant_id: UUID,
        dimension: str,
        key: str,
        metric: str,
        day: date | None,
        after: UUID | None,
        limit: int,
    ) -> TaskPage:
        """The ids of the tasks (for ``enrolled``, the enrollments) that make up one number, in the order of ids."""
        await self._require_known(tenant_id, dimension, key)
        calendar = await self._calendars.of(tenant_id)
        stretches = None if day is None else calendar.stretches_of([day])
        return await self._course.behind(tenant_id, dimension, key, metric, stretches, after, limit)

    async def _require_known(self, tenant_id: UUID, dimension: str, key: str) -> None:
        if not await self._course.knows(tenant_id, dimension, key):
            raise NothingCounted


def _windows(counted: Mapping[str, Counts], through: date) -> dict[str, WindowView]:
    views = {}
    for days in WINDOWS:
        counts = counted.get(str(days), {})
        views[str(days)] = WindowView(through - (days - 1) * _DAY, through, counts, rates(counts))
    return views
