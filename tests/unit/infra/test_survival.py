"""Retention and latency as a statistics library estimates them."""

import asyncio
import sys
import warnings
from datetime import timedelta

import pytest

from qs.domain.statistics.followup import Observation, Occasion, stay
from qs.domain.statistics.rates import Rate
from qs.infra.statistics.survival import ScipyEstimator
from tests.support.builders import SHANGHAI, at

WEEKS, PRESENT = (0, 1, 2, 4, 6, 8), (150, 148, 127, 108, 84, 68)


def stayed(days: float, *, censored: bool = False) -> Observation:
    return Observation(days, censored)


def person(visits: int) -> Observation:
    """What somebody contributes who came to the first so many visits of the trial, and to none after."""
    occasions = []
    for number, week in enumerate(WEEKS):
        planned = at("2026-01-05") + timedelta(weeks=week)
        status = "completed" if number < visits else "expired"
        occasions.append(Occasion(planned, SHANGHAI, status, planned, planned + timedelta(7), planned))
    observed = stay(occasions)
    assert observed is not None
    return observed


async def test_a_published_trial_comes_to_its_published_figures():
    people = []
    for visits, (present, following) in enumerate(zip(PRESENT, (*PRESENT[1:], 0), strict=True), 1):
        people += [person(visits)] * (present - following)

    found = await ScipyEstimator().survival(people)

    assert Rate(sum(PRESENT), 6 * 150) == Rate(685, 900)
    assert f"{Rate(685, 900).rate:.4f}" == "0.7611"
    shares = dict(zip(found.times, found.survival, strict=True))
    assert [round(shares[7.0 * week], 4) for week in WEEKS[1:]] == [0.9867, 0.8467, 0.72, 0.56, 0.4533]
    assert found.at_risk == [150, 148, 127, 108, 84]
    assert found.confidence == 0.95
    band = zip(found.low, found.survival, found.high, strict=True)
    assert all(low and high and low < share < high for low, share, high in band)


@pytest.mark.parametrize(
    ("observations", "survival"),
    [
        ([], []),
        ([stayed(7)], [0.0]),
        ([stayed(7, censored=True)], [1.0]),
        ([stayed(0), stayed(0)], [0.0]),
        ([stayed(0, censored=True)] * 3, [1.0]),
        ([stayed(7), stayed(14, censored=True)], [0.5, 0.5]),
    ],
)
async def test_small_and_odd_groups_have_an_estimate_too(observations, survival):
    found = await ScipyEstimator().survival(observations)

    assert found.survival == survival
    assert len(found.low) == len(found.high) == len(found.times) == len(survival)
    assert sum(found.events) + sum(found.censored) == len(observations)


@pytest.mark.parametrize(
    ("observations", "median"),
    [
        ([], None),
        ([stayed(3)], 3.0),
        ([stayed(1), stayed(3), stayed(5)], 3.0),
        ([stayed(1), stayed(9, censored=True), stayed(9, censored=True)], None),
        ([stayed(1), stayed(2), stayed(9, censored=True)], 2.0),
    ],
)
async def test_the_median_counts_those_without_an_answer(observations, median):
    found = await ScipyEstimator().median(observations)

    assert (found.median_hours, found.n) == (median, len(observations))


@pytest.mark.parametrize("answered", [1, 2, 5, 25, 200])
async def test_the_median_is_when_half_have_answered_whatever_rounding_makes_of_it(answered):
    people = [stayed(hour + 1) for hour in range(answered)] + [stayed(1000, censored=True)] * answered

    assert (await ScipyEstimator().median(people)).median_hours == answered


async def test_estimates_at_once_leave_the_process_its_warnings():
    # Nobody has left on day 0, so that the band is not defined there and SciPy says so.
    people = [stayed(0, censored=True), stayed(7), stayed(14, censored=True)]
    before = list(warnings.filters)
    switching = sys.getswitchinterval()

    # Threads take turns so often that they are nearly always within each other.
    sys.setswitchinterval(1e-6)
    try:
        await asyncio.gather(*(ScipyEstimator().survival(people) for _ in range(300)))
    finally:
        sys.setswitchinterval(switching)

    assert warnings.filters == before
