"""What is said of growth: ratios within a round, and the bound that the cores set."""

import os

import pytest

from bench.scale import Growth, Sample, Scaling


def sample(rate: float, *, api_us: float, servers_us: float) -> Sample:
    """A second in which so many units were done at that processor time each."""
    units = round(rate)
    return Sample(units, 1.0, {"api": units * api_us / 1e6, "postgres": units * servers_us / 1e6})


@pytest.fixture(autouse=True)
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)


def reads(one: list[Sample], two: list[Sample]) -> Growth:
    return Growth("reads", "api", "requests", {1: one, 2: two})


def test_growth_is_told_round_by_round() -> None:
    quick, slow = sample(1000, api_us=1000, servers_us=100), sample(500, api_us=1000, servers_us=100)
    twice = [sample(1800, api_us=900, servers_us=100), sample(900, api_us=900, servers_us=100)]

    assert reads([quick, slow], twice).ratios(2) == [1.8, 1.8]


def test_two_processes_are_bound_by_what_they_and_the_servers_take_of_two_cores() -> None:
    growth = reads([sample(1000, api_us=1000, servers_us=300)], [sample(1400, api_us=1000, servers_us=250)])

    assert growth.bounds(2) == [pytest.approx(1.6)]
    assert growth.cpu_us(2) == {"api": 1000.0, "postgres": 250.0}


def test_a_process_is_never_bound_by_more_than_a_core_of_its_own() -> None:
    growth = reads([sample(500, api_us=100, servers_us=10)], [sample(900, api_us=100, servers_us=10)])

    assert growth.bounds(2) == [2.0]


def test_reads_that_grow_too_little_are_said_to_miss_what_is_wanted_beside_what_the_cores_allow() -> None:
    one = [sample(1000, api_us=1000, servers_us=300)]
    missed = Scaling([reads(one, [sample(1400, api_us=1000, servers_us=250)])], [0.5])
    reached = Scaling([reads(one, [sample(1700, api_us=1000, servers_us=100)])], [0.5])

    assert [goal["reached"] for goal in (*missed.goals(), *reached.goals())] == [False, True]
    assert "MISSED; 1.60 at most here" in missed.lines()[-1]


def test_what_two_can_reach_beside_one_that_fills_a_core_follows_from_processor_time_alone() -> None:
    quiet, busy = sample(1000, api_us=700, servers_us=300), sample(100, api_us=700, servers_us=300)

    assert reads([quiet], [quiet]).filled(2) == pytest.approx(1.4)
    assert reads([busy], [busy]).filled(2) == pytest.approx(1.4)
