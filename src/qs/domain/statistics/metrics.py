"""What is counted: eight figures a civil date, by tenant, plan, scale and testee."""

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import NamedTuple

DEFINITION_VERSION = 1
"""Grows whenever a figure comes to mean something else, so that two exports can be told apart."""

METRICS = (
    "enrolled",
    "opened",
    "completed",
    "on_time",
    "expired",
    "missed",
    "canceled",
    "canceled_open",
    "followup_completed",
    "followup_expired",
)
"""``expired`` is by entry_timeout or by hand, never missed; ``canceled_open`` are those of the canceled that had been
opened; ``followup_…`` are those of seq > 1."""

WINDOWS = (7, 15, 30)
"""Lengths of the windows in civil dates, the last of which is today."""

REASON_MARK = ":"
"""A count by reason is named ``expired:manual``; it is part of the figure before the mark."""


class Dimension(StrEnum):
    """Whose figures. The key of ``tenant`` is the tenant's own id."""

    TENANT = "tenant"
    PLAN = "plan"
    SCALE = "scale"
    TESTEE = "testee"


class Place(NamedTuple):
    """Where a count stands."""

    dimension: str
    key: str
    day: date


Counts = Mapping[str, int]
"""Figures by name, counts by reason among them; what is not named is zero."""


def without_zeros(counts: Counts) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count}


def reasons(counts: Counts) -> dict[str, int]:
    """The counts by reason among the figures."""
    return {name: count for name, count in counts.items() if REASON_MARK in name}
