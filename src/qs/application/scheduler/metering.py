"""What is counted of executions and notices while they happen, for those who watch the installation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from qs.domain.scheduler.job_execution import RunStatus

LATENESS_S = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)
DURATION_S = (0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14400.0)
"""Upper bounds of the buckets, in seconds; what took longer lies in one more."""


@dataclass(frozen=True, slots=True)
class RunTiming:
    """How late the first attempt of an execution began and how long this one took; ``lateness_s`` is None for others."""

    kind: str
    queue: str
    status: RunStatus
    lateness_s: float | None
    duration_s: float


class Meter(Protocol):
    """Counts; it never waits, never fails, and loses at most the last seconds of a process that dies."""

    def timed(self, timing: RunTiming) -> None:
        """An attempt ended."""
        ...

    def ended(self, kind: str, status: RunStatus, count: int = 1) -> None:
        """So many executions of that kind of target reached a terminal status."""
        ...

    def noticed(self, channel: str, outcome: str) -> None:
        """An attempt to send a notice ended: ``sent``, ``retried`` or ``dead``."""
        ...


class NullMeter:
    """Counts nothing."""

    def timed(self, timing: RunTiming) -> None: ...

    def ended(self, kind: str, status: RunStatus, count: int = 1) -> None: ...

    def noticed(self, channel: str, outcome: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Histogram:
    """``counts`` by bucket, not added up, one more than there are bounds; ``total_s`` is the sum of what was observed."""

    counts: tuple[int, ...]
    total_s: float


@dataclass(frozen=True, slots=True)
class Measured:
    """What all processes counted together since Redis began to keep it.

    Keys: ``lateness`` (kind, queue), ``durations`` and ``ended`` (kind, status), ``notices`` (channel, outcome).
    """

    lateness: Mapping[tuple[str, str], Histogram] = field(default_factory=dict)
    durations: Mapping[tuple[str, str], Histogram] = field(default_factory=dict)
    ended: Mapping[tuple[str, str], int] = field(default_factory=dict)
    notices: Mapping[tuple[str, str], int] = field(default_factory=dict)


class Measurements(Protocol):
    async def read(self) -> Measured:
        """Raises whatever the store does when it does not answer."""
        ...
