"""What a user wrote of a trigger, and how it is told what is wrong with it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

from qs.domain.kernel.errors import Invalid, Problem

Dialect = Literal["standard", "quartz"]
Missing = Literal["skip", "clamp"]


class TriggerKind(StrEnum):
    """The types of trigger; docs/scheduler/triggers.md says what each takes."""

    CRON = "cron"
    DURATION = "duration"
    FIXED_DELAY = "fixed_delay"
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    ONCE = "once"


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerSpec:
    """A trigger as it was written, unchecked; ``read_trigger`` checks it.

    ``start_at`` and ``end_at`` are aware instants, ``end_at`` being the first at which nothing fires any more;
    ``calendar`` is the name of one. ``missing`` is for monthly, ``grace`` for once, ``dialect`` for cron.
    """

    type: TriggerKind
    schedule: str
    timezone: str | None = None
    dialect: Dialect = "standard"
    jitter: timedelta = timedelta(0)
    start_at: datetime | None = None
    end_at: datetime | None = None
    max_runs: int | None = None
    calendar: str | None = None
    missing: Missing = "skip"
    grace: timedelta | None = None


class TriggerInvalid(Invalid):
    """Fields of a trigger break their rules; each problem names the field, the value and a way out."""

    code = "trigger.invalid"
    sentence = (
        "the trigger breaks the rules of its fields, so no slot can be computed; correct every problem listed"
    )

    @classmethod
    def at(cls, pointer: str, *details: str) -> "TriggerInvalid":
        """These details about one field."""
        return cls(Problem(pointer, detail) for detail in details)


def quoted(value: object) -> str:
    """The value as a problem names it, cut where it is long."""
    text = str(value)
    return repr(text if len(text) <= 40 else f"{text[:39]}…")
