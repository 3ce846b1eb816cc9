"""Whole nodes of the job scheduler killed and started again, with the leases and waits of production."""

import asyncio
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from qs.application.scheduler.job_documents import read_job
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.domain.scheduler.job import JobSource
from tests.proof.children import Child
from tests.proof.figures import Figures, Progress
from tests.proof.jobs import WORKING_JOBS, violations
from tests.proof.roles import OF_JOBS
from tests.proof.servers import Servers
from tests.proof.world import World, as_installed
from tests.support.waiting import eventually

MINUTES = 10
NODES = 3
JOBS = 200
FIRING_WANTED_S = 2.0
RECOVERED_WANTED_S = 15.0
# The shortest stretch that still lets what one kill lost be taken over before the next.
_LEAST_KILLS = 2
_STARTS_WITHIN_S = 6.0
_QUIET_WITHIN_S = 90.0
_WORKS_MS = (0, 50, 2000, 6000, 10_000)
# Slots are due at full seconds, so a clock killed just after one is often in the middle of its claim.
_WHILE_FIRING_S = 0.03
_AFTERMATH = timedelta(seconds=10)

_SLOTS = """
SELECT e.scheduled_at, s.claimed_at, first.started_at, e.status
FROM job_execution e JOIN job_slot s ON s.tenant_id = e.tenant_id AND s.execution_id = e.id
LEFT JOIN job_attempt first ON first.tenant_id = e.tenant_id AND first.execution_id = e.id AND first.number = 1
WHERE e.fired_by = 'clock'"""
_LOST_ATTEMPTS = """
SELECT a.worker, a.started_at, a.finished_at, n.started_at AS again_at
FROM job_attempt a LEFT JOIN job_attempt n
    ON n.tenant_id = a.tenant_id AND n.execution_id = a.execution_id AND n.number = a.number + 1
WHERE a.outcome = 'lost'"""


@dataclass
class Node:
    """One machine: a clock and a worker of the jobs, which die together."""

    processes: Sequence[Child]

    @classmethod
    async def start(cls, world: World) -> "Node":
        return cls([await world.start(role) for role in OF_JOBS])

    async def kill(self) -> "Kill":
        """SIGKILL to all of it at once."""
        killed = Kill(datetime.now(UTC), frozenset(child.pid for child in self.processes))
        for child in self.processes:
            child.signal(signal.SIGKILL)
        for child in self.processes:
            await child.wait()
        return killed


@dataclass(frozen=True)
class Kill:
    """When, by the clock that PostgreSQL has as well, and which processes."""

    at: datetime
    pids: frozenset[int]


async def nodes(servers: Servers, seed: int, rounds_scale: float, progress: Progress) -> Figures:
    """Ten minutes at scale 1, never more: 200 jobs a minute, and in each minute one of three nodes is killed."""
    figures = Figures(seed)
    minutes = min(MINUTES, max(1, round(MINUTES * rounds_scale)))
    async with World(servers, seed, bug=WORKING_JOBS, scaled=False, change=as_installed) as world:
        running = [await Node.start(world) for _ in range(NODES)]
        first = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=6)
        await _seed(world, first, minutes)
        kills = await _kill_in_turn(world, running, first, minutes, progress)
        load = os.getloadavg()[1]
        await eventually(lambda: _over(world, JOBS * minutes), _QUIET_WITHIN_S)
        figures.add("minutes", minutes)
        figures.add("nodes killed and started again", len(kills))
        await _add_slots(figures, world, kills, JOBS * minutes)
        await _add_lost(figures, world, kills)
        figures.add("load of the machine, five minutes", load)
        figures.none_of("violations", await violations(world))
    return figures


async def _seed(world: World, first: datetime, minutes: int) -> None:
    """Jobs once a minute, a few at each second, of which the last is a minute before the end."""
    edge = timedelta(seconds=0.5)
    window = {
        "start_at": (first - edge).isoformat(),
        "end_at": (first + timedelta(minutes=minutes) - edge).isoformat(),
    }
    documents: list[dict[str, Any]] = [
        {
            "name": f"job {number}",
            "type": "cron",
            "schedule": f"{number * 60 // JOBS} * * * * *",
            "target": {"builtin": "hello_job"},
            "payload": {"ms": world.rng.choice(_WORKS_MS), "fails": []},
            "retry": {"max_attempts": 3},
            **window,
        }
        for number in range(JOBS)
    ]
    async with world.container() as container:
        await container.job_authoring().apply(
            DEFAULT_TENANT,
            [read_job(document) for document in documents],
            source=JobSource.STORED,
            owner=None,
            actor="tests:proof",
        )
    assert datetime.now(UTC) < first - edge, "the jobs were not written in time"


