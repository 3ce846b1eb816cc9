"""Comparing what was counted, what is stored and what happened, under live traffic."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from qs.application.statistics import differences as apart
from qs.application.statistics.counting import SUBSCRIPTION, fact_of, figures_of
from qs.application.statistics.differences import Findings
from qs.application.statistics.mending import CounterMending
from qs.application.statistics.ports import (
    Comparison,
    Comparisons,
    Counters,
    Epoch,
    Figures,
    Kind,
    Pass,
    Sides,
    StatisticsUnitOfWorkFactory,
    Traffic,
)
from qs.domain.statistics.calendar import TenantCalendar
from qs.domain.statistics.errors import CountersAway, CountersLost
from qs.domain.statistics.laws import broken_by_plan, broken_by_totals
from qs.domain.statistics.metrics import Counts, Dimension, Place

_BATCH = 2000
_PLANS = 200
_DAY = timedelta(days=1)
_NOTHING: Counts = {}
# An event's inbox row is written before it is counted, within the time that handling may take.
_HANDLING = timedelta(seconds=15)
_DRAIN_WITHIN_S = 10.0
_LOOK_EVERY_S = 0.1


@dataclass(slots=True)
class _Around:
    """What may or may not be in a figure yet, and whether the passes were finished that should have put it there."""

    passes: Mapping[Kind, Pass | None]
    recent: Figures
    dead: Figures
    on_their_way: list[UUID]
    give_up_at: float | None = None
    given_up: bool = False

    @property
    def synced(self) -> bool:
        daily = self.passes[Kind.DAILY]
        return daily is not None and daily.began_at is not None and daily.whole

    @property
    def added_up(self) -> bool:
        """The stored totals are of the stored dates."""
        daily, totals = self.passes[Kind.DAILY], self.passes[Kind.ACCUMULATED]
        if not self.synced or daily is None or daily.began_at is None or totals is None:
            return False
        return totals.began_at is not None and totals.began_at >= daily.began_at


class Comparing:
    """Compares three sides so that what is merely on its way is no difference.

    1. The counters are read, then one snapshot of the tasks and the stored figures is taken. Counters only grow, so
       a counter that was more than the snapshot holds was counted twice.
    2. When every event of the snapshot has been acted on, counters that differed are read again. One that is less
       than the snapshot lost a count.
    3. A stored figure lies between the snapshot and the snapshot less what was counted since the last sync began.
    """

    def __init__(
        self,
        unit_of_work: StatisticsUnitOfWorkFactory,
        counters: Counters,
        comparisons: Comparisons,
        mending: CounterMending,
        *,
        drain_within_s: float = _DRAIN_WITHIN_S,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._counters = counters
        self._comparisons = comparisons
        self._mending = mending
        self._drain_within_s = drain_within_s

    async def compare(self, tenant_id: UUID, calendar: TenantCalendar) -> Findings:
        """Everything that is wrong with the tenant's figures."""
        findings = Findings()
        async with self._side_by_side(tenant_id) as comparison:
            around = await self._around(tenant_id, comparison, calendar)
            began = await comparison.truth.first_instant()
            stretches = [] if began is None else calendar.stretches(began, comparison.truth.now + _DAY)
            findings.checked = await comparison.recount(stretches)
            async with aclosing(comparison.differing()) as portions:
                async for portion in portions:
                    _compare_stored(portion, around, findings)
                    if comparison.epoch is not None:
                        await self._compare_counters(tenant_id, comparison.epoch, portion, around, findings)
            async with aclosing(comparison.totals_apart()) as totals:
                async for each in totals:
                    _compare_totals(each, around, findings)
            await _compare_plans(comparison, await _check_laws(comparison, findings), around, findings)
        return findings

    @asynccontextmanager
    async def _side_by_side(self, tenant_id: UUID) -> AsyncIterator[Comparison]:
        """Where there are no counters none are compared, which is no difference but a loss."""
        async with AsyncExitStack() as stack:
            comparison = None
            with suppress(CountersAway, CountersLost):
                epoch = await self._mending.good(tenant_id)
                if epoch is not None:
                    counted = self._counters.figures(tenant_id, epoch.id, _BATCH)
                    opening = self._comparisons(tenant_id, epoch.id, counted)
                    comparison = await stack.enter_async_context(opening)
            if comparison is None:
                opening = self._comparisons(tenant_id, None, _nothing_counted())
                comparison = await stack.enter_async_context(opening)
            yield comparison

    async def _around(self, tenant_id: UUID, comparison: Comparison, calendar: TenantCalendar) -> _Around:
        passes = await comparison.passes((Kind.DAILY, Kind.ACCUMULATED, Kind.PLAN))
        daily = passes[Kind.DAILY]
        since = daily.began_at - _HANDLING if daily and daily.began_at else datetime.min.replace(tzinfo=UTC)
        subscriber = SUBSCRIPTION.subscriber
        traffic = await comparison.truth.recent(subscriber, since)
        unacknowledged = [
            id_ async for ids in comparison.truth.unacknowledged(subscriber, _BATCH) for id_ in ids
        ]
        dead = [each for each in traffic if each.dead]
        given_up = {each.id for each in dead}
        return _Around(
            passes,
            _figures(tenant_id, traffic, calendar),
            _figures(tenant_id, dead, calendar),
            [id_ for id_ in unacknowledged if id_ not in given_up],
        )

    async def _compare_counters(
        self, tenant_id: UUID, epoch: Epoch, portion: Sequence[Sides], around: _Around, findings: Findings
    ) -> None:
        differing = [
            sides
            for sides in portion
            if sides.counted != sides.expected and sides.place.day >= epoch.live_from
        ]
        if not differing:
            return
        for sides in differing:
            for difference in apart.counters_too_high(sides.place, sides.counted, sides.expected):
                findings.add(difference)
                findings.wrong_counters = True
        if not await self._acted_on(tenant_id, around):
            # What is still on its way cannot be told from what was lost; the next validation will see.
            return
        with suppress(CountersAway, CountersLost):
            after = await self._counters.read(tenant_id, epoch.id, [sides.place for sides in differing])
            async with self._unit_of_work(tenant_id) as uow:
                # A sync that lets dates go says so before it removes their counters.
                now = await uow.epochs.get()
            if now is None or now.id != epoch.id:
                return
            for sides, counts in zip(differing, after, strict=True):
                if sides.place.day < now.live_from:
                    continue
                dead = around.dead.get(sides.place, _NOTHING)
                for difference in apart.counters_too_low(sides.place, counts, sides.expected, dead):
                    findings.add(difference)
                    findings.wrong_counters = True

    async def _acted_on(self, tenant_id: UUID, around: _Around) -> bool:
        """Whether all that was on its way was acted on within a short time, which is waited for once."""
        if around.given_up:
            return False
        loop = asyncio.get_running_loop()
        if around.give_up_at is None:
            around.give_up_at = loop.time() + self._drain_within_s
        while around.on_their_way:
            async with self._unit_of_work(tenant_id) as uow:
                done = set(await uow.acknowledged(SUBSCRIPTION.subscriber, around.on_their_way))
            around.on_their_way = [id_ for id_ in around.on_their_way if id_ not in done]
            if around.on_their_way and loop.time() >= around.give_up_at:
                around.given_up = True
                return False
            if around.on_their_way:
                await asyncio.sleep(_LOOK_EVERY_S)
        return True


