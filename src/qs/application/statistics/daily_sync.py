"""From the live counters to the daily figures in PostgreSQL: absolute values, so that twice changes nothing."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import aclosing, suppress
from datetime import date, timedelta
from uuid import UUID

from qs.application.kernel import crash
from qs.application.statistics.counting import LATE_EVENT
from qs.application.statistics.holding import AlreadyRunning, SyncHolding
from qs.application.statistics.mending import LIVE_DAYS, CounterMending
from qs.application.statistics.ports import (
    Beginning,
    Calendars,
    Counters,
    Epoch,
    Figures,
    Hold,
    Kind,
    Progress,
    StatisticsUnitOfWorkFactory,
    TruthFactory,
    no_progress,
)
from qs.application.statistics.sync_result import Synced
from qs.domain.statistics.calendar import TenantCalendar
from qs.domain.statistics.errors import CountersAway, CountersLost
from qs.domain.statistics.metrics import Place

_BATCH = 2000
_STALE_DAYS = 30
_TRIES = 3
_DAY = timedelta(days=1)


class DailySync:
    """Writes what changed since the last pass; a pass that was cut off is gone over again by the next.

    Where the counters are lost they are made again first, and where Redis is away the dates they would hold are
    counted from the tasks, so that a pass is never about less than what happened.
    """

    def __init__(
        self,
        unit_of_work: StatisticsUnitOfWorkFactory,
        counters: Counters,
        truths: TruthFactory,
        calendars: Calendars,
        mending: CounterMending,
        holding: SyncHolding,
        batch: int = _BATCH,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._counters = counters
        self._truths = truths
        self._calendars = calendars
        self._mending = mending
        self._holding = holding
        self._batch = batch

    async def run(
        self, tenant_id: UUID, execution_id: UUID | None = None, on_progress: Progress = no_progress
    ) -> Synced:
        """Brings the tenant's daily figures up to date.

        Raises:
            AlreadyRunning: another process is at it.
            SyncTakenOver: this one was silent for so long that another began.
        """
        async with self._holding.held(tenant_id, Kind.DAILY, execution_id) as hold:
            return await _Pass(self, tenant_id, hold, on_progress).run()


class _Pass:
    """One pass over one tenant."""

    def __init__(self, sync: DailySync, tenant_id: UUID, hold: Hold, on_progress: Progress) -> None:
        self._unit_of_work = sync._unit_of_work
        self._counters = sync._counters
        self._truths = sync._truths
        self._calendars = sync._calendars
        self._mending = sync._mending
        self._batch = sync._batch
        self._tenant_id = tenant_id
        self._hold = hold
        self._on_progress = on_progress
        self._seen = self._upserted = 0
        self._closed: date | None = None

    async def run(self) -> Synced:
        calendar = await self._calendars.of(self._tenant_id)
        async with self._unit_of_work(self._tenant_id) as uow:
            last = await uow.syncs.last(Kind.DAILY)
            self._closed = last.closed_through if last else None
            beginning = await uow.syncs.begin(self._hold)
            await uow.commit("sync_daily.begin")
        today = calendar.date_of(beginning.as_of)
        epoch = await self._from_counters(beginning)
        if epoch is None:
            await self._mark_live_days(calendar, today)
        await self._recount_stale(beginning, calendar)
        async with self._unit_of_work(self._tenant_id) as uow:
            await uow.syncs.finish(self._hold, beginning, today - _DAY)
            await uow.commit("sync_daily.end")
        if epoch is not None:
            await self._let_go(epoch, today)
        return Synced(
            Kind.DAILY, self._upserted, self._seen - self._upserted, beginning.as_of, beginning.position
        )

    async def _from_counters(self, beginning: Beginning) -> Epoch | None:
        """The epoch from whose counters everything that changed was written; None where there are none to be had."""
        for _ in range(_TRIES):
            try:
                epoch = await self._mending.good(self._tenant_id)
                if epoch is None:
                    epoch = await self._mending.rebuild(self._tenant_id)
                await self._write_changed(epoch, beginning)
            except CountersLost:
                continue
            except (AlreadyRunning, CountersAway):
                return None
            else:
                return epoch
        return None

    async def _write_changed(self, epoch: Epoch, beginning: Beginning) -> None:
        await self._counters.take_changed(self._tenant_id, epoch.id)
        await crash.hit("sync_daily.after_take")
        writing: asyncio.Task[None] | None = None
        try:
            async for places in self._counters.changed(self._tenant_id, epoch.id, self._batch):
                rows = await self._read(epoch, places)
                # One batch is written while the next is read: two servers, and neither waits for the other.
                if writing is not None:
                    await writing
                writing = asyncio.create_task(self._write(rows, beginning, LATE_EVENT))
        finally:
            if writing is not None:
                await writing
        if await self._counters.lost({self._tenant_id: epoch.id}):
            # A restored Redis may have told less than it did; what was written is right and only goes up.
            raise CountersLost
        await crash.hit("sync_daily.before_pass_finished")
        await self._counters.pass_finished(self._tenant_id, epoch.id)

    async def _read(self, epoch: Epoch, places: Sequence[Place]) -> Figures:
        """The figures of places counted live; a date that no longer is will be counted again from the tasks."""
        gone = {place.day for place in places if place.day < epoch.live_from}
        if gone:
            await self._mark_stale(gone)
            places = [place for place in places if place.day >= epoch.live_from]
        counts = await self._counters.read(self._tenant_id, epoch.id, places)
        return {place: each for place, each in zip(places, counts, strict=True) if each}

    async def _write(self, rows: Figures, beginning: Beginning, reason: str) -> None:
        if not rows:
            return
        async with self._unit_of_work(self._tenant_id) as uow:
            await uow.syncs.check(self._hold)
            self._upserted += await uow.daily.upsert(rows, beginning.as_of, self._closed, reason)
            await uow.commit("sync_daily.write")
        self._seen += len(rows)
        self._on_progress(len(rows))

    async def _mark_stale(self, days: set[date]) -> None:
        async with self._unit_of_work(self._tenant_id) as uow:
            await uow.daily.mark_stale(days, LATE_EVENT)
            await uow.commit("sync_daily.mark_stale")

    async def _mark_live_days(self, calendar: TenantCalendar, today: date) -> None:
        """Without counters what changed is not known, so that every date they would hold is counted again."""
        async with self._truths(self._tenant_id) as truth:
            began = await truth.first_instant()
        async with self._unit_of_work(self._tenant_id) as uow:
            epoch = await uow.epochs.get()
            first = epoch.live_from if epoch else calendar.date_of(began) if began else today
            days = [first + n * _DAY for n in range((today - first).days + 1)]
            await uow.daily.mark_stale(days, LATE_EVENT)
            await uow.commit("sync_daily.mark_live")

    async def _recount_stale(self, beginning: Beginning, calendar: TenantCalendar) -> None:
        while stale := await self._some_stale():
            async with self._truths(self._tenant_id) as truth:
                async with aclosing(truth.figures(calendar.stretches_of(sorted(stale)))) as portions:
                    async for figures in portions:
                        await self._write_stale(figures, stale, beginning)
            async with self._unit_of_work(self._tenant_id) as uow:
                await uow.syncs.check(self._hold)
                await uow.daily.no_longer_stale(stale.keys())
                await uow.commit("sync_daily.recount")

    async def _write_stale(self, figures: Figures, stale: Mapping[date, str], beginning: Beginning) -> None:
        for reason in sorted({stale[place.day] for place in figures}):
            own = [each for each in figures.items() if stale[each[0].day] == reason]
            for start in range(0, len(own), self._batch):
                await self._write(dict(own[start : start + self._batch]), beginning, reason)

    async def _some_stale(self) -> Mapping[date, str]:
        async with self._unit_of_work(self._tenant_id) as uow:
            stale = await uow.daily.stale()
        return dict(list(stale.items())[:_STALE_DAYS])

    async def _let_go(self, epoch: Epoch, today: date) -> None:
        """Counts no longer live what is far past: whoever comes late with it marks its date to be counted again."""
        live_from = today - LIVE_DAYS * _DAY
        if live_from <= epoch.live_from:
            return
        with suppress(CountersLost, CountersAway):
            async with self._unit_of_work(self._tenant_id) as uow:
                if not await uow.epochs.is_still(epoch):
                    return
                await uow.epochs.put(Epoch(epoch.id, live_from))
                # Nothing is acknowledged for these dates any more until this commits; what came since the pass is here.
                late = await self._counters.changed_before(self._tenant_id, epoch.id, live_from)
                await uow.daily.mark_stale(late, LATE_EVENT)
                await uow.commit("sync_daily.let_go")
            await self._counters.forget_before(self._tenant_id, epoch.id, live_from)
