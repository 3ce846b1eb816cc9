"""Random kills under load."""

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta

from tests.proof.aftermath import aftermath
from tests.proof.figures import Figures, Progress
from tests.proof.laws.calls import again
from tests.proof.load import Load
from tests.proof.roles import ROLES
from tests.proof.servers import Servers
from tests.proof.traps import Trap
from tests.proof.world import World

ROUNDS = 500
RATE_PER_S = 60.0
_LONGEST_LIFE_S = 0.06
_TRAP_WAITS_S = 0.3
_STARTS_WITHIN_S = 2.0
# Of the kills so many are at a crash point; the others are at any instant.
_AT_A_POINT = 0.5
_WATCHED = 0.2
# Business time moves, so that links run out and more is due.
_DAY_EVERY = 50
_WATCH = Trap("")


@dataclass
class Outcome:
    """What random kills did."""

    seed: int
    rounds: int
    killed: Counter[str]
    """How many processes of each role were killed."""
    points: Counter[str] = field(default_factory=Counter)
    """How often a process was killed at each crash point, by ``role:point``."""
    vain: Counter[str] = field(default_factory=Counter)
    """How often it was waited for in vain."""
    events: int = 0
    opened: int = 0
    requests: int = 0
    unanswered: int = 0
    messages: int = 0
    duplicates: int = 0
    most_repeated: int = 0
    dead: int = 0
    violations: list[str] = field(default_factory=list)
    quiet_s: float = 0.0

    @property
    def kills(self) -> int:
        return self.killed.total()

    def figures(self) -> Figures:
        found = Figures(self.seed)
        found.add("rounds", self.rounds)
        found.add("kills", self.kills)
        found.add("of them at a crash point", self.points.total())
        found.add("different crash points", len(self.points))
        found.add("requests", self.requests)
        found.add("writes whose answer was lost", self.unanswered)
        found.add("events", self.events)
        found.add("tasks opened", self.opened)
        found.add("messages", self.messages)
        found.at_most("messages accepted and sent again", self.duplicates, self.most_repeated)
        found.add("dead letters", self.dead, "0", self.dead == 0)
        found.none_of("violations", self.violations)
        found.add("seconds to quiet", self.quiet_s)
        return found


async def kill_rounds(world: World, rounds: int, *, on_progress: Progress = lambda told: None) -> Outcome:
    """Kills a process of a random role in each round while there is work for all, then waits for quiet and checks."""
    began = time.monotonic()
    outcome = Outcome(world.seed, rounds, world.family.killed)
    for role in ROLES:
        await world.start(role, _WATCH)
    choices = random.Random(world.rng.random())
    async with Load(
        world.base_url, world.tokens, world.journal, choices, rate_per_s=RATE_PER_S, settings=world.settings
    ) as load:
        await load.seed()
        for number in range(1, rounds + 1):
            await _round(world, outcome)
            if number % _DAY_EVERY == 0:
                await load.advance(timedelta(days=1))
            if number % 25 == 0:
                on_progress(
                    f"{number} of {rounds} rounds, {outcome.kills} kills, {time.monotonic() - began:.0f} s"
                )
        for role in ROLES:
            await world.kill(role)
            await world.start(role)
        outcome.quiet_s, outcome.violations = await aftermath(world, load)
    await _count(world, outcome)
    return outcome


async def kills(servers: Servers, seed: int, rounds_scale: float, progress: Progress) -> Figures:
    """500 rounds at scale 1."""
    async with World(servers, seed) as world:
        outcome = await kill_rounds(world, max(1, round(ROUNDS * rounds_scale)), on_progress=progress)
    return outcome.figures()


async def _round(world: World, outcome: Outcome) -> None:
    rng = world.rng
    role = rng.choice(ROLES)
    points = sorted(world.family.passed.get(role, ()))
    if points and rng.random() < _AT_A_POINT:
        # Some are passed seldom, and waiting for them in vain is a kill at any instant again.
        weights = [1 / (1 + 2 * outcome.vain[f"{role}:{point}"]) for point in points]
        (point,) = rng.choices(points, weights)
        await world.kill(role)
        child = await world.start(role, Trap(point, nth=rng.choice((1, 1, 1, 2, 3))))
        began = time.monotonic()
        await child.working(_STARTS_WITHIN_S)
        # A machine that is slow to start it is slow to bring it to the point.
        if await child.sprung(max(_TRAP_WAITS_S, 3 * (time.monotonic() - began))):
            await child.wait()
            outcome.points[f"{role}:{point}"] += 1
        else:
            outcome.vain[f"{role}:{point}"] += 1
    else:
        await asyncio.sleep(rng.uniform(0, _LONGEST_LIFE_S))
    await world.kill(role)
    # Watched now and then, so that points which are passed seldom become known too.
    await world.start(role, _WATCH if rng.random() < _WATCHED else None)


async def _count(world: World, outcome: Outcome) -> None:
    row = (
        await world.fetch(
            "SELECT (SELECT count(*) FROM outbox) AS events,"
            " (SELECT count(*) FROM task WHERE opened_at IS NOT NULL) AS opened,"
            " (SELECT count(*) FROM inbox WHERE state = 'dead') AS dead"
        )
    )[0]
    outcome.events, outcome.opened, outcome.dead = row["events"], row["opened"], row["dead"]
    outcome.requests = len(world.journal.writes) + len(world.journal.reads)
    outcome.unanswered = sum(write.status is None for write in world.journal.writes)
    outcome.messages = len(world.webhooks.message_ids)
    outcome.most_repeated = world.most_repeated
    outcome.duplicates = again(world.webhooks.arrivals)
