"""Processes that are killed, fail or hang anywhere lose no task, no event and no acknowledged write, and do nothing twice."""

from datetime import timedelta

import pytest

from tests.proof.kills import kill_rounds
from tests.proof.points import QUICK, at_every_point
from tests.proof.resuming import resumed_side_by_side
from tests.proof.servers import Servers
from tests.proof.world import World

pytestmark = pytest.mark.timeout(300)
_ROUNDS = 80


async def test_random_kills_lose_nothing_and_do_nothing_twice(proof_servers: Servers, seed: int):
    async with World(proof_servers, seed) as world:
        outcome = await kill_rounds(world, _ROUNDS)

        assert outcome.violations == []
        assert outcome.dead == 0
    # Else there was nothing to be lost.
    assert outcome.kills > _ROUNDS
    assert outcome.points.total() > 0
    assert outcome.opened > 100
    assert outcome.messages > 100


async def test_every_crash_point_may_fail_hang_or_kill_once(proof_servers: Servers, seed: int):
    async with World(proof_servers, seed, duties_every=timedelta(seconds=1)) as world:
        outcome = await at_every_point(world, QUICK)

        assert outcome.violations == []
    # Calls of the load come by chance, so that a few points are not passed at their time.
    assert len(outcome.failed) > 80
    assert len(outcome.hung) > 80
    assert len(outcome.killed) > 80


async def test_a_sweep_whose_process_is_killed_is_resumed(proof_servers: Servers, seed: int):
    resumed = await resumed_side_by_side(proof_servers, seed, times=6, worlds=6)

    # How soon, `make proof` measures: here the machine has more to do.
    assert len(resumed) == 6