async def _kill_in_turn(
    world: World, running: list[Node], first: datetime, minutes: int, progress: Progress
) -> list[Kill]:
    """Kills a node somewhere in each stretch, and returns when the last slot is due."""
    kills: list[Kill] = []
    count = max(_LEAST_KILLS, minutes)
    stretch = timedelta(minutes=minutes) / count
    for number in range(count):
        at = first + stretch * (number + world.rng.uniform(0.15, 0.5))
        if number % 2:
            at = at.replace(microsecond=0) + timedelta(seconds=world.rng.uniform(0, _WHILE_FIRING_S))
        await _until(at)
        place = world.rng.randrange(len(running))
        kills.append(await running[place].kill())
        await asyncio.sleep(world.rng.uniform(_STARTS_WITHIN_S / 2, _STARTS_WITHIN_S))
        running[place] = await Node.start(world)
        progress(f"{number + 1} of {count} nodes killed and started again")
    await _until(first + timedelta(minutes=minutes))
    return kills


async def _add_slots(figures: Figures, world: World, kills: Sequence[Kill], expected: int) -> None:
    slots = await world.fetch(_SLOTS)
    figures.add("executions", len(slots), f"{expected}", len(slots) == expected)
    told = {(row["job_id"], row["scheduled_at"]) for row in await world.fetch(
        "SELECT job_id, scheduled_at FROM job_execution WHERE fired_by = 'clock' AND status <> 'missed'"
    )}  # fmt: skip
    figures.add("slots lost", expected - len(told), "0", len(told) == expected)
    figures.add("rows doubled", len(slots) - len(told), "0", len(slots) == len(told))
    others = sum(row["status"] != "succeeded" for row in slots)
    figures.add("executions that did not succeed", others, "0", others == 0)
    after: list[asyncpg.Record] = []
    else_: list[asyncpg.Record] = []
    for row in slots:
        near = any(
            kill.at - timedelta(seconds=1) <= row["scheduled_at"] <= kill.at + _AFTERMATH for kill in kills
        )
        (after if near else else_).append(row)
    for rows, when in ((after, "within 10 s after a kill"), (else_, "at other times")):
        fired = sorted((row["claimed_at"] - row["scheduled_at"]).total_seconds() for row in rows)
        started = sorted((row["started_at"] - row["scheduled_at"]).total_seconds() for row in rows)
        figures.add(f"slots due {when}", len(rows))
        if not rows:
            continue
        figures.add("  fired late: median s", fired[len(fired) // 2])
        figures.at_most("  fired late: worst s", fired[-1], FIRING_WANTED_S)
        figures.add("  begun late: worst s", started[-1])


async def _add_lost(figures: Figures, world: World, kills: Sequence[Kill]) -> None:
    """From the kill of the node that held an execution until its next attempt began."""
    attempts = await world.fetch(_LOST_ATTEMPTS)
    recovered, unexplained, never = [], 0, 0
    for attempt in attempts:
        pid = int(attempt["worker"].split(":")[1])
        died = [
            kill
            for kill in kills
            if pid in kill.pids and attempt["started_at"] <= kill.at <= attempt["finished_at"]
        ]
        if not died:
            unexplained += 1
        elif attempt["again_at"] is None:
            never += 1
        else:
            recovered.append((attempt["again_at"] - died[0].at).total_seconds())
    recovered.sort()
    figures.add("executions that died with their node", len(recovered) + never, "> 0", bool(recovered))
    figures.add("  never begun again", never, "0", never == 0)
    if recovered:
        figures.add("  begun again after: median s", recovered[len(recovered) // 2])
        figures.at_most("  begun again after: worst s", recovered[-1], RECOVERED_WANTED_S)
    figures.add("attempts lost although their node lived", unexplained, "0", unexplained == 0)


async def _over(world: World, expected: int) -> bool:
    (row,) = await world.fetch(
        "SELECT count(*) FILTER (WHERE finished_at IS NULL) AS active, sum(stands_for) AS slots FROM job_execution"
    )
    return bool(row["active"] == 0 and row["slots"] == expected)


async def _until(instant: datetime) -> None:
    deadline = time.monotonic() + (instant - datetime.now(UTC)).total_seconds()
    await asyncio.sleep(max(0.0, deadline - time.monotonic()))
