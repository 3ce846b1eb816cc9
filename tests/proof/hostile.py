"""Receivers that fail half the time, in every way but for good, while whoever sends to them is killed."""

import random
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from uuid import UUID

from qs.application.webhook.recording import _FULL
from tests.proof.figures import Figures, Progress
from tests.proof.kills import ROUNDS, kill_rounds
from tests.proof.laws import calls
from tests.proof.servers import Servers
from tests.proof.webhooks import Told, WebhookLog
from tests.proof.world import World
from tests.support.receivers import ENDLESS, HANG

_AGAIN = {"Retry-After": "1"}
# Silence costs a deadline each time, and one that asks for a pause is left alone as a whole, so there is little of both.
_FAILURES: Sequence[tuple[int, Told]] = (
    (40, Told(500)),
    (4, Told(503, headers=_AGAIN)),
    (2, Told(429, headers=_AGAIN)),
    (20, Told(408)),
    (12, Told(raw=b"")),
    (12, Told(raw=b"no answer as HTTP has it\r\n\r\n")),
    (8, Told(status=200, delay_s=0.4)),
    (1, Told(raw=HANG)),
    (1, Told(raw=ENDLESS)),
)


def failing_half(rng: random.Random) -> Callable[[str], Told]:
    """Answers of a receiver that accepts every second message; what it refuses it may accept the next time."""
    weights, failures = zip(*_FAILURES, strict=True)

    def answer(message_id: str) -> Told:
        return Told() if rng.random() < 0.5 else rng.choices(failures, weights)[0]

    return answer


@dataclass(frozen=True)
class Listening:
    """An endpoint of a tenant and what arrives there."""

    endpoint_id: UUID
    log: WebhookLog


async def listening(
    world: World, stack: AsyncExitStack, answer: Callable[[str], Told] | None
) -> list[Listening]:
    """One endpoint for every event of each tenant, which gets what happens from now on."""
    made = []
    async with world.container() as container:
        for tenant in world.tokens:
            log = await stack.enter_async_context(WebhookLog())
            log.choose = answer
            new = await container.webhook_keeping().create(
                UUID(tenant), "listening", log.url, ["*"], actor="test"
            )
            log.trust(new.secret)
            made.append(Listening(new.endpoint.id, log))
    return made


async def hostile(servers: Servers, seed: int, rounds_scale: float, progress: Progress) -> Figures:
    """500 kills at scale 1; messages and events go to receivers of which every second call fails."""
    rng = random.Random(seed)
    async with AsyncExitStack() as stack:
        world = await stack.enter_async_context(World(servers, seed))
        world.webhooks.choose = failing_half(rng)
        failing = await listening(world, stack, failing_half(rng))
        fair = await listening(world, stack, None)
        outcome = await kill_rounds(world, max(1, round(ROUNDS * rounds_scale)), on_progress=progress)
        # Whoever is killed leaves what is in the air, and what was answered and waits to be written down.
        most_again = world.family.killed["notifications"] * (world.settings.webhooks.per_endpoint + _FULL)
        broken = await calls.broken(world.database_url)
        for each in (*failing, *fair):
            broken += await calls.broken_by_arrivals(
                world.database_url, str(each.endpoint_id), each.log.arrivals, most_again
            )
            broken += [f"I5: a call of endpoint {each.endpoint_id} is not signed" for _ in each.log.forged]
        outcome.violations += broken
        found = outcome.figures()
        heard = [arrival for each in (*failing, *fair) for arrival in each.log.arrivals]
        refused = [each for each in world.webhooks.arrivals if not 200 <= each.status < 300]
        found.add("messages that were refused", len(refused))
        found.add("calls of webhook endpoints", len(heard))
        found.add("of them refused", sum(not 200 <= each.status < 300 for each in heard))
        found.add("of them accepted again", sum(calls.again(each.log.arrivals) for each in (*failing, *fair)))
        return found
