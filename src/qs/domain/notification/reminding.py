"""When a testee is reminded of an opened task."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from qs.domain.notification.quiet_hours import QuietHours


class Anchor(StrEnum):
    """What a reminder's offset is counted from: the opening, or back from the end of the link."""

    AFTER = "after"
    BEFORE_EXPIRY = "before_expiry"


@dataclass(frozen=True, slots=True)
class ReminderRule:
    """One of a plan's reminders; ``text`` is its length as people write it, such as ``2d``."""

    anchor: Anchor
    length: timedelta
    text: str

    @property
    def occasion(self) -> str:
        """What tells its deliveries from those of the event itself and of other reminders."""
        return f"{self.anchor}:{self.text}"

    def falls_at(self, opened_at: datetime, expires_at: datetime) -> datetime:
        return opened_at + self.length if self.anchor is Anchor.AFTER else expires_at - self.length


@dataclass(frozen=True, slots=True)
class Reminder:
    """That somebody is to be reminded at ``at`` (business time), or as soon after as can be."""

    occasion: str
    at: datetime


def reminders_of(
    rules: Iterable[ReminderRule],
    *,
    opened_at: datetime,
    expires_at: datetime,
    now: datetime,
    timezone: str,
    quiet: QuietHours | None,
) -> Iterator[Reminder]:
    """Those of the plan's reminders that still lie ahead, each outside of quiet hours where that can be.

    One that falls on the opening or before it, at the end of the link or after it, or into the past, is not made: it
    would say what was just said, or come too late.
    """
    for rule in rules:
        at = rule.falls_at(opened_at, expires_at)
        if not (opened_at < at < expires_at) or at <= now:
            continue
        if quiet is not None:
            at = quiet.planned(at, timezone, earliest=now, dies_at=expires_at)
        yield Reminder(rule.occasion, at)
