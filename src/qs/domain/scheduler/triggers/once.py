"""One instant, given as such or as a wall time in a zone."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NoReturn

from qs.domain.kernel.zones import civil_date, resolve_wall_time, zone
from qs.domain.scheduler.calendars import Calendar
from qs.domain.scheduler.triggers.phrases import Phrases
from qs.domain.scheduler.triggers.spec import TriggerInvalid, TriggerKind, quoted
from qs.domain.scheduler.triggers.trigger import Dst, Reading

_MOMENT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?)"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OnceTrigger:
    """The instant ``at``; ``schedule`` keeps a wall time as it was written."""

    at: datetime
    schedule: str
    timezone: str
    moved: Dst | None

    @property
    def kind(self) -> TriggerKind:
        return TriggerKind.ONCE

    @property
    def calendar(self) -> Calendar | None:
        return None

    @property
    def depends_on_end(self) -> bool:
        return False

    @property
    def warnings(self) -> tuple[str, ...]:
        return ()

    def next_after(self, after: datetime) -> datetime | None:
        return self.at if self.at > after else None

    def latest(self, at: datetime) -> datetime | None:
        return self.at if self.at <= at else None

    def dst(self, slot: datetime) -> Dst | None:
        return self.moved

    def without_calendar(self) -> "OnceTrigger":
        return self

    def words(self, phrases: Phrases) -> str:
        return phrases.once(self.at.astimezone(zone(self.timezone)))


def read(reading: Reading) -> OnceTrigger:
    """The trigger of an RFC 3339 instant or of a wall time in the job's zone. Raises TriggerInvalid."""
    trigger = _read(reading)
    if reading.calendar and civil_date(trigger.at, zone(trigger.timezone)) in reading.calendar.holidays:
        raise TriggerInvalid.at(
            "/schedule",
            f"{quoted(reading.spec.schedule)} is a holiday of calendar {quoted(reading.calendar.name)}, so the job "
            "would never fire; choose another day or leave the calendar out",
        )
    return trigger


def _read(reading: Reading) -> OnceTrigger:
    text = reading.spec.schedule
    match = _MOMENT.fullmatch(text)
    if match is None:
        _refuse(text, "is not understood")
    day, clock, offset = match.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}{(offset or '').upper()}")
    except ValueError:
        _refuse(text, "is no date and time")
    if not 1970 <= moment.year <= 9998:
        _refuse(text, "is not in the years 1970 to 9998")
    if offset:
        at = moment.astimezone(UTC)
        written = at.isoformat().replace("+00:00", "Z")
        return OnceTrigger(at=at, schedule=written, timezone=reading.timezone, moved=None)
    resolved = resolve_wall_time(moment.date(), moment.time(), reading.tz)
    if resolved is None:
        _refuse(text, f"never was in {reading.timezone}, whose calendar skips that date")
    moved: dict[str | None, Dst] = {"gap": "shifted", "fold": "first"}
    return OnceTrigger(
        at=resolved.instant,
        schedule=moment.isoformat(),
        timezone=reading.timezone,
        moved=moved.get(resolved.flag),
    )


def _refuse(text: str, why: str) -> NoReturn:
    raise TriggerInvalid.at(
        "/schedule",
        f"instant {quoted(text)} {why}; write 2026-07-01T09:00:00+08:00, or 2026-07-01 09:00 in the job's zone",
    ) from None
