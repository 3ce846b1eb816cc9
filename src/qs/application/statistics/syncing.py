"""The three syncs, of one tenant or of all in turn."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol
from uuid import UUID

from qs.application.statistics.daily_sync import DailySync
from qs.application.statistics.holding import AlreadyRunning, SyncHolding
from qs.application.statistics.ports import (
    Beginning,
    Calendars,
    Hold,
    Kind,
    Progress,
    StatisticsUnitOfWorkFactory,
    Tenants,
    TruthFactory,
    no_progress,
)
from qs.application.statistics.sync_result import Synced, together
from qs.application.statistics.turns import in_turn
from qs.domain.statistics.errors import DailyBusy

_BATCH = 5000
_PLANS = 200
_DAILY_WITHIN_S = 30.0
_LOOK_EVERY_S = 0.1


class AccumulatedSync:
    """Adds the daily figures up. What is half written is finished first, and nobody begins to write meanwhile."""

    def __init__(
        self,
        unit_of_work: StatisticsUnitOfWorkFactory,
        calendars: Calendars,
        holding: SyncHolding,
        daily: DailySync,
        batch: int = _BATCH,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._calendars = calendars
        self._holding = holding
        self._daily = daily
        self._batch = batch

    async def run(
        self, tenant_id: UUID, execution_id: UUID | None = None, on_progress: Progress = no_progress
    ) -> Synced:
        """Brings the tenant's totals and windows up to date.

        Raises:
            AlreadyRunning, SyncTakenOver
            DailyBusy: the daily figures did not become whole in half a minute.
        """
        async with self._holding.held(tenant_id, Kind.ACCUMULATED, execution_id) as hold:
            calendar = await self._calendars.of(tenant_id)
            beginning = await self._begin(tenant_id, hold)
            today = calendar.date_of(beginning.as_of)
            after, seen, changed, as_of = ("", ""), 0, 0, beginning.as_of
            while True:
                await self._whole(tenant_id)
                async with self._unit_of_work(tenant_id) as uow:
                    daily = await uow.syncs.last(Kind.DAILY, share=True)
                    if daily is None or not daily.whole:
                        continue
                    await uow.syncs.check(hold)
                    keys = await uow.accumulated.next_keys(after, self._batch)
                    # Totals are as of the dates they are made of, not of the moment they are added up.
                    as_of = min(as_of, daily.as_of or as_of)
                    if keys:
                        changed += await uow.accumulated.add_up(after, keys[-1], today, as_of)
                    await uow.commit("sync_accumulated.batch")
                if not keys:
                    break
                after, seen = keys[-1], seen + len(keys)
                on_progress(len(keys))
            async with self._unit_of_work(tenant_id) as uow:
                await uow.syncs.finish(hold, replace(beginning, as_of=as_of))
                await uow.commit("sync_accumulated.end")
            return Synced(Kind.ACCUMULATED, changed, seen - changed, as_of, beginning.position)

    async def _begin(self, tenant_id: UUID, hold: Hold) -> Beginning:
        async with self._unit_of_work(tenant_id) as uow:
            beginning = await uow.syncs.begin(hold)
            await uow.commit("sync_accumulated.begin")
        return beginning

    async def _whole(self, tenant_id: UUID) -> None:
        """Returns when the daily figures are whole, finishing them where nobody else does."""
        loop = asyncio.get_running_loop()
        until = loop.time() + _DAILY_WITHIN_S
        while True:
            async with self._unit_of_work(tenant_id) as uow:
                daily = await uow.syncs.last(Kind.DAILY)
            if daily is not None and daily.whole and daily.began_at is not None:
                return
            try:
                await self._daily.run(tenant_id)
            except AlreadyRunning:
                if loop.time() >= until:
                    raise DailyBusy from None
                await asyncio.sleep(_LOOK_EVERY_S)


class PlanSync:
    """Counts the tasks of every plan as they are."""

    def __init__(
        self, unit_of_work: StatisticsUnitOfWorkFactory, truths: TruthFactory, holding: SyncHolding
    ) -> None:
        self._unit_of_work = unit_of_work
        self._truths = truths
        self._holding = holding

    async def run(
        self, tenant_id: UUID, execution_id: UUID | None = None, on_progress: Progress = no_progress
    ) -> Synced:
        """Brings the counts of the tenant's plans up to date. Raises AlreadyRunning, SyncTakenOver."""
        async with self._holding.held(tenant_id, Kind.PLAN, execution_id) as hold:
            async with self._unit_of_work(tenant_id) as uow:
                beginning = await uow.syncs.begin(hold)
                await uow.commit("sync_plan.begin")
            after, seen, changed = None, 0, 0
            while True:
                # A snapshot per batch: a long pass would else hold the database's housekeeping up.
                async with self._truths(tenant_id) as truth:
                    counted = await truth.plans(after, _PLANS)
                    as_of = truth.now
                if not counted:
                    break
                async with self._unit_of_work(tenant_id) as uow:
                    await uow.syncs.check(hold)
                    changed += await uow.plans.upsert(counted, as_of)
                    await uow.commit("sync_plan.batch")
                after, seen = counted[-1].plan_id, seen + len(counted)
                on_progress(len(counted))
            async with self._unit_of_work(tenant_id) as uow:
                await uow.syncs.finish(hold, beginning)
                await uow.commit("sync_plan.end")
            return Synced(Kind.PLAN, changed, seen - changed, beginning.as_of, beginning.position)


class Sync(Protocol):
    async def run(
        self, tenant_id: UUID, execution_id: UUID | None = None, on_progress: Progress = no_progress
    ) -> Synced: ...


class StatisticsSyncing:
    """What duties, routes and verbs call."""

    def __init__(
        self, daily: DailySync, accumulated: AccumulatedSync, plan: PlanSync, tenants: Tenants
    ) -> None:
        self._syncs: dict[Kind, Sync] = {Kind.DAILY: daily, Kind.ACCUMULATED: accumulated, Kind.PLAN: plan}
        self._tenants = tenants

    async def sync(
        self,
        kind: Kind,
        tenant_id: UUID | None,
        execution_id: UUID | None = None,
        on_progress: Progress = no_progress,
    ) -> Mapping[str, Any]:
        """Syncs one tenant, or all of them in turn when ``tenant_id`` is None; a second caller is told who is at it.

        Raises:
            whatever failed first, once every tenant has had its turn.
        """
        tenants = [tenant_id] if tenant_id is not None else list(await self._tenants.epochs())
        return together(
            kind, await in_turn(tenants, lambda each: self._one(kind, each, execution_id, on_progress))
        )

    async def _one(
        self, kind: Kind, tenant_id: UUID, execution_id: UUID | None, on_progress: Progress
    ) -> Synced:
        try:
            return await self._syncs[kind].run(tenant_id, execution_id, on_progress)
        except AlreadyRunning as running:
            return Synced(kind, is_running_elsewhere=True, already_running=running.execution_id)
