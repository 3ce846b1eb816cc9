"""Counting events live: claimed and counted in Redis in one step, then acknowledged in PostgreSQL."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from uuid import UUID

import msgspec

from qs.application.kernel import crash
from qs.application.kernel.cloud_events import PublishedEvent
from qs.application.kernel.subscriptions import Subscription
from qs.application.statistics.ports import Calendars, Counters, Epoch, Figures, StatisticsUnitOfWork
from qs.domain.statistics.calendar import TenantCalendar
from qs.domain.statistics.errors import CountersLost
from qs.domain.statistics.facts import COUNTED_EVENTS, Fact
from qs.domain.statistics.metrics import Dimension, Place

SUBSCRIPTION = Subscription("statistics", ("plan",), COUNTED_EVENTS)

LATE_EVENT = "late_event"


class _Data(msgspec.Struct, frozen=True):
    """As much of an event's data as counting needs."""

    # Ids stay as they are written, in their one canonical form: they are only compared and stored.
    plan_id: str
    testee_id: str
    # Enrollments did not name their scale before there were statistics; those events are counted by the first recount.
    scale_code: str | None = None
    seq: int | None = None
    opened_at: datetime | None = None
    due_at: datetime | None = None
    completed_at: datetime | None = None
    reason: str | None = None


_read = msgspec.json.Decoder(_Data).decode


def fact_of(name: str, occurred_at: datetime, data: str) -> Fact:
    """The fact that an event with this data tells of.

    Raises:
        msgspec.ValidationError: a field is missing or of another type.
    """
    read = _read(data)
    return Fact(
        name,
        occurred_at,
        read.plan_id,
        read.testee_id,
        read.scale_code,
        read.seq,
        read.opened_at,
        read.due_at,
        read.completed_at,
        read.reason,
    )


def figures_of(
    tenant_id: UUID, facts: Iterable[Fact], calendar: TenantCalendar
) -> dict[Place, dict[str, int]]:
    """What the facts add up to, on the dates they happened on."""
    days: dict[datetime, date] = {}
    alike: dict[tuple[date, str, str | None, tuple[str, ...]], int] = {}
    places: dict[Place, dict[str, int]] = {}
    for fact in facts:
        # Neighbours share their instant, as those of one batch of a sweep do.
        day = days.get(fact.at)
        if day is None:
            day = days[fact.at] = calendar.date_of(fact.at)
        names = fact.figures()
        # Most facts of a batch are alike but for the testee.
        kind = (day, fact.plan_id, fact.scale_code, names)
        alike[kind] = alike.get(kind, 0) + 1
        _add(places, Place(Dimension.TESTEE.value, fact.testee_id, day), names, 1)
    for (day, plan_id, scale_code, names), count in alike.items():
        _add(places, Place(Dimension.TENANT.value, str(tenant_id), day), names, count)
        _add(places, Place(Dimension.PLAN.value, plan_id, day), names, count)
        if scale_code is not None:
            _add(places, Place(Dimension.SCALE.value, scale_code, day), names, count)
    return places


def _add(places: dict[Place, dict[str, int]], place: Place, names: tuple[str, ...], count: int) -> None:
    counts = places.get(place)
    if counts is None:
        places[place] = dict.fromkeys(names, count)
        return
    for name in names:
        counts[name] = counts.get(name, 0) + count


class Counting:
    """Counts each event once on the date it happened on, whatever comes twice, late or out of order.

    1. The script in Redis claims the ids and adds the figures, both or neither; a crash after it leaves the claims,
       and the next try counts nothing again.
    2. The acknowledgement commits only while the epoch it was counted under stands. A rebuild ends the epoch first and
       then takes its snapshot, so what was counted before is in the snapshot, or is not acknowledged and counted again.
    3. What happened before the dates that are counted live marks its date to be counted again from the tasks.
    """

    subscription = SUBSCRIPTION

    def __init__(self, counters: Counters, calendars: Calendars) -> None:
        self._counters = counters
        self._calendars = calendars

    async def handle(self, uow: StatisticsUnitOfWork, events: Sequence[PublishedEvent]) -> None:
        """Raises CountersLost, CountersAway: nothing was acknowledged; the same events may be handed in again."""
        epoch = await uow.epochs.get()
        if epoch is None:
            raise CountersLost
        calendar = await self._calendars.of(uow.tenant_id)
        facts = {event.id: fact_of(event.name, event.occurred_at, event.data) for event in events}
        earlier = {calendar.date_of(fact.at) for fact in facts.values()}
        stale = {day for day in earlier if day < epoch.live_from}
        await uow.daily.mark_stale(stale, LATE_EVENT)
        live = {
            id_: fact for id_, fact in facts.items() if not stale or calendar.date_of(fact.at) not in stale
        }
        await self._count(uow.tenant_id, epoch, live, calendar)
        if not await uow.epochs.is_still(epoch):
            raise CountersLost

    async def _count(
        self, tenant_id: UUID, epoch: Epoch, facts: Mapping[UUID, Fact], calendar: TenantCalendar
    ) -> None:
        while facts:
            figures: Figures = figures_of(tenant_id, facts.values(), calendar)
            await crash.hit("counting.before_add")
            before = await self._counters.add(tenant_id, epoch.id, facts.keys(), figures)
            await crash.hit("counting.after_add")
            if not before:
                return
            facts = {id_: fact for id_, fact in facts.items() if id_ not in before}
