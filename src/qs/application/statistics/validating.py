"""Holding counters and stored figures against what the tasks say, and putting right the side that is wrong."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import aclosing, suppress
from typing import Any
from uuid import UUID

from qs.application.statistics.comparing import Comparing
from qs.application.statistics.differences import Findings
from qs.application.statistics.holding import AlreadyRunning, SyncHolding
from qs.application.statistics.mending import CounterMending
from qs.application.statistics.ports import (
    Calendars,
    Figures,
    Hold,
    Kind,
    StatisticsUnitOfWorkFactory,
    Tenants,
    Truth,
    TruthFactory,
)
from qs.application.statistics.syncing import AccumulatedSync, PlanSync
from qs.application.statistics.turns import in_turn
from qs.domain.statistics.calendar import TenantCalendar
from qs.domain.statistics.errors import CountersAway, CountersLost
from qs.domain.statistics.metrics import Counts, Place

_BATCH = 2000
_NOTHING: Counts = {}
_DAILY_WITHIN_S = 30.0
_LOOK_EVERY_S = 0.5


class Validation:
    """Says where the three sides disagree, and puts right the side that is wrong if asked to."""

    def __init__(
        self,
        unit_of_work: StatisticsUnitOfWorkFactory,
        truths: TruthFactory,
        calendars: Calendars,
        comparing: Comparing,
        mending: CounterMending,
        holding: SyncHolding,
        accumulated: AccumulatedSync,
        plan: PlanSync,
        tenants: Tenants,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._truths = truths
        self._calendars = calendars
        self._comparing = comparing
        self._mending = mending
        self._holding = holding
        self._accumulated = accumulated
        self._plan = plan
        self._tenants = tenants

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
                found = await self._comparing.compare(tenant_id, calendar)
                mended = bool(repair and found.total) and await self._repair(tenant_id, found, calendar)
                async with self._unit_of_work(tenant_id) as uow:
                    await uow.syncs.finish(hold, beginning, differences=0 if mended else found.total)
                    await uow.commit("validate.end")
        except AlreadyRunning as running:
            return {"status": "already_running", "execution_id": running.execution_id}
        status = "consistent" if not found.total else "repaired" if mended else "different"
        return {
            "status": status,
            "checked": found.checked,
            "differences_total": found.total,
            "differences": [difference.to_dict() for difference in found.kept],
        }

    async def _repair(self, tenant_id: UUID, findings: Findings, calendar: TenantCalendar) -> bool:
        """Rebuilds the counters where they are wrong, and writes the recount where what is stored is wrong.

        Whether all is mended: that cannot be said where the tasks themselves break a law, Redis went away, or a sync
        did not come to its end.
        """
        mended = not findings.beyond_repair
        if findings.wrong_counters:
            try:
                await self._mending.rebuild(tenant_id)
            except AlreadyRunning:
                # Whoever does it does it as well.
                pass
            except (CountersAway, CountersLost):
                mended = False
        if findings.wrong_stored:
            mended &= await self._repair_daily(tenant_id, findings.wrong_stored, calendar)
        with suppress(AlreadyRunning):
            await self._accumulated.run(tenant_id)
        with suppress(AlreadyRunning):
            await self._plan.run(tenant_id)
        return mended

    async def _repair_daily(self, tenant_id: UUID, wrong: set[Place], calendar: TenantCalendar) -> bool:
        """Whether it was done: a sync that is at work is waited for, and may last for longer."""
        loop = asyncio.get_running_loop()
        until = loop.time() + _DAILY_WITHIN_S
        while True:
            try:
                async with (
                    self._holding.held(tenant_id, Kind.DAILY) as hold,
                    self._truths(tenant_id) as truth,
                ):
                    await self._rewrite(tenant_id, hold, truth, wrong, calendar)
            except AlreadyRunning:
                if loop.time() >= until:
                    return False
                await asyncio.sleep(_LOOK_EVERY_S)
            else:
                return True

    async def _rewrite(
        self, tenant_id: UUID, hold: Hold, truth: Truth, wrong: set[Place], calendar: TenantCalendar
    ) -> None:
        never = set(wrong)
        days = sorted({place.day for place in wrong})
        async with aclosing(truth.figures(calendar.stretches_of(days))) as portions:
            async for figures in portions:
                rows = {place: counts for place, counts in figures.items() if place in wrong}
                await self._replace(tenant_id, hold, truth, rows)
                never.difference_update(rows)
        ordered = sorted(never)
        for start in range(0, len(ordered), _BATCH):
            nothing = dict.fromkeys(ordered[start : start + _BATCH], _NOTHING)
            await self._replace(tenant_id, hold, truth, nothing)

    async def _replace(self, tenant_id: UUID, hold: Hold, truth: Truth, rows: Figures) -> None:
        if not rows:
            return
        async with self._unit_of_work(tenant_id) as uow:
            await uow.syncs.check(hold)
            last = await uow.syncs.last(Kind.DAILY)
            await uow.daily.replace(rows, truth.now, last.closed_through if last else None)
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
