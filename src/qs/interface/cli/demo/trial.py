"""What the demonstration plays: a published trial's schedule and how many of its patients answered when."""

from dataclasses import dataclass
from datetime import date, timedelta
from importlib.resources import files
from itertools import pairwise
from typing import Any

import yaml

from qs.domain.kernel.zones import zone
from qs.domain.plan.schedule import Schedule

ANSWERED = (100, 97, 73, 58, 52)
"""Patients who answered at each occasion; who dropped out once stays away."""

_HORIZON_DAYS = 1500


class NoStartDate(Exception):
    """No date in the next four years fits, which only a changed schedule can cause."""


@dataclass(frozen=True, slots=True)
class Trial:
    """The plan as the API takes it, and its 100 testees as CSV with the start date filled in."""

    plan: dict[str, Any]
    testees_csv: bytes
    start_date: date
    occasions: tuple[date, ...]


def load(today: date) -> Trial:
    """The trial, started on the next date after ``today`` that suits all five occasions."""
    data = files("qs.interface.cli.demo") / "data"
    plan = yaml.safe_load((data / "plan.yaml").read_text("utf-8"))
    schedule = Schedule.of(
        schedule_type=plan["schedule_type"],
        relative_months=plan["relative_months"],
        trigger_time=plan["trigger_time"],
    )
    start = first_start_date(schedule, plan["timezone"], today)
    csv = (data / "testees.csv").read_text("utf-8").replace("START", start.isoformat())
    dates = tuple(schedule.date_of(start, i) for i in range(schedule.total_times))
    return Trial(plan, csv.encode(), start, dates)


def first_start_date(schedule: Schedule, zone_name: str, today: date) -> date:
    """The first date after ``today`` whose occasions all fall on weekdays and that span two clock changes.

    Raises:
        NoStartDate
    """
    for start in (today + timedelta(days=n) for n in range(1, _HORIZON_DAYS)):
        dates = [schedule.date_of(start, i) for i in range(schedule.total_times)]
        if all(day.weekday() < 5 for day in dates) and _clock_changes(dates, schedule, zone_name) >= 2:
            return start
    raise NoStartDate


def _clock_changes(dates: list[date], schedule: Schedule, zone_name: str) -> int:
    tz = zone(zone_name)
    offsets = [
        occasion.planned_at.astimezone(tz).utcoffset()
        for occasion in schedule.occasions(dates[0], zone_name).occasions
    ]
    return sum(before != after for before, after in pairwise(offsets))
