"""What staff are told of when something goes wrong: once at first, then seldom, and once when it is over."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

AT_MOST_EVERY = timedelta(hours=1)
"""Trouble that goes on is told of this often; also the hour in which a tenant's messages are counted."""

STAFF_ALERT = "StaffAlert"
"""What stands in the ledger of deliveries as the event of a message about alerts."""

SETTLED_AFTER = timedelta(minutes=10)
"""An opening this long after the last missed one shows that openings are on time again.

The sweep after an outage opens what is due beside what it finds missed, and shows nothing yet.
"""


class AlertKind(StrEnum):
    MISSED_IN_A_ROW = "missed_in_a_row"
    MISSED_OPENINGS = "missed_openings"
    DUTY_FAILING = "duty_failing"
    DUTY_LATE = "duty_late"
    JOB_FAILING = "job_failing"
    NOTIFICATIONS_DEAD = "notifications_dead"
    EVENTS_DEAD = "events_dead"
    WEBHOOK_DISABLED = "webhook_disabled"


WATCHED = frozenset(AlertKind) - {AlertKind.MISSED_IN_A_ROW, AlertKind.MISSED_OPENINGS}
"""The kinds that are found by looking at what is, and are over when it is not found any more; the others follow events."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that staff should hear of.

    ``subject`` is what it is about, an id or a name. ``cause`` names what happened last: the same cause is never
    counted twice in a row. ``count`` is how often it happened: since the trouble began, or, if ``more``, in
    addition to what was counted before. ``facts`` are ids and names for the message and its explanation.
    """

    kind: AlertKind
    subject: str
    cause: str
    count: int
    facts: Mapping[str, str]
    more: bool = False

    @property
    def key(self) -> tuple[AlertKind, str]:
        return self.kind, self.subject


@dataclass(frozen=True, slots=True)
class Relief:
    """A sign, given at ``at``, that trouble with a subject is over."""

    kind: AlertKind
    subject: str
    at: datetime

    @property
    def key(self) -> tuple[AlertKind, str]:
        return self.kind, self.subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """How one kind of trouble with one subject stands; trouble that comes back is the same alert again.

    Instants are business time. ``count`` is how often it happened since ``first_seen_at``; ``untold`` how much of that,
    and of what was over before anybody was told, no message has spoken of yet. ``announced`` says that staff know of the
    trouble and not of its end. ``messages`` counts those that were written, and so tells them apart.
    """

    id: UUID
    tenant_id: UUID
    kind: AlertKind
    subject: str
    cause: str
    facts: Mapping[str, str]
    count: int
    untold: int
    announced: bool
    messages: int
    first_seen_at: datetime
    last_seen_at: datetime
    last_told_at: datetime | None
    recovered_at: datetime | None

    @property
    def is_open(self) -> bool:
        return self.recovered_at is None

    @property
    def tells_recovery(self) -> bool:
        """Whether its next message is that it is over."""
        return not self.is_open and self.announced

    def is_due(self, now: datetime) -> bool:
        """Whether there is something to tell, and it may be told already."""
        if not self.is_open:
            return self.announced
        return self.untold > 0 and (self.last_told_at is None or self.last_told_at <= now - AT_MOST_EVERY)

    def met(self, trouble: Trouble, now: datetime) -> "Alert":
        """After the trouble was met, once more or anew; the same object where nothing new happened."""
        if not self.is_open and not self.announced:
            return replace(
                self,
                cause=trouble.cause,
                facts=trouble.facts,
                count=trouble.count,
                untold=self.untold + trouble.count,
                first_seen_at=now,
                last_seen_at=now,
                recovered_at=None,
            )
        if self.is_open and trouble.cause == self.cause:
            return self
        # Who has not heard of its end yet hears that it goes on instead.
        count = self.count + trouble.count if trouble.more else trouble.count
        return replace(
            self,
            cause=trouble.cause,
            facts=trouble.facts,
            count=count,
            untold=self.untold + max(count - self.count, 1),
            last_seen_at=now,
            recovered_at=None,
        )

    def relieved(self, relief: Relief, now: datetime) -> "Alert":
        """After a sign that it is over; the same object where that sign is not enough, or was given before."""
        if not self.is_open:
            return self
        if self.kind is AlertKind.MISSED_OPENINGS and relief.at < self.last_seen_at + SETTLED_AFTER:
            return self
        return replace(self, recovered_at=now)

    def told(self, now: datetime) -> "Alert":
        """After a message about how it stands was written."""
        if not self.is_open:
            return replace(self, announced=False, untold=0, messages=self.messages + 1)
        return replace(self, announced=True, untold=0, messages=self.messages + 1, last_told_at=now)


def raised(trouble: Trouble, tenant_id: UUID, alert_id: UUID, now: datetime) -> Alert:
    """The alert of trouble that was never met before."""
    return Alert(
        id=alert_id,
        tenant_id=tenant_id,
        kind=trouble.kind,
        subject=trouble.subject,
        cause=trouble.cause,
        facts=trouble.facts,
        count=trouble.count,
        untold=trouble.count,
        announced=False,
        messages=0,
        first_seen_at=now,
        last_seen_at=now,
        last_told_at=None,
        recovered_at=None,
    )


@dataclass(frozen=True, slots=True)
class Tellings:
    """The messages to write now: one for each of ``alone``, and one summary of all that is ``together``."""

    alone: Sequence[Alert] = ()
    together: Sequence[Alert] = ()

    @property
    def messages(self) -> int:
        return len(self.alone) + bool(self.together)


def tellings(due: Sequence[Alert], told_at: Sequence[datetime], now: datetime, per_hour: int) -> Tellings:
    """What of the alerts that are due is told now, so that a tenant gets at most ``per_hour`` messages in any hour.

    ``told_at`` are the instants of the tenant's messages so far. What exceeds the room that is left becomes one
    summary; where none is left everything waits for it.
    """
    room = per_hour - sum(at > now - AT_MOST_EVERY for at in told_at)
    if room <= 0 or not due:
        return Tellings()
    if len(due) <= room:
        return Tellings(alone=due)
    return Tellings(together=due)
