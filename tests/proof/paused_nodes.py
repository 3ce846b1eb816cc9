"""Workers stopped while they hold an execution, that wake when another has taken it over and ended it."""

import asyncio
import signal
from dataclasses import dataclass
from enum import Enum
from uuid import UUID

import asyncpg

from qs.application.scheduler.job_documents import read_job
from qs.container import Container
from qs.domain.kernel.ids import DEFAULT_TENANT
from tests.proof.figures import Figures, Progress
from tests.proof.jobs import WORKING_JOBS, violations
from tests.proof.servers import Servers
from tests.proof.traps import Trap
from tests.proof.world import World
from tests.support.waiting import eventually

ROUNDS = 100
_WORLDS = 5
# Stopped in the middle of its work, it has long done it when it wakes, and writes before it can learn anything else.
_WORKS_MS = 1000
_STOPPED_WITHIN_S = (0.1, 0.4)
_PATIENCE_S = 60.0
_REFUSED_WITHIN_S = 15.0
# Each so many rounds the holder stops in the middle of the transaction that writes the end, with the row locked; the
# server ends that transaction after five seconds.
_IN_ITS_WRITE_EVERY = 5
_IN_ITS_WRITE = "run.end.before_commit"
# Every other round it wakes while the other is still at work, when nothing but the epoch tells the two apart.

# With the versions of the rows, so that no write at all goes unseen.
_AS_IT_STANDS = """
SELECT (SELECT e.xmin::text || e::text FROM job_execution e WHERE e.id = $1)
    || (SELECT string_agg(a.xmin::text || a::text, ' ' ORDER BY a.number) FROM job_attempt a WHERE a.execution_id = $1)"""
_HELD = "SELECT attempt = $2 FROM job_execution WHERE id = $1 AND status = 'running'"
_OVER = "SELECT finished_at FROM job_execution WHERE id = $1 AND finished_at IS NOT NULL"
# The second attempt alone did it, whatever the first one wrote or wished to.
_ENDED_BY_THE_OTHER = """
SELECT e.status = 'succeeded' AND e.attempt = 2 AND e.lost_attempts = 1 AND e.result = '{"attempt": 2}'
    AND ARRAY['lost', 'succeeded'] = (SELECT array_agg(a.outcome ORDER BY a.number) FROM job_attempt a
                                      WHERE a.execution_id = e.id)
FROM job_execution e WHERE e.id = $1"""
_REFUSED = "SELECT at FROM audit WHERE action = 'execution.end_refused' AND object_id = $1 AND detail ->> 'epoch' = '1'"


class When(Enum):
    """Where the holder slept, and when it woke."""

    IN_ITS_WRITE = "asleep in the middle of the write"
    AT_WORK = "awake while the other was at work"
    ENDED = "awake when the other had ended it"


@dataclass(frozen=True)
class Woken:
    """One round: whether the late write was refused, whether anything became of it, and how the late one ended."""

    when: When
    refused: bool
    accepted: bool
    exit_code: int


