"""Cron jobs against cronsim and crondst, where those are right.

They are not everywhere. cronsim reads ``5-5/2`` as ``5/2``, gives a fixed job in the second pass of a fold a slot that
is over, and leaves out up to an hour of a wildcard job where clocks move by a part of one; it stands still in
America/St_Johns. crondst assumes that every change is at a full hour and by one. Both run jobs of a date that was
skipped. What they do not know (ranges that wrap, ``L-1``, ``FRIL``; crondst also L, W and #) they refuse, and it is
left out here.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import islice
from random import Random

import pytest
from crondst import CronDst, CronDstError
from cronsim import CronSim, CronSimError

from qs.domain.kernel.zones import zone
from tests.unit.domain.triggers.making import at, cron, slots
from tests.unit.domain.triggers.simulation import Job, Window, changes, made_up_job

WHOLE_HOURS = (
    "Africa/Casablanca",
    "America/New_York",
    "Asia/Shanghai",
    "Asia/Tehran",
    "Europe/Berlin",
    "Europe/London",
    "UTC",
)
_ONE_TO_ITSELF = re.compile(r"\b(\d+)-\1/")
JOBS = 100


def made_up(zone_name: str, seed: int) -> Iterator[tuple[Job, datetime]]:
    """Jobs and instants near changes of the zone's clocks."""
    random = Random(seed)
    for _ in range(JOBS // 25):
        change = random.choice(changes(zone_name))
        window = Window.around(zone_name, change)
        for _ in range(25):
            instant = change + timedelta(minutes=random.randrange(-1_000, 300))
            yield made_up_job(random, window), instant.astimezone(zone(zone_name))


@pytest.mark.parametrize("zone_name", WHOLE_HOURS)
def test_cronsim_gives_the_same_slots_around_changes_by_whole_hours(zone_name: str):
    compared = 0
    for job, after in made_up(zone_name, seed=1):
        if _ONE_TO_ITSELF.search(job.text) or (job.fixed and after.fold):
            continue
        with suppress(CronSimError):
            theirs = [slot.astimezone(UTC) for slot in islice(CronSim(job.text, after), 3)]
            assert slots(cron(job.text, zone_name), after, 3) == theirs, (job.text, after)
            compared += 1

    assert compared > JOBS / 2


@pytest.mark.parametrize("zone_name", WHOLE_HOURS)
def test_crondst_gives_the_same_slots_around_changes_by_whole_hours(zone_name: str):
    compared = 0
    for job, after in made_up(zone_name, seed=2):
        with suppress(CronDstError):
            theirs = [slot.astimezone(UTC) for slot in islice(CronDst(job.text).iter(after), 3)]
            assert slots(cron(job.text, zone_name), after, 3) == theirs, (job.text, after)
            compared += 1

    assert compared > JOBS / 4


@pytest.mark.parametrize(
    "expression",
    [
        "*/7 3-20/4 * * *",
        "0 0 29 2 *",
        "0 12 31 */2 *",
        "15 10 L * *",
        "15 10 LW 1-11/3 *",
        "0 0 * * 2#5",
        "0 0 * 2 1#5",
        "0 0 13 * FRI",
        "0 0 */10 * 1",
        "0 0 1-7 * */2",
        "0 0 * 9 5L",
        "30,45 5-8 9 */5 *",
        "*/25 */5 17 * * *",
        "7 6 5 4 3 *",
        "10-50/20 59 23 31 12 *",
    ],
)
def test_cronsim_gives_the_same_slots_in_any_year(expression: str):
    random = Random(expression)
    trigger = cron(expression)
    for _ in range(20):
        after = at("2000-01-01") + timedelta(seconds=random.randrange(10**9))

        assert slots(trigger, after, 3) == list(islice(CronSim(expression, after), 3))


@pytest.mark.parametrize(
    "expression", ["*/7 3-20/4 * * *", "15 10 L * *", "0 0 13 * FRI", "*/25 */5 17 * * *"]
)
def test_cronsim_gives_the_same_latest_slot(expression: str):
    random = Random(expression)
    for _ in range(20):
        now = at("2000-01-01") + timedelta(seconds=random.randrange(10**9))

        # What it calls earlier is before the instant itself.
        assert cron(expression).latest(now) == next(
            CronSim(expression, now + timedelta(seconds=1), reverse=True)
        )
