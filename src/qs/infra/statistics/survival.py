"""Kaplan-Meier estimates by SciPy (scipy.stats.ecdf on right-censored data; band by the log-log transformation)."""

import asyncio
import math
import warnings
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from typing import Any

from qs.application.statistics.following import LatencyView, SurvivalView
from qs.domain.statistics.followup import Observation
from qs.infra.statistics.quiet import SILENCE

CONFIDENCE = 0.95
# The shares are products, which may come out a rounding error above what they are.
_HALF = 0.5 + 1e-9


class ScipyEstimator:
    """Estimates in a thread, since a large plan takes a while; SciPy is loaded when it is first needed."""

    async def survival(self, observations: Sequence[Observation]) -> SurvivalView:
        return await asyncio.to_thread(_survival, observations)

    async def median(self, observations: Sequence[Observation]) -> LatencyView:
        return await asyncio.to_thread(_median, observations)


def _survival(observations: Sequence[Observation]) -> SurvivalView:
    if not observations:
        return SurvivalView([], [], [], [], [], [], [], CONFIDENCE)
    estimate = _estimate(observations)
    with SILENCE, warnings.catch_warnings():
        # Where all or none are left the band is not defined, which shows as no number.
        warnings.simplefilter("ignore", RuntimeWarning)
        band = estimate.confidence_interval(CONFIDENCE, method="log-log")
    ordered = sorted(each.time for each in observations)
    events = Counter(each.time for each in observations if not each.censored)
    censored = Counter(each.time for each in observations if each.censored)
    times = [float(time) for time in estimate.quantiles]
    return SurvivalView(
        times,
        [len(ordered) - bisect_left(ordered, time) for time in times],
        [events[time] for time in times],
        [censored[time] for time in times],
        [float(share) for share in estimate.probabilities],
        [_number(bound) for bound in band.low.probabilities],
        [_number(bound) for bound in band.high.probabilities],
        CONFIDENCE,
    )


def _median(observations: Sequence[Observation]) -> LatencyView:
    censored = sum(each.censored for each in observations)
    median = None
    if observations:
        estimate = _estimate(observations)
        reached = (
            float(time)
            for time, share in zip(estimate.quantiles, estimate.probabilities, strict=True)
            if share <= _HALF
        )
        median = next(reached, None)
    return LatencyView(median, len(observations), censored)


def _estimate(observations: Sequence[Observation]) -> Any:
    from scipy.stats import CensoredData, ecdf

    data = CensoredData.right_censored(
        [each.time for each in observations], [each.censored for each in observations]
    )
    return ecdf(data).sf


def _number(bound: float) -> float | None:
    return None if math.isnan(bound) else float(bound)
