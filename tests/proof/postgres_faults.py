"""PostgreSQL cut off at COMMIT, stopped and killed under load: what was acknowledged is there once."""

import asyncio
import statistics
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial

import msgspec

from qs.settings import Settings
from tests.proof.aftermath import aftermath
from tests.proof.cutting import Cut, Made
from tests.proof.cutting_process import CuttingProcess
from tests.proof.figures import Figures, Progress
from tests.proof.journal import Read, Write
from tests.proof.load import Load
from tests.proof.roles import ROLES
from tests.proof.servers import Servers
from tests.proof.working import working
from tests.proof.world import SUBSCRIPTIONS, World
from tests.support.waiting import eventually

CUTS = 200
RESTARTS = 30
RATE_PER_S = 50.0
BACK_WITHIN_S = 5.0
_SHARE = 0.1
_HOWS = ("fast", "killed", "immediate")
_LONGEST_AWAY_S = 1.0
_BETWEEN_S = (0.5, 1.5)
_LOOK_EVERY_S = 0.5
_PATIENCE_S = 120.0


async def commit_cuts(servers: Servers, seed: int, rounds_scale: float, progress: Progress) -> Figures:
    """200 connections cut at COMMIT at scale 1, before it, after it or at once, and as many of each role as of another."""
    of_each = max(1, round(CUTS * rounds_scale / len(ROLES)))
    wanted = of_each * len(ROLES)
    figures = Figures(seed)
    async with CuttingProcess(servers.database_url, seed=seed) as proxy:
        async with World(servers, seed, change=lambda settings: _by_way_of(settings, proxy)) as world:
            async with under_load(world) as load:
                await proxy.cut(_SHARE, of_each)
                cuts = await _all_made(proxy, wanted, progress)
                commits = await proxy.commits()
                roles = {child.pid: role for role in ROLES for child in world.alive(role)}
                await conclude(world, load, figures, repeated=len(cuts))
    made = Counter(each.cut for each in cuts)
    figures.add("COMMITs", commits)
    figures.add("connections cut at COMMIT", len(cuts), f"{wanted}", len(cuts) == wanted)
    for cut, where in ((Cut.BEFORE, "before it"), (Cut.AFTER, "after it"), (Cut.AT_ONCE, "at once")):
        figures.add(f"of them {where}", made[cut])
    for role, count in Counter(roles[each.client] for each in cuts).items():
        figures.add(f"of them of {role}", count)
    return figures


async def postgres_restarts(servers: Servers, seed: int, rounds_scale: float, progress: Progress) -> Figures:
    """30 restarts at scale 1: stopped in order, killed with SIGKILL, and stopped without a checkpoint, in turn."""
    wanted = max(1, round(RESTARTS * rounds_scale))
    figures = Figures(seed)
    backs: list[datetime] = []
    firsts: list[float] = []
    recoveries: list[float] = []
    async with World(servers, seed) as world, under_load(world) as load:
        for number in range(wanted):
            await asyncio.sleep(world.rng.uniform(*_BETWEEN_S))
            recoveries.append(await _restart(world, _HOWS[number % len(_HOWS)]))
            back = time.monotonic()
            backs.append(datetime.now(UTC))
            firsts.append(await eventually(partial(first_success, world, back), within=_PATIENCE_S))
            progress(f"{number + 1} of {wanted} restarts, first success after {firsts[-1]:.2f} s")
        await conclude(world, load, figures, repeated=wanted * world.settings.worker.concurrency)
        acted = [await _first_acted(world, back) for back in backs]
    figures.add("restarts", len(firsts))
    figures.add("seconds it needed to be ready itself: median", statistics.median(recoveries))
    figures.add("seconds until the first write acknowledged: median", statistics.median(firsts))
    figures.at_most("seconds until the first write acknowledged: worst", max(firsts), BACK_WITHIN_S)
    figures.add("seconds until every subscriber acted on something: median", statistics.median(acted))
    figures.add("seconds until every subscriber acted on something: worst", max(acted))
    return figures


@asynccontextmanager
async def under_load(world: World) -> AsyncIterator[Load]:
    """Every role runs and clients call; links have run out and occasions were missed as well."""
    # Whoever moves the clock does so past the proxy.
    settings = _at(world.settings, world.database_url)
    async with working(world, rate_per_s=RATE_PER_S, clients=24, settings=settings) as load:
        await load.advance(timedelta(days=2))
        yield load


