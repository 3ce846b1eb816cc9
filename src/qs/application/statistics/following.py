"""How people stayed, how long answers took and how late tasks were opened, as the tasks of a plan say it when asked."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Protocol
from uuid import UUID

from qs.application.statistics.ports import Course
from qs.domain.statistics.followup import Observation, Occasion, latency, opening_lags, stay

# Reading every task of a plan of 80,000 takes most of a second, and whoever looks at it asks again with everything that happens.
_WORTH_KEEPING_S = 0.1
_KEPT_TIMES = 20
_MOST_KEPT = 64

_Key = tuple[UUID, UUID]


@dataclass(frozen=True, slots=True)
class SurvivalView:
    """Kaplan-Meier: from each time (days since the first occasion) on, the share that is still there.

    ``at_risk`` is the number just before the time, ``low`` and ``high`` bound the band (log-log) of that confidence, None
    where it is not defined.
    """

    times: list[float]
    at_risk: list[int]
    events: list[int]
    censored: list[int]
    survival: list[float]
    low: list[float | None]
    high: list[float | None]
    confidence: float


@dataclass(frozen=True, slots=True)
class LatencyView:
    """Hours from opening to the answer; None while less than half have answered."""

    median_hours: float | None
    n: int
    censored: int


@dataclass(frozen=True, slots=True)
class LagView:
    """Seconds from when tasks were planned to when they were opened, of ``n`` that were; None where none was.

    Half of them were opened within the median, 95 of 100 within ``p95_seconds`` (nearest rank).
    """

    n: int
    median_seconds: float | None
    p95_seconds: float | None
    longest_seconds: float | None


@dataclass(frozen=True, slots=True)
class Followed:
    """How people stayed in a plan, how long answers took, and how late tasks were opened, as the tasks were ``at``."""

    survival: SurvivalView
    latency: LatencyView
    opening: LagView
    at: datetime


class SurvivalEstimator(Protocol):
    """A statistics library's estimates from right-censored observations."""

    async def survival(self, observations: Sequence[Observation]) -> SurvivalView: ...

    async def median(self, observations: Sequence[Observation]) -> LatencyView: ...


class PlanFollowing:
    """Reads every task of a plan, which takes long for a large one.

    What took longer than 100 ms is handed out again for twenty times as long as it took, by business time; and those who
    ask while it is being read wait for the same reading.
    """

    def __init__(self, course: Course, estimator: SurvivalEstimator) -> None:
        self._course = course
        self._estimator = estimator
        self._kept: OrderedDict[_Key, tuple[Followed, timedelta]] = OrderedDict()
        self._reading: dict[_Key, asyncio.Task[Followed]] = {}

    async def of(self, tenant_id: UUID, plan_id: UUID, now: datetime) -> Followed:
        """As of ``now``, or of shortly before where the plan is large."""
        key = tenant_id, plan_id
        kept = self._kept.get(key)
        if kept is not None and timedelta(0) <= now - kept[0].at < kept[1]:
            self._kept.move_to_end(key)
            return kept[0]
        reading = self._reading.get(key)
        if reading is None:
            reading = asyncio.create_task(self._read(key, now))
            self._reading[key] = reading
            reading.add_done_callback(lambda _: self._reading.pop(key))
        # Others may wait for it when whoever asked first has gone.
        return await asyncio.shield(reading)

    async def _read(self, key: _Key, now: datetime) -> Followed:
        began = time.monotonic()
        courses = (await self._course.occasions(*key)).values()
        # Of a large plan this takes a while, for which others must not wait.
        stays, waits, opening = await asyncio.to_thread(_observed, courses, now)
        followed = Followed(
            await self._estimator.survival(stays), await self._estimator.median(waits), opening, now
        )
        took_s = time.monotonic() - began
        self._kept.pop(key, None)
        if took_s > _WORTH_KEEPING_S:
            self._kept[key] = followed, timedelta(seconds=_KEPT_TIMES * took_s)
            if len(self._kept) > _MOST_KEPT:
                self._kept.popitem(last=False)
        return followed


def _observed(
    courses: Iterable[Sequence[Occasion]], now: datetime
) -> tuple[list[Observation], list[Observation], LagView]:
    """What each enrollment says of staying, each opened task of the time to an answer, and all of them of the lag."""
    stays: list[Observation] = []
    waits: list[Observation] = []
    lags: list[float] = []
    for course in courses:
        if (stayed := stay(course)) is not None:
            stays.append(stayed)
        waits += latency(course, now)
        lags += opening_lags(course)
    lags.sort()
    return stays, waits, LagView(len(lags), _rank(lags, 0.5), _rank(lags, 0.95), _rank(lags, 1.0))


def _rank(ascending: Sequence[float], share: float) -> float | None:
    return ascending[ceil(share * len(ascending)) - 1] if ascending else None