async def paused_nodes(servers: Servers, seed: int, rounds_scale: float, progress: Progress) -> Figures:
    """100 rounds at scale 1, side by side in five worlds, since most of the time is waiting."""
    rounds = max(_IN_ITS_WRITE_EVERY, round(ROUNDS * rounds_scale))
    worlds = min(_WORLDS, rounds // _IN_ITS_WRITE_EVERY)

    async def share(number: int) -> tuple[list[Woken], list[str]]:
        async with World(servers, seed + number, bug=WORKING_JOBS, redis_db=number) as world:
            found = await rounds_of(world, rounds // worlds + (number < rounds % worlds), progress)
            return found, await violations(world)

    shares = await asyncio.gather(*map(share, range(worlds)))
    found = [each for own, _ in shares for each in own]
    came = sum(each.refused or each.accepted for each in found)
    refused, accepted = (sum(getattr(each, name) for each in found) for name in ("refused", "accepted"))
    figures = Figures(seed)
    figures.add("workers stopped past their lease, taken over, woken", len(found))
    for when in When:
        figures.add(f"  {when.value}", sum(each.when is when for each in found))
    figures.add("late writes that came", came, f"{len(found)}", came == len(found))
    figures.add("late writes that were refused and audited", refused, f"{came}", refused == came)
    figures.add("late writes accepted", accepted, "0", accepted == 0)
    clean = sum(each.exit_code == 0 for each in found)
    figures.add("that worked on and ended in order when asked", clean, f"{len(found)}", clean == len(found))
    figures.none_of("violations", [each for _, own in shares for each in own])
    return figures


async def rounds_of(world: World, rounds: int, progress: Progress) -> list[Woken]:
    found: list[Woken] = []
    # The clock has nothing to fire; it is who finds what was lost.
    await world.start("ticker")
    connection = await asyncpg.connect(world.database_url)
    try:
        async with world.container() as container:
            job = await container.job_authoring().create(
                DEFAULT_TENANT,
                read_job(
                    {
                        "name": "when asked",
                        "type": "once",
                        "schedule": "2099-01-01T00:00:00Z",
                        "target": {"builtin": "hello_job"},
                        "payload": {"ms": _WORKS_MS, "fails": []},
                    }
                ),
                actor="tests:proof",
            )
            for number in range(rounds):
                when = (When.ENDED, When.AT_WORK)[number % 2]
                if number % _IN_ITS_WRITE_EVERY == _IN_ITS_WRITE_EVERY - 1:
                    when = When.IN_ITS_WRITE
                found.append(await _once(world, container, connection, job.id, when))
                if (number + 1) % 5 == 0:
                    progress(f"{number + 1} of {rounds} woken in world {world.seed}")
    finally:
        await connection.close()
    return found


async def _once(
    world: World, container: Container, connection: asyncpg.Connection, job_id: UUID, when: When
) -> Woken:
    """1. The only worker there is takes the execution, and is stopped. 2. A second one is started, and takes it over.
    3. The first one wakes: its work is long done, and so it writes. 4. The second one ends what it took, if it had not.
    """  # fmt: skip
    trap = Trap(_IN_ITS_WRITE, action="freeze") if when is When.IN_ITS_WRITE else None
    holder = await world.start("executions", trap)
    execution = await container.job_operating().run(DEFAULT_TENANT, job_id, actor="tests:proof")
    await eventually(lambda: connection.fetchval(_HELD, execution.id, 1), _PATIENCE_S)
    if trap is not None:
        assert await holder.sprung(_PATIENCE_S), "the holder never came to write"
    else:
        await asyncio.sleep(world.rng.uniform(*_STOPPED_WITHIN_S))
        holder.signal(signal.SIGSTOP)
    other = await world.start("executions")
    if when is When.AT_WORK:
        await eventually(lambda: connection.fetchval(_HELD, execution.id, 2), _PATIENCE_S)
    else:
        await eventually(lambda: connection.fetchval(_OVER, execution.id), _PATIENCE_S)
    before = await connection.fetchval(_AS_IT_STANDS, execution.id)
    holder.signal(signal.SIGCONT)
    refused = await _refused(connection, execution.id)
    exit_code = await holder.stop()
    await eventually(lambda: connection.fetchval(_OVER, execution.id), _PATIENCE_S)
    touched = when is not When.AT_WORK and await connection.fetchval(_AS_IT_STANDS, execution.id) != before
    accepted = touched or not await connection.fetchval(_ENDED_BY_THE_OTHER, execution.id)
    await other.stop()
    return Woken(when, refused, accepted, exit_code)


async def _refused(connection: asyncpg.Connection, execution_id: UUID) -> bool:
    """Whether the late write came and was refused."""
    try:
        await eventually(lambda: connection.fetchval(_REFUSED, execution_id), _REFUSED_WITHIN_S)
    except AssertionError:
        return False
    return True
