"""From what a user wrote to a trigger, or to everything that is wrong with it."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import get_args
from uuid import UUID

from qs.domain.kernel.errors import Problem
from qs.domain.kernel.zones import zone_names
from qs.domain.scheduler.calendars import Calendar
from qs.domain.scheduler.triggers.bounded import BoundedTrigger
from qs.domain.scheduler.triggers.registry import READERS
from qs.domain.scheduler.triggers.spec import (
    Dialect,
    Missing,
    TriggerInvalid,
    TriggerKind,
    TriggerSpec,
    quoted,
)
from qs.domain.scheduler.triggers.stretches import EPOCH, FIRST_INSTANT, in_utc, instant_of
from qs.domain.scheduler.triggers.trigger import Reading, Trigger

LONGEST_SCHEDULE = 200
LARGEST_JITTER = timedelta(days=1)


def read_trigger(
    spec: TriggerSpec,
    *,
    job_id: UUID,
    default_timezone: str,
    calendar: Calendar | None = None,
    anchor: datetime | None = None,
) -> Trigger:
    """The trigger that ``spec`` describes for that job.

    ``default_timezone`` is for a spec that names none, ``calendar`` the one the spec names. A grid of elapsed time
    begins at ``anchor``, else at the spec's ``start_at``, else at the Unix epoch. Raises TriggerInvalid with every
    problem there is.
    """
    problems = list(_problems(spec, calendar))
    timezone = spec.timezone if spec.timezone is not None else default_timezone
    if timezone not in zone_names():
        problems.append(
            Problem("/timezone", f"{quoted(timezone)} is no IANA time zone; use a name such as Asia/Shanghai")
        )
        # So that what else is wrong is told in the same answer.
        spec, timezone = replace(spec, timezone=None), "UTC"
    reading = Reading(
        spec=replace(spec, schedule=spec.schedule.strip(" \t\r\n")),
        job_id=job_id,
        timezone=timezone,
        calendar=calendar if spec.calendar is not None else None,
        anchor=_anchor(spec, anchor),
    )
    trigger = None
    try:
        trigger = _read(reading)
    except TriggerInvalid as invalid:
        problems.extend(invalid.problems)
    if trigger is None or problems:
        raise TriggerInvalid(problems)
    return _bounded(trigger, spec)


def _read(reading: Reading) -> Trigger | None:
    text = reading.spec.schedule
    if not text:
        raise TriggerInvalid.at(
            "/schedule", "schedule '' is empty; write when the job runs, such as 0 2 * * *"
        )
    if len(text) > LONGEST_SCHEDULE:
        raise TriggerInvalid.at(
            "/schedule",
            f"schedule {quoted(text)} has {len(text)} characters, more than {LONGEST_SCHEDULE}; make it several jobs",
        )
    reader = READERS.get(reading.spec.type)
    return reader(reading) if reader else None


def _bounded(trigger: Trigger, spec: TriggerSpec) -> Trigger:
    if spec.start_at is None and spec.end_at is None:
        return trigger
    start, end = (at and in_utc(at) for at in (spec.start_at, spec.end_at))
    bounded = BoundedTrigger(trigger, start, end)
    if trigger.kind is TriggerKind.ONCE and bounded.next_after(instant_of(FIRST_INSTANT)) is None:
        raise TriggerInvalid.at(
            "/schedule",
            f"instant {quoted(spec.schedule)} is not from start_at to before end_at, so the job would never fire; "
            "leave the two out",
        )
    return bounded


def _anchor(spec: TriggerSpec, anchor: datetime | None) -> datetime:
    if anchor is not None:
        return in_utc(anchor)
    # A start without an offset is a problem of its own.
    return in_utc(spec.start_at) if spec.start_at is not None and spec.start_at.tzinfo else EPOCH


def _problems(spec: TriggerSpec, calendar: Calendar | None) -> Iterator[Problem]:
    if spec.type not in READERS:
        yield Problem("/type", f"type {quoted(spec.type)} is not known; use one of {', '.join(READERS)}")
    yield from _option_problems(spec)
    yield from _window_problems(spec)
    if not timedelta(0) <= spec.jitter <= LARGEST_JITTER:
        yield Problem("/jitter", f"jitter {spec.jitter} is not from 0s to 24h; give 0s for none")
    if spec.max_runs is not None and spec.max_runs < 1:
        yield Problem(
            "/max_runs", f"max_runs {spec.max_runs} would never run; give 1 or more, or leave it out"
        )
    if spec.calendar is not None and (calendar is None or calendar.name != spec.calendar):
        yield Problem(
            "/calendar", f"calendar {quoted(spec.calendar)} does not exist; create it first, or leave it out"
        )


def _option_problems(spec: TriggerSpec) -> Iterator[Problem]:
    """Of the fields that one type alone takes."""
    if spec.dialect not in get_args(Dialect):
        yield Problem("/dialect", f"dialect {quoted(spec.dialect)} is not known; use standard or quartz")
    elif spec.dialect == "quartz" and spec.type != TriggerKind.CRON:
        yield Problem("/dialect", f"dialect quartz is for cron, not for {quoted(spec.type)}; leave it out")
    if spec.missing not in get_args(Missing):
        yield Problem("/missing", f"missing {quoted(spec.missing)} is not known; use skip or clamp")
    elif spec.missing == "clamp" and spec.type != TriggerKind.MONTHLY:
        yield Problem("/missing", f"missing clamp is for monthly, not for {quoted(spec.type)}; leave it out")
    if spec.grace is not None and spec.type != TriggerKind.ONCE:
        yield Problem(
            "/grace", f"grace is for once, not for {quoted(spec.type)}; see the misfire grace instead"
        )
    elif spec.grace is not None and spec.grace < timedelta(0):
        yield Problem("/grace", f"grace {spec.grace} is negative; give 0s or more")


def _window_problems(spec: TriggerSpec) -> Iterator[Problem]:
    naive = [name for name in ("start_at", "end_at") if (at := getattr(spec, name)) and at.tzinfo is None]
    for name in naive:
        yield Problem(
            f"/{name}", f"{name} {getattr(spec, name)} names no moment; add its offset, such as Z or +08:00"
        )
    if not naive and spec.start_at and spec.end_at and spec.start_at >= spec.end_at:
        yield Problem(
            "/end_at", f"end_at {spec.end_at} is not later than start_at {spec.start_at}; swap the two"
        )