async def _all_made(proxy: CuttingProcess, wanted: int, progress: Progress) -> Sequence[Made]:
    """The cuts, once there are so many and the COMMITs that come late have come."""
    deadline, told = time.monotonic() + _PATIENCE_S + 2 * wanted, 0
    while True:
        cuts = await proxy.cuts()
        if len(cuts) // 20 > told // 20 or len(cuts) == wanted:
            told = len(cuts)
            progress(f"{told} of {wanted} cuts")
        if len(cuts) == wanted and all(made.answer or made.cut is Cut.BEFORE for made in cuts):
            return cuts
        assert time.monotonic() < deadline, f"only {len(cuts)} of {wanted} cuts were made"
        await asyncio.sleep(_LOOK_EVERY_S)


async def conclude(world: World, load: Load, figures: Figures, repeated: int) -> None:
    """Stops the load and waits for quiet; everything that holds then is told by the figures."""
    # Whatever was sent and could not be recorded may come again.
    quiet_s, found = await aftermath(world, load, repeated=repeated)
    journal = world.journal
    died = [f"{role} has died" for role in ROLES if len(world.alive(role)) != 1]
    failed = [
        f"{each.kind} was answered with {each.status}"
        for each in journal.server_errors()
        if each.status != 503
    ]
    unsettled = [f"nobody knows what became of {each}" for each in journal.unsettled()]
    sent: list[Write | Read] = [*journal.writes, *journal.reads]
    answered = [each.answered_at - each.sent_at for each in sent if each.answered_at is not None]
    messages = len(world.webhooks.message_ids)
    (row,) = await world.fetch(
        "SELECT (SELECT count(*) FROM outbox) AS events, (SELECT count(*) FROM inbox WHERE state = 'dead') AS dead"
    )
    figures.add("requests", len(sent))
    figures.add("requests per second", len(sent) / (max(each.sent_at for each in sent) - sent[0].sent_at))
    figures.add("of them answered with 503", len(journal.server_errors()) - len(failed))
    figures.add("slowest answer in s", max(answered))
    figures.add("writes acknowledged", sum(1 for _ in journal.acknowledged()))
    figures.add("writes whose outcome had to be looked up", len(journal.unknown()))
    figures.add("events", row["events"])
    figures.add("messages", messages)
    figures.add("messages sent again", len(world.webhooks.arrivals) - messages)
    figures.add("dead letters", row["dead"], "0", row["dead"] == 0)
    figures.none_of("processes that died", died)
    figures.none_of("answers with another 5xx", failed)
    figures.none_of("writes of unknown outcome", unsettled)
    figures.add("seconds to quiet", quiet_s)
    figures.none_of("lost, doubled or otherwise wrong", found)


async def _restart(world: World, how: str) -> float:
    """PostgreSQL goes away for a while; the seconds it took from its start until it was ready."""
    if how == "killed":
        await world.servers.kill_postgres()
    else:
        await world.servers.stop_postgres(how)
    await asyncio.sleep(world.rng.uniform(0, _LONGEST_AWAY_S))
    began = time.monotonic()
    await world.servers.start_postgres()
    return time.monotonic() - began


async def first_success(world: World, back: float) -> float:
    """The seconds from then to the next acknowledgement; 0 so far."""
    return world.journal.first_success_after(back) or 0.0


async def _first_acted(world: World, back: datetime) -> float:
    """The seconds until each subscriber had acted on something."""
    rows = await world.fetch(
        "SELECT min(handled_at) AS at FROM inbox WHERE handled_at > $1 GROUP BY subscriber", back
    )
    assert len(rows) == len(SUBSCRIPTIONS), "a subscriber never acted on anything again"
    return float(max((row["at"] - back).total_seconds() for row in rows))


def _by_way_of(settings: Settings, proxy: CuttingProcess) -> Settings:
    assert settings.database.url is not None
    return _at(settings, proxy.address(settings.database.url))


def _at(settings: Settings, database_url: str) -> Settings:
    database = msgspec.structs.replace(settings.database, url=database_url, migration_url=database_url)
    return msgspec.structs.replace(settings, database=database)
