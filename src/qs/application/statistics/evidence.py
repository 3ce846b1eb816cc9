"""What a validation compares, read around one snapshot of the tasks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from qs.application.statistics.counting import SUBSCRIPTION, fact_of, figures_of
from qs.application.statistics.differences import Findings
from qs.application.statistics.mending import CounterMending
from qs.application.statistics.ports import (
    Counters,
    Epoch,
    Kind,
    Pass,
    PlanCount,
    StatisticsUnitOfWorkFactory,
    Traffic,
    TruthFactory,
)
from qs.domain.statistics.calendar import TenantCalendar
from qs.domain.statistics.errors import CountersAway, CountersLost
from qs.domain.statistics.metrics import Alike, Counts, Place

_BATCH = 2000
_PLANS = 200
_DAY = timedelta(days=1)
# An event's inbox row is written before it is counted, within the time that handling may take.
_HANDLING = timedelta(seconds=15)


@dataclass(slots=True)
class Evidence:
    """Everything that is compared, read around one snapshot."""

    expected: Mapping[Place, Counts]
    stored: Mapping[Place, Counts]
    totals: Mapping[tuple[str, str], Counts]
    plans: Mapping[UUID, PlanCount]
    stored_plans: Mapping[UUID, PlanCount]
    recent: Mapping[Place, Counts]
    unacknowledged: list[UUID]
    dead: Mapping[Place, Counts]
    passes: Mapping[Kind, Pass | None]
    before: Mapping[Place, Counts] | None = None
    epoch: Epoch | None = None
    findings: Findings = field(default_factory=Findings)


class EvidenceGathering:
    """Reads the counters first, then what is stored, then the snapshot: counters only grow."""

    def __init__(
        self,
        unit_of_work: StatisticsUnitOfWorkFactory,
        counters: Counters,
        truths: TruthFactory,
        mending: CounterMending,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._counters = counters
        self._truths = truths
        self._mending = mending

    async def gather(self, tenant_id: UUID, calendar: TenantCalendar) -> Evidence:
        """Everything known of the tenant's figures."""
        epoch, before = await self._read_counters(tenant_id)
        async with self._unit_of_work(tenant_id) as uow:
            passes = {kind: await uow.syncs.last(kind) for kind in (Kind.DAILY, Kind.ACCUMULATED, Kind.PLAN)}
            stored, totals, stored_plans = (
                await uow.daily.all(),
                await uow.accumulated.all_totals(),
                await uow.plans.all(),
            )
        daily = passes[Kind.DAILY]
        since = daily.began_at - _HANDLING if daily and daily.began_at else datetime.min.replace(tzinfo=UTC)
        async with self._truths(tenant_id) as truth:
            expected: Mapping[Place, Counts] = {}
            began = await truth.first_instant()
            if began is not None:
                expected = await truth.figures(calendar.stretches(began, truth.now + _DAY))
            traffic = await truth.recent(SUBSCRIPTION.subscriber, since)
            unacknowledged = [
                id_ async for ids in truth.unacknowledged(SUBSCRIPTION.subscriber, _BATCH) for id_ in ids
            ]
            plans: dict[UUID, PlanCount] = {}
            after = None
            while counted := await truth.plans(after, _PLANS):
                plans |= {each.plan_id: each for each in counted}
                after = counted[-1].plan_id
        dead = [each for each in traffic if each.dead]
        alive = {each.id for each in dead}
        return Evidence(
            expected,
            stored,
            totals,
            plans,
            stored_plans,
            _figures(tenant_id, traffic, calendar),
            [id_ for id_ in unacknowledged if id_ not in alive],
            _figures(tenant_id, dead, calendar),
            passes,
            before,
            epoch,
        )

    async def _read_counters(self, tenant_id: UUID) -> tuple[Epoch | None, Mapping[Place, Counts] | None]:
        """The counters as they are; None where there are none to compare, which is no difference but a loss."""
        try:
            epoch = await self._mending.good(tenant_id)
            if epoch is None:
                return None, None
            found: dict[Place, Counts] = {}
            alike = Alike()
            async for places in self._counters.places(tenant_id, epoch.id, _BATCH):
                counts = await self._counters.read(tenant_id, epoch.id, places)
                for place, counted in zip(places, counts, strict=True):
                    found[alike.place(*place)] = alike.counts(counted)
        except (CountersAway, CountersLost):
            return None, None
        return epoch, found


def _figures(tenant_id: UUID, traffic: Sequence[Traffic], calendar: TenantCalendar) -> Mapping[Place, Counts]:
    facts = [fact_of(each.name, each.occurred_at, each.data) for each in traffic]
    return figures_of(tenant_id, facts, calendar)
