"""Whether a message goes out now: decided from what is true at the moment of sending."""

from dataclasses import dataclass
from datetime import datetime

from qs.domain.kernel.zones import date_begun, end_of_date, zone
from qs.domain.notification.addressing import Addressee
from qs.domain.notification.delivery import Delivery
from qs.domain.notification.quiet_hours import QuietHours


@dataclass(frozen=True, slots=True)
class Rules:
    """What an installation wants of messages to testees and guardians.

    ``max_per_day`` limits what arrives at one address, over one channel, on a day of the recipient's own calendar.
    """

    quiet: QuietHours | None = None
    max_per_day: int | None = None
    digest: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """How the task of a message stands: when its link ends, and whether its plan or enrollment is paused."""

    expires_at: datetime
    paused: bool


@dataclass(frozen=True, slots=True)
class Go:
    """It goes out now."""


@dataclass(frozen=True, slots=True)
class Drop:
    """It never goes out; the ledger keeps ``reason``."""

    reason: str


@dataclass(frozen=True, slots=True)
class Hold:
    """It goes out later, not before ``until`` (business time)."""

    until: datetime


Verdict = Go | Drop | Hold


def decide(
    delivery: Delivery,
    addressee: Addressee | None,
    standing: Standing | None,
    told_today: int,
    rules: Rules,
    now: datetime,
) -> Verdict:
    """The verdict on a message to a testee or guardian.

    ``addressee`` is None for a testee who was erased, ``standing`` for a task that is not open. ``told_today`` is how
    many messages have arrived at this address today. The order of the reasons is that of what lasts longest.
    """
    if addressee is None:
        return Drop("erased")
    if delivery.needs_link and standing is None:
        return Drop("task_not_open")
    if addressee.opted_out(delivery.channel, delivery.plan_id):
        return Drop("opted_out")
    if delivery.recipient not in {person.recipient for person in addressee.people}:
        return Drop("recipient_changed")
    if delivery.is_reminder and standing is not None and standing.paused:
        return Drop("paused")
    timezone = zone_of(delivery, addressee)
    dies_at = standing.expires_at if standing is not None else None
    if rules.max_per_day is not None and told_today >= rules.max_per_day:
        verdict = _beyond_the_cap(delivery, now, timezone, dies_at)
        if not isinstance(verdict, Go):
            return verdict
    until = rules.quiet.held_until(now, timezone, dies_at) if rules.quiet is not None else None
    return Go() if until is None else Hold(until)


def zone_of(delivery: Delivery, addressee: Addressee | None) -> str:
    """The recipient's zone as it is now, else the task's when it was planned."""
    return (addressee.timezone if addressee else None) or delivery.data.get("timezone", "UTC")


def _beyond_the_cap(delivery: Delivery, now: datetime, timezone: str, dies_at: datetime | None) -> Verdict:
    """What repeats or only tells is left out; the first word of a task waits for the next day, if it can.

    A link that somebody asked to be sent anew is what the recipient waits for: it never counts as too much.
    """
    if delivery.event_name == "EntryReissued":
        return Go()
    if delivery.is_reminder or not delivery.needs_link:
        return Drop("capped")
    tz = zone(timezone)
    tomorrow = end_of_date(date_begun(now, tz), tz)
    return Go() if dies_at is not None and dies_at <= tomorrow else Hold(tomorrow)
