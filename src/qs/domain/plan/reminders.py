"""When the testees of a plan are reminded of a task that waits for them."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from qs.domain.kernel.durations import duration_text, parse_duration
from qs.domain.kernel.errors import Problem

MAX_REMINDERS = 10
SHORTEST = timedelta(minutes=1)
LONGEST = timedelta(days=366)
_DAY = timedelta(days=1)
_RULE = "{after: …} or {before_expiry: …} with a duration such as 2d, 24h or 1h30m, from 1m to 366d"


class ReminderKind(StrEnum):
    """What the length is counted from: the opening of the task, or back from the end of its link."""

    AFTER = "after"
    BEFORE_EXPIRY = "before_expiry"


@dataclass(frozen=True, slots=True)
class Reminder:
    """One reminder of each task, so long after its opening or before the end of its link; whole seconds."""

    kind: ReminderKind
    length: timedelta

    @property
    def text(self) -> str:
        """The length as people write it, always in one way: ``2d``, ``36h``, ``1h30m``."""
        days, rest = divmod(self.length, _DAY)
        return duration_text(self.length) if rest else f"{days}d"


def read_reminders(raw: object, problems: list[Problem]) -> tuple[Reminder, ...]:
    """The reminders that ``raw`` is or spells, none for None; every broken rule is noted as a problem."""
    if raw is None:
        return ()
    if not isinstance(raw, list | tuple) or len(raw) > MAX_REMINDERS:
        problems.append(Problem("/reminders", f"must be a list of at most {MAX_REMINDERS} entries"))
        return ()
    found: list[Reminder] = []
    for position, entry in enumerate(raw):
        reminder = _read(entry)
        if reminder is None:
            problems.append(Problem(f"/reminders/{position}", f"must be {_RULE}"))
        elif reminder in found:
            problems.append(Problem(f"/reminders/{position}", "must differ from those before it"))
        else:
            found.append(reminder)
    return tuple(found)


def too_long_for(reminders: tuple[Reminder, ...], entry_ttl_days: int) -> list[Problem]:
    """A problem for each that could never be, as a link does not live that long."""
    return [
        Problem(f"/reminders/{position}", "must be shorter than entry_ttl_days")
        for position, reminder in enumerate(reminders)
        if reminder.length >= entry_ttl_days * _DAY
    ]


def _read(entry: object) -> Reminder | None:
    if isinstance(entry, Reminder):
        return entry
    if not isinstance(entry, dict) or len(entry) != 1:
        return None
    [(kind, text)] = entry.items()
    if kind not in tuple(ReminderKind) or not isinstance(text, str):
        return None
    try:
        length = parse_duration(text)
    except ValueError:
        return None
    if not SHORTEST <= length <= LONGEST or length % timedelta(seconds=1):
        return None
    return Reminder(ReminderKind(kind), length)
