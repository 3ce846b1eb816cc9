"""Holding counters and stored figures against what the tasks say, and putting right the side that is wrong."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

from qs.application.statistics import differences as apart
from qs.application.statistics.counting import SUBSCRIPTION
from qs.application.statistics.differences import Difference
from qs.application.statistics.evidence import Evidence, EvidenceGathering
from qs.application.statistics.holding import AlreadyRunning, SyncHolding
from qs.application.statistics.mending import CounterMending
from qs.application.statistics.ports import (
    Calendars,
    Counters,
    Epoch,
    Kind,
    StatisticsUnitOfWorkFactory,
    Tenants,
    TruthFactory,
)
from qs.application.statistics.syncing import AccumulatedSync, PlanSync
from qs.application.statistics.turns import in_turn
from qs.domain.statistics.calendar import TenantCalendar
from qs.domain.statistics.errors import CountersAway, CountersLost
from qs.domain.statistics.laws import broken_by_plan, broken_by_totals
from qs.domain.statistics.metrics import Counts, Dimension, Place, total

_BATCH = 2000
_NOTHING: Counts = {}
_DRAIN_WITHIN_S = 10.0
_LOOK_EVERY_S = 0.1


class Validation:
    """Compares three sides under live traffic, so that what is merely on its way is no difference.

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
        truths: TruthFactory,
        calendars: Calendars,
        mending: CounterMending,
        holding: SyncHolding,
        accumulated: AccumulatedSync,
        plan: PlanSync,
        tenants: Tenants,
        *,
        drain_within_s: float = _DRAIN_WITHIN_S,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._counters = counters
        self._truths = truths
        self._calendars = calendars
        self._mending = mending
        self._holding = holding
        self._accumulated = accumulated
        self._plan = plan
        self._tenants = tenants
        self._gathering = EvidenceGathering(unit_of_work, counters, truths, mending)
        self._drain_within_s = drain_within_s

    async def validate(
        self, tenant_id: UUID | None, *, repair: bool = False, execution_id: UUID | None = None
    ) -> Mapping[str, Any]:
        """Validates one tenant, or all of them in turn when ``tenant_id`` is None, and repairs if asked to.

        ``status`` is consistent, different, repaired, or already_running where another process is at it.

        Raises:
            whatever failed first, once every tenant has had its turn.
        """
        if tenant_id is not None:
            return _together([await self._one(tenant_id, repair, execution_id)])

        async def named(each: UUID) -> dict[str, Any]:
            one = await self._one(each, repair, execution_id)
            # Of several tenants a scale's code alone would not say whose figure it is.
            for difference in one.get("differences", ()):
                difference["tenant_id"] = str(each)
            return one

        return _together(await in_turn(list(await self._tenants.epochs()), named))

    async def _one(self, tenant_id: UUID, repair: bool, execution_id: UUID | None) -> dict[str, Any]:
        try:
            async with self._holding.held(tenant_id, Kind.VALIDATE, execution_id) as hold:
                calendar = await self._calendars.of(tenant_id)
                async with self._unit_of_work(tenant_id) as uow:
                    beginning = await uow.syncs.begin(hold)
                    await uow.commit("validate.begin")
                evidence = await self._gathering.gather(tenant_id, calendar)
                await self._compare(tenant_id, evidence)
                found = evidence.findings
                mended = bool(repair and found.total) and await self._repair(tenant_id, evidence, calendar)
                async with self._unit_of_work(tenant_id) as uow:
                    await uow.syncs.finish(hold, beginning, differences=0 if mended else found.total)
                    await uow.commit("validate.end")
        except AlreadyRunning as running:
            return {"status": "already_running", "execution_id": running.execution_id}
        status = "consistent" if not found.total else "repaired" if mended else "different"
        return {
            "status": status,
            "checked": len(evidence.expected.keys() | evidence.stored.keys()) + len(evidence.plans),
            "differences_total": found.total,
            "differences": [difference.to_dict() for difference in found.kept],
        }

    async def _compare(self, tenant_id: UUID, evidence: Evidence) -> None:
        self._compare_stored(evidence)
        self._compare_plans(evidence)
        if evidence.before is not None and evidence.epoch is not None:
            await self._compare_counters(tenant_id, evidence.epoch, evidence.before, evidence)

    def _compare_stored(self, evidence: Evidence) -> None:
        findings, daily = evidence.findings, evidence.passes[Kind.DAILY]
        synced = daily is not None and daily.began_at is not None and daily.whole
        for place in evidence.expected.keys() | evidence.stored.keys():
            stored = evidence.stored.get(place, _NOTHING)
            expected = evidence.expected.get(place, _NOTHING)
            if stored == expected:
                continue
            in_flight = evidence.recent.get(place, _NOTHING)
            for difference in apart.stored_too_low_or_high(place, stored, expected, in_flight, synced=synced):
                findings.add(difference)
                findings.wrong_stored.add(place)
        accumulated = evidence.passes[Kind.ACCUMULATED]
        added_up = bool(
            synced
            and accumulated
            and accumulated.began_at
            and daily
            and daily.began_at
            and accumulated.began_at >= daily.began_at
        )
        for difference in apart.totals_apart(evidence.totals, evidence.stored, synced=added_up):
            findings.add(difference)
        self._check_laws(evidence)

    @staticmethod
    def _check_laws(evidence: Evidence) -> None:
        """What must hold of the recount itself: if it does not, the rows of the tasks are at odds."""
        by_key: dict[tuple[str, str], list[Counts]] = {}
        for place, counts in evidence.expected.items():
            by_key.setdefault((place.dimension, place.key), []).append(counts)
        totals = {key: total(dates) for key, dates in by_key.items()}
        broken = [(key, law) for key, counts in totals.items() for law in broken_by_totals(counts)]
        for plan_id, plan in evidence.plans.items():
            key = (Dimension.PLAN.value, str(plan_id))
            broken += [(key, law) for law in broken_by_plan(plan.counts, totals.get(key, _NOTHING))]
        for (dimension, key_), law in broken:
            evidence.findings.add(Difference(dimension, key_, None, "law", None, None, 0, f"law: {law}"))
            evidence.findings.beyond_repair = True

    @staticmethod
    def _compare_plans(evidence: Evidence) -> None:
        """Totals of plans never go down but with an edit; so what is stored is compared where nothing moved since."""
        last = evidence.passes[Kind.PLAN]
        for plan_id, stored in evidence.stored_plans.items():
            expected = evidence.plans.get(plan_id)
            if expected is None or last is None:
                continue
            for name in ("completed", "expired", "missed", "canceled", "enrolled"):
                found, right = stored.counts.get(name, 0), expected.counts.get(name, 0)
                if found > right:
                    evidence.findings.add(
                        Difference(
                            Dimension.PLAN, str(plan_id), None, name, None, found, right, "counted_twice"
                        )
                    )

    async def _compare_counters(
        self,
        tenant_id: UUID,
        epoch: Epoch,
        before: Mapping[Place, Counts],
        evidence: Evidence,
    ) -> None:
        live = {place for place in evidence.expected if place.day >= epoch.live_from}
        differing = [
            place
            for place in sorted(live | before.keys())
            if before.get(place, _NOTHING) != evidence.expected.get(place, _NOTHING)
        ]
        if not differing:
            return
        findings = evidence.findings
        for place in differing:
            expected = evidence.expected.get(place, _NOTHING)
            for difference in apart.counters_too_high(place, before.get(place, _NOTHING), expected):
                findings.add(difference)
                findings.wrong_counters = True
        if not await self._acted_on(tenant_id, evidence.unacknowledged):
            # What is still on its way cannot be told from what was lost; the next validation will see.
            return
        with suppress(CountersAway, CountersLost):
            for start in range(0, len(differing), _BATCH):
                chunk = differing[start : start + _BATCH]
                after = await self._counters.read(tenant_id, epoch.id, chunk)
                for place, counts in zip(chunk, after, strict=True):
                    expected = evidence.expected.get(place, _NOTHING)
                    dead = evidence.dead.get(place, _NOTHING)
                    for difference in apart.counters_too_low(place, counts, expected, dead):
                        findings.add(difference)
                        findings.wrong_counters = True

    async def _acted_on(self, tenant_id: UUID, event_ids: Sequence[UUID]) -> bool:
        """Whether all of the events were acted on within a short time."""
        loop = asyncio.get_running_loop()
        until, left = loop.time() + self._drain_within_s, list(event_ids)
        while left:
            async with self._unit_of_work(tenant_id) as uow:
                done = set(await uow.acknowledged(SUBSCRIPTION.subscriber, left))
            left = [id_ for id_ in left if id_ not in done]
            if left and loop.time() >= until:
                return False
            if left:
                await asyncio.sleep(_LOOK_EVERY_S)
        return True

    async def _repair(self, tenant_id: UUID, evidence: Evidence, calendar: TenantCalendar) -> bool:
        """Rebuilds the counters where they are wrong, and writes the recount where what is stored is wrong.

        Whether all is mended: that cannot be said where the tasks themselves break a law, or Redis went away.
        """
        findings, mended = evidence.findings, not evidence.findings.beyond_repair
        if findings.wrong_counters:
            try:
                await self._mending.rebuild(tenant_id)
            except AlreadyRunning:
                # Whoever does it does it as well.
                pass
            except (CountersAway, CountersLost):
                mended = False
        if findings.wrong_stored:
            await self._repair_daily(tenant_id, findings.wrong_stored, calendar)
        with suppress(AlreadyRunning):
            await self._accumulated.run(tenant_id)
        with suppress(AlreadyRunning):
            await self._plan.run(tenant_id)
        return mended

    async def _repair_daily(self, tenant_id: UUID, wrong: set[Place], calendar: TenantCalendar) -> None:
        async with self._holding.held(tenant_id, Kind.DAILY) as hold:
            async with self._truths(tenant_id) as truth:
                days = sorted({place.day for place in wrong})
                figures = await truth.figures(calendar.stretches_of(days))
                as_of = truth.now
            ordered = sorted(wrong)
            for start in range(0, len(ordered), _BATCH):
                rows = {place: figures.get(place, _NOTHING) for place in ordered[start : start + _BATCH]}
                async with self._unit_of_work(tenant_id) as uow:
                    await uow.syncs.check(hold)
                    last = await uow.syncs.last(Kind.DAILY)
                    await uow.daily.replace(rows, as_of, last.closed_through if last else None)
                    await uow.commit("validate.repair_daily")


_SEVERITY = ("consistent", "repaired", "different")


def _together(each: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    done = [one for one in each if one["status"] != "already_running"]
    if not done:
        running = each[0] if each else {"status": "consistent"}
        told = {key: str(value) for key, value in running.items() if value is not None}
        return {"checked": 0, "differences_total": 0, "differences": []} | told
    return {
        "status": max((one["status"] for one in done), key=_SEVERITY.index),
        "checked": sum(one["checked"] for one in done),
        "differences_total": sum(one["differences_total"] for one in done),
        "differences": [difference for one in done for difference in one["differences"]][:1000],
    }
