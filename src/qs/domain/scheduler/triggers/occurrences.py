"""The next slots of a trigger, as people look at them."""

from dataclasses import dataclass
from datetime import datetime

from qs.domain.kernel.zones import zone
from qs.domain.scheduler.triggers.marks import Mark, marks_of
from qs.domain.scheduler.triggers.trigger import Dst, Trigger


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A slot: ``at`` in UTC, ``local`` the same by the zone's clocks, what a change of clocks did to it, and its marks."""

    at: datetime
    local: datetime
    dst: Dst | None
    marks: tuple[Mark, ...] = ()


def preview(trigger: Trigger, after: datetime, count: int) -> list[Occurrence]:
    """The first ``count`` slots later than ``after``, or all if there are fewer.

    A trigger without a zone is shown in UTC, and one that waits for the end of an execution as if each took no time.
    """
    tz = zone(trigger.timezone or "UTC")
    found: list[Occurrence] = []
    while len(found) < count and (slot := trigger.next_after(after)) is not None:
        marks = marks_of(trigger, slot, after, found[-1].at if found else None)
        found.append(Occurrence(slot, slot.astimezone(tz), trigger.dst(slot), marks))
        after = slot
    return found
