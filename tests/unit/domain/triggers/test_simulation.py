"""Cron jobs around changes of clocks, against the simulation that lives through every minute.

10,000 cases run each time. For more, each ten thousand with a seed of its own:
``python -m tests.unit.domain.triggers.test_simulation 1000000``.
"""

import sys
from datetime import datetime, timedelta
from itertools import takewhile
from random import Random
from time import perf_counter

import pytest

from tests.unit.domain.triggers.making import cron, slots
from tests.unit.domain.triggers.simulation import (
    DAY,
    MINUTE,
    ZONES,
    Job,
    Window,
    changes,
    made_up_job,
    rare_job,
)

CASES = 10_000
SEED = 20_260_329
BATCHES = 10
JOBS, INSTANTS = 20, 5
QUARTERLY = (
    "Africa/Casablanca",
    "America/New_York",
    "America/Santiago",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Chatham",
)


def mismatches(cases: int, seed: int) -> list[str]:
    """What differs in so many cases, each a job and an instant asked for its next two slots and its latest."""
    random = Random(seed)
    found: list[str] = []
    for _ in range(cases // (JOBS * INSTANTS)):
        zone = random.choice(ZONES)
        change = random.choice(changes(zone))
        window = Window.around(zone, change)
        for _ in range(JOBS):
            job = made_up_job(random, window)
            # Also just before the clocks change, when the next second is another hour.
            instants = [change - timedelta.resolution] + [
                change + random.randrange(-720, 1_080) * MINUTE for _ in range(INSTANTS - 1)
            ]
            found += _differences(window, job, instants)
    return found


def _differences(window: Window, job: Job, instants: list[datetime]) -> list[str]:
    trigger, lived = cron(job.text, window.zone), window.slots(job)
    # Of what comes after its end and, for the latest, before its beginning, a window knows nothing.
    begin, end = window.minutes[0][0], window.minutes[-1][0] - DAY / 4
    told = []
    for at in instants:
        following = list(takewhile(lambda slot: slot < end, slots(trigger, at, 2)))
        expected = [slot for slot in lived if at < slot < end][:2]
        if following != expected:
            told.append(f"{job.text} in {window.zone} after {at}: {following}, not {expected}")
        latest = trigger.latest(at)
        newest = max((slot for slot in lived if slot <= at), default=None)
        if latest != newest and not (newest is None and (latest is None or latest < begin)):
            told.append(f"{job.text} in {window.zone} at {at}: {latest}, not {newest}")
    return told


@pytest.mark.parametrize("zone", QUARTERLY)
def test_slots_that_are_months_away_are_found_across_changes(zone: str):
    random = Random(zone)
    change = random.choice(changes(zone))
    window = Window.around(zone, change, reach=timedelta(days=250), step=timedelta(minutes=15))
    for _ in range(JOBS // 2):
        job = rare_job(random, random.choice(window.minutes)[1][0])
        instants = [change + random.randrange(-19_000, 9_000) * 15 * MINUTE for _ in range(INSTANTS)]

        assert _differences(window, job, instants) == []


@pytest.mark.parametrize("batch", range(BATCHES))
def test_slots_around_clock_changes_are_those_of_a_life_lived_minute_by_minute(batch: int):
    assert mismatches(CASES // BATCHES, SEED + batch) == []


def test_the_changes_of_clocks_are_found():
    assert len(changes("America/New_York")) == 110
    assert datetime.fromisoformat("2011-12-30T10:00Z") in changes("Pacific/Apia")
    assert len(changes("Asia/Kathmandu")) == 1


if __name__ == "__main__":
    asked, started = int(sys.argv[1]), perf_counter()
    differing = [told for seed in range(asked // 10_000) for told in mismatches(10_000, seed)]
    print(*differing[:20], sep="\n")
    print(f"{asked} cases, {len(differing)} mismatches, {perf_counter() - started:.0f} s")
