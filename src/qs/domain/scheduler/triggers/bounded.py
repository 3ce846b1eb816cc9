"""A trigger between two instants."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from qs.domain.kernel.zones import zone
from qs.domain.scheduler.calendars import Calendar
from qs.domain.scheduler.triggers.phrases import Phrases
from qs.domain.scheduler.triggers.spec import TriggerKind
from qs.domain.scheduler.triggers.trigger import Dst, Trigger

_NO_SLOT = (
    "no_slot_in_window: no slot lies from start_at to before end_at, so the job never fires; widen the window"
)


@dataclass(frozen=True, slots=True)
class BoundedTrigger:
    """The slots of ``within`` from ``start_at`` to before ``end_at``; None leaves that side open."""

    within: Trigger
    start_at: datetime | None
    end_at: datetime | None

    @property
    def kind(self) -> TriggerKind:
        return self.within.kind

    @property
    def schedule(self) -> str:
        return self.within.schedule

    @property
    def timezone(self) -> str | None:
        return self.within.timezone

    @property
    def calendar(self) -> Calendar | None:
        return self.within.calendar

    @property
    def depends_on_end(self) -> bool:
        return self.within.depends_on_end

    @property
    def warnings(self) -> tuple[str, ...]:
        return (*self.within.warnings, _NO_SLOT) if self.is_empty else self.within.warnings

    @property
    def is_empty(self) -> bool:
        """Whether no slot lies between two given bounds."""
        return (
            self.start_at is not None
            and self.end_at is not None
            and self.next_after(self.start_at - timedelta.resolution) is None
        )

    def next_after(self, after: datetime) -> datetime | None:
        if self.start_at is not None and after < self.start_at:
            slot = self._first_from_start(after, self.start_at)
        else:
            slot = self.within.next_after(after)
        return slot if slot is None or self.end_at is None or slot < self.end_at else None

    def latest(self, at: datetime) -> datetime | None:
        if self.end_at is not None and at >= self.end_at:
            at = self.end_at - timedelta.resolution
        slot = self.within.latest(at)
        return slot if slot is None or self.start_at is None or slot >= self.start_at else None

    def dst(self, slot: datetime) -> Dst | None:
        return self.within.dst(slot)

    def without_calendar(self) -> Trigger:
        return BoundedTrigger(self.within.without_calendar(), self.start_at, self.end_at)

    def words(self, phrases: Phrases) -> str:
        tz = zone(self.timezone or "UTC")
        start, end = (at and at.astimezone(tz) for at in (self.start_at, self.end_at))
        return phrases.bounded(self.within.words(phrases), start, end)

    def _first_from_start(self, after: datetime, start: datetime) -> datetime | None:
        if not self.depends_on_end:
            return self.within.next_after(start - timedelta.resolution)
        # An end before the window opens is no reason to wait longer than until then.
        slot = self.within.next_after(after)
        return slot if slot is None or slot > start else start
