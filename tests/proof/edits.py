"""How soon an edit of a job is what the clock goes by, when it hears of it and when it does not."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import asyncpg

from qs.application.scheduler.job_documents import read_job
from qs.container import Container
from qs.domain.kernel.ids import DEFAULT_TENANT
from tests.proof.figures import Figures, Progress
from tests.proof.servers import Servers
from tests.proof.world import World, as_installed
from tests.support.waiting import eventually

EDITS = 100
HEARD_WANTED_S = 1.0
HEARD_USUALLY_S = 0.25
UNHEARD_WANTED_S = 10.0
_PATIENCE_S = 30.0
# What an edit asks for must still be to come when it is committed.
_AHEAD = timedelta(milliseconds=100)
_EVERY_S = 1.0

Hearing = Literal["heard", "cut", "deaf"]
"""The notification arrives; its connection is cut right before; its connection stands and nothing comes through."""

_LISTENING = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query ILIKE 'LISTEN %'"
_FIRED = "SELECT claimed_at FROM job_slot WHERE job_id = $1 AND scheduled_at = $2"
_TICKED = "SELECT count(DISTINCT job_id) = $2 FROM job_slot WHERE job_id = ANY($1)"
_AFTER_THE_END = (
    "SELECT count(*) FROM job_slot s JOIN job j ON j.tenant_id = s.tenant_id AND j.id = s.job_id"
    " WHERE NOT j.enabled AND s.claimed_at > j.updated_at"
)


@dataclass
class Found:
    """``late_s``: by how much a slot that an edit asked for was fired after the edit stood and the slot was due."""

    late_s: list[float] = field(default_factory=list)
    switched_off: int = 0
    fired_after: int = 0


async def edits(servers: Servers, seed: int, rounds_scale: float, progress: Progress) -> Figures:
    """100 edits at scale 1 in each way of hearing, side by side in worlds with production's waits and one clock each."""
    count = max(5, round(EDITS * rounds_scale))
    ways: tuple[Hearing, ...] = ("heard", "cut", "deaf")
    figures = Figures(seed)

    async def share(number: int) -> Found:
        world = World(servers, seed + number, scaled=False, redis_db=number, change=as_installed)
        async with world:
            found = await _edits(world, ways[number], count)
        progress(f"{count} edits {ways[number]}")
        return found

    found = dict(zip(ways, await asyncio.gather(*map(share, range(len(ways)))), strict=True))
    figures.add("edits in each way, of a job that the clock sleeps on", count)
    for way, each in found.items():
        late = sorted(each.late_s)
        if way == "heard":
            # Whoever hears nothing looks once a second all the same; this tells the two apart.
            figures.at_most("heard: acted on late, median s", late[len(late) // 2], HEARD_USUALLY_S)
        else:
            figures.add(f"{way}: acted on late, median s", late[len(late) // 2])
        figures.at_most(
            f"{way}: acted on late, worst s", late[-1], HEARD_WANTED_S if way == "heard" else UNHEARD_WANTED_S
        )
    off, fired = (
        sum(getattr(each, name) for each in found.values()) for name in ("switched_off", "fired_after")
    )
    figures.add("jobs switched off while they fired each second", off)
    figures.add("slots that were fired after that was committed", fired, "0", fired == 0)
    figures.add("load of the machine, one minute", os.getloadavg()[0])
    return figures


async def _edits(world: World, way: Hearing, count: int) -> Found:
    found = Found()
    await world.start("ticker")
    connection = await asyncpg.connect(world.database_url)
    try:
        async with world.container() as container, _hearing(connection, way, world) as before_each:
            job = await container.job_authoring().create(
                DEFAULT_TENANT, read_job(_once_at(datetime(2099, 1, 1, tzinfo=UTC))), actor="tests:proof"
            )
            while len(found.late_s) < count:
                # At any moment of the clock's sleep.
                await asyncio.sleep(world.rng.uniform(0, _EVERY_S))
                await before_each()
                late_s = await _late(container, connection, job.id)
                if late_s is not None:
                    found.late_s.append(late_s)
            found.switched_off, found.fired_after = await _switched_off(world, container, connection, count)
    finally:
        await connection.close()
    return found


async def _late(container: Container, connection: asyncpg.Connection, job_id: UUID) -> float | None:
    """Seconds; None where the edit took so long that what it asked for had passed."""
    at = datetime.now(UTC) + _AHEAD
    job = await container.job_authoring().change(
        DEFAULT_TENANT, job_id, read_job(_once_at(at)), version=None, actor="tests:proof"
    )
    committed_at = datetime.now(UTC)
    if job.next_slot is None:
        return None
    fired_at: datetime = await eventually(lambda: connection.fetchval(_FIRED, job_id, at), _PATIENCE_S)
    return (fired_at - max(at, committed_at)).total_seconds()


async def _switched_off(
    world: World, container: Container, connection: asyncpg.Connection, count: int
) -> tuple[int, int]:
    """How many jobs were switched off, each at any moment of its second, and how many slots were fired after it."""
    authoring = container.job_authoring()
    ids = [
        (
            await authoring.create(
                DEFAULT_TENANT, read_job(_each_second(f"ticking {number}")), actor="tests:proof"
            )
        ).id
        for number in range(count)
    ]
    await eventually(lambda: connection.fetchval(_TICKED, ids, count), _PATIENCE_S)
    for job_id in ids:
        await asyncio.sleep(world.rng.uniform(0, 0.1))
        await authoring.enable(DEFAULT_TENANT, job_id, False, version=None, actor="tests:proof")
    await asyncio.sleep(2 * _EVERY_S)
    return count, await connection.fetchval(_AFTER_THE_END)


@asynccontextmanager
async def _hearing(
    connection: asyncpg.Connection, way: Hearing, world: World
) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """What is to be done before each edit."""

    async def nothing() -> None:
        pass

    async def cut() -> None:
        listening = await _listening(connection)
        # Whoever has just begun to listen has just looked.
        await asyncio.sleep(world.rng.uniform(0, _EVERY_S))
        await connection.execute("SELECT pg_terminate_backend($1)", listening)

    listening = await _listening(connection)
    if way != "deaf":
        yield cut if way == "cut" else nothing
        return
    os.kill(listening, signal.SIGSTOP)
    try:
        yield nothing
    finally:
        # The clock first, which would else be told all of it at once.
        await world.kill("ticker")
        os.kill(listening, signal.SIGCONT)


async def _listening(connection: asyncpg.Connection) -> int:
    """The server's process behind the connection on which the clock listens."""
    pid: int = await eventually(lambda: connection.fetchval(_LISTENING), _PATIENCE_S)
    return pid


def _once_at(at: datetime) -> dict[str, Any]:
    return {"name": "edited", "type": "once", "schedule": at.isoformat(), "target": {"builtin": "hello_job"}}


def _each_second(name: str) -> dict[str, Any]:
    return {"name": name, "type": "duration", "schedule": "1s", "target": {"builtin": "hello_job"}}
