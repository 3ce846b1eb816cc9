"""When a duty gives cause for concern: it fails, or its clock is late."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from qs.domain.scheduler.duty import Duty

LATE_AFTER = timedelta(minutes=5)
"""A slot that nobody fired by then is late: every clock process is away, or cannot reach the database."""

_MOST_COUNTED = 1000


@dataclass(frozen=True, slots=True)
class DutyTrouble:
    """What is wrong with a duty. ``cause`` names its last execution or slot, so that it is new whenever more went wrong.

    ``late_since`` is the slot that was not fired in time, None for a duty that fails. ``count`` counts the executions
    that failed in a row, or the slots that passed.
    """

    name: str
    job_id: UUID
    cause: str
    count: int
    error: str | None = None
    late_since: datetime | None = None


def lateness(duty: Duty, newest: datetime | None, owed_since: datetime, now: datetime) -> DutyTrouble | None:
    """The trouble of a duty whose clock is late; None while it is not. All instants are system time.

    ``newest`` is the newest slot that was fired, None for a duty that never was: it has no past to be late in.
    What passed before ``owed_since`` counts as due then: timed firing was stopped, or nobody looked.
    """
    if newest is None:
        return None
    missed = duty.next_slot(newest)
    if now < max(missed, owed_since) + LATE_AFTER:
        return None
    latest = duty.latest_slot(now)
    count, slot = 1, missed
    while slot < latest and count < _MOST_COUNTED:
        slot = duty.next_slot(slot)
        count += 1
    return DutyTrouble(duty.name, duty.id, latest.isoformat(), count, late_since=missed)
