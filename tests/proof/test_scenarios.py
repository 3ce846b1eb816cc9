"""The scenarios of `make proof` on a small scale: whatever breaks one of them breaks this."""

import pytest

from tests.proof import (
    burst,
    clock_jumps,
    edits,
    freezing,
    hostile,
    jobs,
    key_rotation,
    nodes,
    paused_nodes,
    poison,
    redis_faults,
    rolling,
)
from tests.proof.figures import Scenario
from tests.proof.servers import Servers


@pytest.mark.parametrize(
    ("scenario", "scale"),
    [
        pytest.param(redis_faults.mixed, 0.06, id="mixed"),
        pytest.param(redis_faults.away, 0.05, id="away"),
        pytest.param(freezing.frozen, 0.06, id="frozen"),
        pytest.param(clock_jumps.jumps, 0.17, id="clock"),
        pytest.param(poison.poison, 0.1, id="poison"),
        pytest.param(poison.deadly, 0.2, id="deadly"),
        pytest.param(hostile.hostile, 0.03, id="hostile"),
        pytest.param(jobs.jobs, 0.1, id="jobs"),
        pytest.param(burst.burst, 0.02, id="burst"),
        pytest.param(key_rotation.key_rotation, 0.1, id="key_rotation"),
        # By the clock on the wall, however fast the machine: two minutes together.
        pytest.param(edits.edits, 0.05, id="edits", marks=pytest.mark.proof_long),
        pytest.param(nodes.nodes, 0.1, id="nodes", marks=pytest.mark.proof_long),
        pytest.param(paused_nodes.paused_nodes, 0.05, id="paused_nodes", marks=pytest.mark.proof_long),
        pytest.param(rolling.rolling, 0.05, id="rolling"),
    ],
)
async def test_a_scenario_on_a_small_scale_holds(
    proof_servers: Servers, seed: int, scenario: Scenario, scale: float
) -> None:
    figures = await scenario(proof_servers, seed, scale, lambda told: None)

    assert figures.holds, "\n".join(figures.lines(f"seed {seed}"))


# The others are looked for by `make proof` (job_controls).
@pytest.mark.parametrize("bug", ["no-unique-job-slot", "no-run-epoch"])
async def test_a_bug_about_jobs_is_seen_within_a_hundred_rounds(
    proof_servers: Servers, seed: int, bug: str
) -> None:
    assert await jobs.rounds_until_seen(proof_servers, seed, bug) is not None, f"seed {seed}"


async def test_a_rotation_that_forgot_its_lock_is_seen_to_lose_a_write(
    proof_servers: Servers, seed: int
) -> None:
    assert await key_rotation.rounds_until_lost(proof_servers, seed) is not None, f"seed {seed}"
