"""Triggers and instants in few words; a test names only what matters to it."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from qs.domain.kernel.zones import zone
from qs.domain.scheduler.triggers import (
    Calendar,
    Trigger,
    TriggerInvalid,
    TriggerKind,
    TriggerSpec,
    read_trigger,
)

JOB = UUID("0190c2f4-7a31-7c55-9d7e-2f6b6f3f9a01")


def trigger(
    kind: str,
    schedule: str,
    timezone: str | None = "UTC",
    *,
    job_id: UUID = JOB,
    default_timezone: str = "UTC",
    calendar: Calendar | None = None,
    calendar_name: str | None = None,
    anchor: datetime | None = None,
    **fields: Any,
) -> Trigger:
    """The trigger of such a spec, which names the calendar unless told another name."""
    if calendar is not None and calendar_name is None:
        calendar_name = calendar.name
    # What is refused is tried with kinds that are none, too.
    spec = TriggerSpec(type=kind, schedule=schedule, timezone=timezone, calendar=calendar_name, **fields)  # type: ignore[arg-type]
    return read_trigger(
        spec, job_id=job_id, default_timezone=default_timezone, calendar=calendar, anchor=anchor
    )


def cron(expression: str, timezone: str | None = "UTC", **fields: Any) -> Trigger:
    return trigger(TriggerKind.CRON, expression, timezone, **fields)


def problems(kind: str, schedule: str, timezone: str | None = "UTC", **fields: Any) -> list[tuple[str, str]]:
    """Pointer and detail of all that is wrong, which must be something."""
    try:
        trigger(kind, schedule, timezone, **fields)
    except TriggerInvalid as invalid:
        return [(problem.pointer, problem.detail) for problem in invalid.problems]
    raise AssertionError(f"{kind} {schedule!r} was taken")


def at(text: str) -> datetime:
    """The instant of ``2025-03-09 01:40-05``, in UTC; without an offset it is UTC."""
    instant = datetime.fromisoformat(text)
    return instant.replace(tzinfo=instant.tzinfo or UTC).astimezone(UTC)


def slots(of: Trigger, after: datetime, count: int) -> list[datetime]:
    """The first ``count`` slots later than ``after``."""
    found: list[datetime] = []
    while len(found) < count and (slot := of.next_after(found[-1] if found else after)) is not None:
        found.append(slot)
    return found


def shown(of: Trigger, after: str, count: int) -> list[str]:
    """The same in short, by the clocks of the trigger's zone: ``03-09 03:00``."""
    tz = zone(of.timezone or "UTC")
    return [slot.astimezone(tz).strftime("%m-%d %H:%M") for slot in slots(of, at(after), count)]
