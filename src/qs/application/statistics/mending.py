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
    Hold,
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
            epoch = await self._put_epoch(tenant_id, hold, calendar)
            async with self._truths(tenant_id) as truth:
                stretches = calendar.stretches(_well_before(epoch.live_from), truth.now + _DAY)
                live = [stretch for stretch in stretches if stretch.day >= epoch.live_from]
                # Each portion is made as it is read: the figures of a large tenant are more than a process should hold.
                async with aclosing(truth.figures(live)) as figures:
                    made = await self._counters.make(tenant_id, epoch.id, figures)
                claims = [ids async for ids in truth.unacknowledged(SUBSCRIPTION.subscriber, _CLAIMS)]
            # The snapshot is over before the rest of what Redis does, which may take longer than it may stand idle.
            await crash.hit("counters.before_install")
            await self._counters.install(tenant_id, epoch.id, made, claims)
            await crash.hit("counters.after_install")
        _log.info("counters_rebuilt", tenant_id=str(tenant_id), places=made.places)
        return epoch

    async def _put_epoch(self, tenant_id: UUID, hold: Hold, calendar: TenantCalendar) -> Epoch:
        """Ends the epoch before it. With the first one, what happened before anything was counted is left to the next sync."""
        async with self._unit_of_work(tenant_id) as uow:
            known = await uow.epochs.get()
        began = None
        if known is None:
            async with self._truths(tenant_id) as truth:
                began = await truth.first_instant()
        async with self._unit_of_work(tenant_id) as uow:
            await uow.syncs.check(hold)
            before = await uow.epochs.get()
            # Only a sync lets dates go, when it has written them: what was counted and not written stays live.
            live_from = before.live_from if before else calendar.date_of(uow.now) - LIVE_DAYS * _DAY
            epoch = Epoch(self._ids(), live_from)
            await uow.epochs.put(epoch)
            if before is None and began is not None:
                await uow.daily.mark_stale(_dates(calendar.date_of(began), live_from), "first_count")
            await uow.commit("counters.rebuild")
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


def _dates(first: date, end: date) -> list[date]:
    """From the first up to the end, which is not among them."""
    return [first + n * _DAY for n in range((end - first).days)]


def _well_before(day: date) -> datetime:
    return datetime.combine(day, time(), UTC) - 2 * _DAY
