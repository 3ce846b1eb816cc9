"""Making the live counters again from the tasks, exactly, while events flow."""

from contextlib import aclosing, suppress
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

import structlog

from qs.application.kernel import crash
from qs.application.statistics.counting import SUBSCRIPTION
from qs.application.statistics.holding import AlreadyRunning, SyncHolding
from qs.application.statistics.ports import (
    Calendars,
    Counters,
    Epoch,
    Kind,
    StatisticsUnitOfWorkFactory,
    Tenants,
    TruthFactory,
)
from qs.domain.kernel.ids import IdGenerator
from qs.domain.statistics.calendar import TenantCalendar
from qs.domain.statistics.errors import CountersAway

LIVE_DAYS = 40
"""So many civil dates before today are counted live; earlier ones are counted from the tasks when they change."""

_CLAIMS = 1000
_DAY = timedelta(days=1)

_log = structlog.get_logger()


class CounterMending:
    """Finds tenants whose counters are lost, and counts them again.

    1. A new epoch is put, which ends the old one: from then on no acknowledgement under the old one commits.
    2. One repeatable-read snapshot gives the figures and the events not acknowledged in it, which are claimed.
    3. The counters are made under the new epoch, and opened when all of them are there.
    What is acknowledged was counted in the snapshot; what is claimed too; everything else is still to come.
    """

    def __init__(
        self,
        unit_of_work: StatisticsUnitOfWorkFactory,
        counters: Counters,
        truths: TruthFactory,
        calendars: Calendars,
        tenants: Tenants,
        holding: SyncHolding,
        ids: IdGenerator,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._counters = counters
        self._truths = truths
        self._calendars = calendars
        self._tenants = tenants
        self._holding = holding
        self._ids = ids

    async def mend_lost(self) -> int:
        """Makes the counters of every tenant that has none again; returns of how many."""
        epochs = await self._tenants.epochs()
        never = [tenant_id for tenant_id, epoch in epochs.items() if epoch is None]
        made = {tenant_id: epoch for tenant_id, epoch in epochs.items() if epoch is not None}
        lost = [*never, *sorted(await self._counters.lost(made))]
        for tenant_id in lost:
            try:
                # Whoever does it already does it as well.
                with suppress(AlreadyRunning):
                    await self.rebuild(tenant_id)
            except CountersAway:
                raise
            except Exception:  # noqa: BLE001 - what is wrong with one tenant must not keep the others uncounted
                _log.warning("rebuild_failed", tenant_id=str(tenant_id), exc_info=True)
        return len(lost)

    async def good(self, tenant_id: UUID) -> Epoch | None:
        """The tenant's epoch, if the counters are good under it."""
        async with self._unit_of_work(tenant_id) as uow:
            epoch = await uow.epochs.get()
        if epoch is None or await self._counters.lost({tenant_id: epoch.id}):
            return None
        return epoch

    async def rebuild(self, tenant_id: UUID) -> Epoch:
        """Counts the tenant again from the tasks.

        Raises:
            AlreadyRunning: another process is doing it.
            CountersAway, CountersLost: it came to nothing; to be tried again.
        """
        async with self._holding.held(tenant_id, Kind.REBUILD) as hold:
            calendar = await self._calendars.of(tenant_id)
            async with self._unit_of_work(tenant_id) as uow:
                await uow.syncs.check(hold)
                before = await uow.epochs.get()
                # Only a sync lets dates go, when it has written them: what was counted and not written stays live.
                live_from = before.live_from if before else calendar.date_of(uow.now) - LIVE_DAYS * _DAY
                epoch = Epoch(self._ids(), live_from)
                await uow.epochs.put(epoch)
                await uow.commit("counters.rebuild")
            async with self._truths(tenant_id) as truth:
                stretches = calendar.stretches(_well_before(epoch.live_from), truth.now + _DAY)
                claims = [ids async for ids in truth.unacknowledged(SUBSCRIPTION.subscriber, _CLAIMS)]
                began = await truth.first_instant() if before is None else None
                await crash.hit("counters.before_install")
                # Each portion is made as it is read: the figures of a large tenant are more than a process should hold.
                live = [stretch for stretch in stretches if stretch.day >= epoch.live_from]
                async with aclosing(truth.figures(live)) as figures:
                    places = await self._counters.install(tenant_id, epoch.id, figures, claims)
            await crash.hit("counters.after_install")
        if began is not None:
            await self._count_history(tenant_id, began, epoch, calendar)
        _log.info("counters_rebuilt", tenant_id=str(tenant_id), places=places)
        return epoch

    async def forget_claims(self) -> None:
        """Removes claims of events that are acknowledged, whose inbox row stands for them from then on."""
        for tenant_id, epoch in (await self._tenants.epochs()).items():
            if epoch is not None:
                await self._forget_claims(tenant_id, epoch)

    async def _forget_claims(self, tenant_id: UUID, epoch: UUID) -> None:
        async for ids in self._counters.claimed(tenant_id, epoch, _CLAIMS):
            async with self._unit_of_work(tenant_id) as uow:
                done = await uow.acknowledged(SUBSCRIPTION.subscriber, ids)
            await crash.hit("counters.before_forget")
            await self._counters.forget_claims(tenant_id, epoch, done)

    async def _count_history(
        self, tenant_id: UUID, began: datetime, epoch: Epoch, calendar: TenantCalendar
    ) -> None:
        """What happened before anything was counted is counted by the next sync."""
        day, days = calendar.date_of(began), []
        while day < epoch.live_from:
            days.append(day)
            day += _DAY
        async with self._unit_of_work(tenant_id) as uow:
            await uow.daily.mark_stale(days, "first_count")
            await uow.commit("counters.history")


def _well_before(day: date) -> datetime:
    return datetime.combine(day, time(), UTC) - 2 * _DAY
