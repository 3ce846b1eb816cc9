"""A world at work: a process in every role, and clients that call."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.proof.load import Load
from tests.proof.roles import ROLES
from tests.proof.world import World


@asynccontextmanager
async def working(world: World, *, rate_per_s: float, **load: Any) -> AsyncIterator[Load]:
    """Every role runs and clients call as long as the block lasts; ``load`` are more terms of the load."""
    for role in ROLES:
        if not world.alive(role):
            await world.start(role)
    rng = random.Random(world.rng.random())
    async with Load(
        world.base_url, world.tokens, world.journal, rng, rate_per_s=rate_per_s, **load
    ) as calling:
        await calling.seed()
        yield calling
