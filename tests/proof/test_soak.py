"""The soak on a small scale: a minute of load with every fault at least once, and how drift is told."""

import pytest

from tests.proof.figures import Figures
from tests.proof.servers import Servers
from tests.proof.soak import judge, soak
from tests.proof.soaking import Process, Sample, Watch
from tests.proof.world import World


@pytest.mark.proof_long
async def test_a_minute_of_load_and_faults_leaves_nothing_undone_and_nothing_wrong(
    proof_servers: Servers, seed: int
) -> None:
    watches: list[Watch] = []

    figures = await soak(proof_servers, seed, 1.0, lambda told: None, watches.append, rate_per_s=30.0)

    assert figures.holds, "\n".join(figures.lines(f"seed {seed}"))
    assert len(watches[0].samples) > 20


def look(at: float, rss: float, descriptors: int = 10, connections: int = 20) -> Sample:
    process = Process(rss, 10.0, descriptors, 1)
    return Sample(at, {"api": process}, connections=connections, backlog=0, redis_mib=2.0, redis_keys=100)


@pytest.mark.parametrize(
    ("rss", "descriptors", "minutes", "holds"),
    [
        pytest.param([50, 100, 100, 100, 100, 104], 10, 60, True, id="grows while it warms up"),
        pytest.param([50, 100, 100, 100, 100, 106], 10, 60, False, id="grows afterwards"),
        pytest.param([50, 100, 100, 100, 100, 100], 19, 60, False, id="forgets descriptors"),
        pytest.param([50, 100, 100, 100, 100, 106], 19, 1, True, id="is still warming up"),
    ],
)
async def test_what_grows_after_the_warm_up_does_not_hold(
    world: World, rss: list[float], descriptors: int, minutes: float, holds: bool
) -> None:
    watch, figures = Watch(world, {}, 1.0), Figures(0)
    watch.samples = [look(number, size) for number, size in enumerate(rss)]
    watch.at_rest = look(len(rss), rss[-1], descriptors)

    judge(figures, watch, ["api"], minutes)

    assert figures.holds is holds, "\n".join(figures.lines("judged"))


@pytest.mark.parametrize(
    ("late", "at_rest", "holds"),
    [
        pytest.param([50, 70], 78, True, id="all pools stand at rest"),
        pytest.param([50, 70], 79, False, id="forgets some"),
        pytest.param([66, 72], 70, False, id="opens ever more"),
    ],
)
async def test_connections_are_held_against_the_fullest_moment_early_on(
    world: World, late: list[int], at_rest: int, holds: bool
) -> None:
    watch, figures = Watch(world, {}, 1.0), Figures(0)
    connections = [20, 20, 50, 70, *[60] * 6, *late]
    watch.samples = [look(at, 100, connections=number) for at, number in enumerate(connections)]
    watch.at_rest = look(12, 100, connections=at_rest)

    judge(figures, watch, ["api"], 60)

    assert figures.holds is holds, "\n".join(figures.lines("judged"))


async def test_a_look_tells_of_each_process_and_both_servers(world: World) -> None:
    spared = {"relay": await world.start("relay")}
    await spared["relay"].ready()
    watch = Watch(world, spared, 1.0)

    sample = await watch._look(0.0)

    assert sample.processes["relay"].rss > 10
    assert sample.processes["relay"].descriptors > 3
    assert sample.backlog == 0
    assert sample.tables
    assert sample.redis_mib is not None
    assert sample.redis_mib > 0
