"""Events that no subscriber can act on: they end as dead letters, hold nobody up, and are acted on once they are mended.

Some cannot be read, others kill the process that handles them.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import msgspec

from qs.application.kernel.cloud_events import PublishedEvent
from qs.application.kernel.subscriptions import Subscription
from qs.application.notification.announcing import Announcing
from qs.application.webhook.fanning_out import FanningOut
from qs.settings import Settings
from tests.proof.aftermath import aftermath
from tests.proof.figures import Figures, Progress
from tests.proof.servers import Servers
from tests.proof.working import working
from tests.proof.world import SUBSCRIPTIONS, World
from tests.support.waiting import eventually

EVENTS = 50
DEADLY = 10
RATE_PER_S = 40.0
ATTEMPTS = 5
_PATIENCE_S = 120.0
_LOOK_EVERY_S = 0.05

# A trigger is the only way to be there before the relay and the subscribers are.
_POISON = """
CREATE TABLE poisoned (id uuid PRIMARY KEY, data json NOT NULL);
CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF new.name = 'TaskOpened' AND (SELECT count(*) FROM poisoned) < {count} AND random() < 0.3 THEN
        INSERT INTO poisoned VALUES (new.id, new.data);
        new.data = {data};
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER poison BEFORE INSERT ON outbox FOR EACH ROW EXECUTE FUNCTION poison();
"""
_MEND = "UPDATE outbox o SET data = p.data FROM poisoned p WHERE p.id = o.id"
_DEAD = """
SELECT count(*) AS dead, count(*) FILTER (WHERE i.error IS NULL) AS unexplained,
    count(*) FILTER (WHERE NOT EXISTS (SELECT FROM poisoned p WHERE p.id = i.event_id)) AS innocent
FROM inbox i WHERE i.state = 'dead'
"""


_UNREADABLE = """'{"plan_id": 7}'"""
# The zone is handed on to the text of a message; one of that name there is none.
_KILLER = "Deadly/Event"
_KILLING = f"jsonb_set(new.data::jsonb, '{{timezone}}', '\"{_KILLER}\"')"
KILLED_BY_EVENTS = "killed-by-events"
"""The change to the product with which deadly events kill the processes of one subscriber."""


def killed_by_events() -> None:
    """Whoever announces a deadly event dies of it."""
    handle = Announcing.handle

    async def dying(self: Announcing, uow: Any, events: Sequence[PublishedEvent]) -> None:
        if any(_KILLER in event.data for event in events):
            os.kill(os.getpid(), signal.SIGKILL)
        await handle(self, uow, events)

    Announcing.handle = dying  # type: ignore[method-assign]


async def poison(servers: Servers, seed: int, rounds_scale: float, progress: Progress) -> Figures:
    """50 events that nobody can read at scale 1, among all others of a load."""
    count = max(3, round(EVENTS * rounds_scale))
    # Where there is no endpoint, nobody reads what would be posted.
    readers = [each for each in SUBSCRIPTIONS if each.subscriber != FanningOut.subscription.subscriber]
    return await _poisoned_by(servers, seed, count, _UNREADABLE, readers, None, progress)


async def deadly(servers: Servers, seed: int, rounds_scale: float, progress: Progress) -> Figures:
    """10 events at scale 1 that kill each process of the notifications that handles them; others start it again."""
    count = max(2, round(DEADLY * rounds_scale))
    subscriptions = [each for each in SUBSCRIPTIONS if each.subscriber == Announcing.subscription.subscriber]
    return await _poisoned_by(servers, seed, count, _KILLING, subscriptions, KILLED_BY_EVENTS, progress)


async def _poisoned_by(
    servers: Servers,
    seed: int,
    count: int,
    data: str,
    subscriptions: Sequence[Subscription],
    change: str | None,
    progress: Progress,
) -> Figures:
    figures = Figures(seed)
    async with World(servers, seed, bug=change, change=_five_attempts) as world:
        await _execute(world, _POISON.format(count=count, data=data))
        async with working(world, rate_per_s=RATE_PER_S) as load, _kept_alive(world, "notifications"):
            await eventually(lambda: _poisoned(world, count), _PATIENCE_S)
            progress("enough events are poisoned")
            await load.stop()
            await world.quiet(_PATIENCE_S)
            await _tell_of_the_dead(world, figures, len(subscriptions))
            if change is not None:
                figures.add("processes killed by them", world.kills)
            progress("they are mended and given new attempts")
            await _execute(world, _MEND)
            await _revive(world)
            quiet_s, violations = await aftermath(world, load)
        (row,) = await world.fetch(_DEAD)
        figures.add("seconds until they were acted on", quiet_s)
        figures.add("dead letters left", row["dead"], "0", row["dead"] == 0)
        figures.none_of("violations, statistics among them", violations)
    return figures


@asynccontextmanager
async def _kept_alive(world: World, role: str) -> AsyncIterator[None]:
    """A process of the role is started whenever there is none, as a supervisor does."""

    async def keep() -> None:
        while True:
            if not world.alive(role):
                await world.start(role)
            await asyncio.sleep(_LOOK_EVERY_S)

    keeping = asyncio.create_task(keep())
    try:
        yield
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


async def _tell_of_the_dead(world: World, figures: Figures, subscribers: int) -> None:
    (row,) = await world.fetch("SELECT count(*) AS count FROM poisoned")
    figures.add("poisoned events", row["count"])
    wanted = subscribers * row["count"]
    (row,) = await world.fetch(_DEAD)
    figures.add("dead letters, one for each subscriber", row["dead"], f"{wanted}", row["dead"] == wanted)
    figures.add("of them without a reason", row["unexplained"], "0", row["unexplained"] == 0)
    figures.add("other events among them", row["innocent"], "0", row["innocent"] == 0)


async def _revive(world: World) -> None:
    async with world.container() as container:
        replay = container.event_replay()
        for tenant_id in await container.counted_tenants().epochs():
            for subscription in SUBSCRIPTIONS:
                await replay.revive(tenant_id, subscription.subscriber, actor="tests:proof")


async def _poisoned(world: World, count: int) -> bool:
    (row,) = await world.fetch("SELECT count(*) AS count FROM poisoned")
    return int(row["count"]) >= count


async def _execute(world: World, statements: str) -> None:
    connection = await asyncpg.connect(world.database_url)
    try:
        await connection.execute(statements)
    finally:
        await connection.close()


def _five_attempts(settings: Settings) -> Settings:
    return msgspec.structs.replace(
        settings, events=msgspec.structs.replace(settings.events, max_attempts=ATTEMPTS)
    )