async def _nothing_counted() -> AsyncIterator[Figures]:
    for _ in ():
        yield {}


def _compare_stored(portion: Sequence[Sides], around: _Around, findings: Findings) -> None:
    for sides in portion:
        if not sides.expected:
            findings.checked += 1
        if sides.stored == sides.expected:
            continue
        in_flight = around.recent.get(sides.place, _NOTHING)
        for difference in apart.stored_too_low_or_high(
            sides.place, sides.stored, sides.expected, in_flight, synced=around.synced
        ):
            findings.add(difference)
            findings.wrong_stored.add(sides.place)


def _compare_totals(
    portion: Sequence[tuple[str, str, Counts, Counts]], around: _Around, findings: Findings
) -> None:
    for dimension, key, right, found in portion:
        for difference in apart.totals_apart(dimension, key, right, found, synced=around.added_up):
            findings.add(difference)


async def _check_laws(comparison: Comparison, findings: Findings) -> Mapping[str, Counts]:
    """What must hold of the recount itself: if it does not, the rows of the tasks are at odds. The totals of plans."""
    plans: dict[str, Counts] = {}
    is_broken = False
    async with aclosing(comparison.happened_unlike()) as portions:
        async for portion in portions:
            plans.update((key, counts) for dimension, key, counts in portion if dimension == Dimension.PLAN)
            is_broken |= any(law for _, _, counts in portion for law in broken_by_totals(counts))
    if is_broken:
        # Only now it matters whose they are.
        async with aclosing(comparison.happened()) as portions:
            async for portion in portions:
                for dimension, key, counts in portion:
                    for law in broken_by_totals(counts):
                        findings.add_law(dimension, key, law)
    return plans


async def _compare_plans(
    comparison: Comparison, totals: Mapping[str, Counts], around: _Around, findings: Findings
) -> None:
    """Totals of plans never go down but with an edit; so what is stored is compared where nothing moved since."""
    stored, after = await comparison.stored_plans(), None
    while counted := await comparison.truth.plans(after, _PLANS):
        findings.checked += len(counted)
        after = counted[-1].plan_id
        for plan in counted:
            key = str(plan.plan_id)
            for law in broken_by_plan(plan.counts, totals.get(key, _NOTHING)):
                findings.add_law(Dimension.PLAN.value, key, law)
            known = stored.get(plan.plan_id)
            if known is not None and around.passes[Kind.PLAN] is not None:
                for difference in apart.plan_too_high(key, known.counts, plan.counts):
                    findings.add(difference)


def _figures(tenant_id: UUID, traffic: Sequence[Traffic], calendar: TenantCalendar) -> Mapping[Place, Counts]:
    facts = [fact_of(each.name, each.occurred_at, each.data) for each in traffic]
    return figures_of(tenant_id, facts, calendar)
