"""Which of the slots that have come are fired, and which are written down as missed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from qs.domain.scheduler.policies import Misfire, MisfirePolicy

MISSED_ROWS = 100
# A job every second that was down for a year passed 31 million slots; they are counted no further than this.
_COUNTED = 100_000


class SlotGrid(Protocol):
    """The slots of a trigger, as far as they matter here."""

    def next_after(self, after: datetime) -> datetime | None: ...

    def latest(self, at: datetime) -> datetime | None: ...


@dataclass(frozen=True, slots=True)
class Reckoning:
    """``fire`` and ``missed`` are slots in their order; ``next_slot`` is the first one still to come.

    ``missed_more`` counts the slots missed before the first one in ``missed``, which one row stands for; the last of
    them is ``missed_until``. ``at_least`` says that there were more than anybody counts.
    """

    fire: Sequence[datetime]
    missed: Sequence[datetime]
    next_slot: datetime | None
    missed_more: int = 0
    missed_until: datetime | None = None
    at_least: bool = False


def reckon(grid: SlotGrid, first: datetime, now: datetime, misfire: Misfire) -> Reckoning:
    """What becomes of the slots from ``first`` (which has come) to ``now``; instants are aware UTC.

    The slots that are late by no more than the grace are fired whatever the policy says, all of them.
    """
    upcoming = grid.next_after(first)
    if upcoming is None or upcoming > now:
        # Nearly always: one slot has come. Only whether it is late matters.
        if now - first <= misfire.grace or (
            misfire.policy is not MisfirePolicy.SKIP and now - first <= misfire.catchup_window
        ):
            return Reckoning((first,), (), upcoming)
        return Reckoning((), (first,), upcoming)
    return _reckon_many(grid, first, now, misfire)


def _reckon_many(grid: SlotGrid, first: datetime, now: datetime, misfire: Misfire) -> Reckoning:
    slots, more, until, at_least = _newest(grid, first, now, MISSED_ROWS + misfire.max_catchup)
    normal = [slot for slot in slots if now - slot <= misfire.grace]
    late = slots[: len(slots) - len(normal)]
    inside = [slot for slot in late if now - slot <= misfire.catchup_window]
    caught_up: list[datetime] = []
    if misfire.policy is MisfirePolicy.FIRE_ALL:
        caught_up = inside[len(inside) - min(len(inside), misfire.max_catchup) :]
    elif misfire.policy is MisfirePolicy.FIRE_ONCE and not normal:
        # The newest stands for all of them; one that is not late does so by itself.
        caught_up = inside[-1:]
    fire = caught_up + normal
    missed = late[: len(late) - len(caught_up)]
    if len(missed) > MISSED_ROWS:
        summed = missed[:-MISSED_ROWS]
        missed, more, until = missed[-MISSED_ROWS:], more + len(summed), summed[-1]
    return Reckoning(fire, missed, grid.next_after(now), more, until, at_least)


def _newest(
    grid: SlotGrid, first: datetime, now: datetime, wanted: int
) -> tuple[list[datetime], int, datetime | None, bool]:
    """The newest slots up to ``now``, how many older ones there are from ``first`` on, and the last of those."""
    slots: list[datetime] = []
    slot = grid.latest(now)
    while slot is not None and slot >= first and len(slots) < wanted:
        slots.append(slot)
        slot = _before(grid, slot)
    slots.reverse()
    if slot is None or slot < first:
        return slots, 0, None, False
    until, count = slot, 0
    earlier: datetime | None = first
    while earlier is not None and earlier <= until and count < _COUNTED:
        count += 1
        earlier = grid.next_after(earlier)
    return slots, count, until, earlier is not None and earlier <= until


def _before(grid: SlotGrid, slot: datetime) -> datetime | None:
    return grid.latest(slot - slot.resolution)
