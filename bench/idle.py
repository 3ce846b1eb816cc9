"""What watching over many stored jobs costs while none of them is due."""

import asyncio
import os
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import psutil

from bench import stored_jobs
from bench.cpu import used
from bench.processes import running
from bench.world import World
from qs.domain.kernel.ids import DEFAULT_TENANT

ROLES = ("ticker", "executions")
# Of one core, in percent: the processes of qs together.
_MOST = 2.0
_READY_WITHIN_S = 60.0
_SETTLED_WITHIN_S = 600.0
# At its start a ticker compares what is declared with what is stored; it has settled when for so long no look finds work.
_QUIET_LOOKS = 10
_LOOK_EVERY_S = 1.0
_TRIED_EVERY_S = 0.2
_LONG = """
SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'
  AND pid <> pg_backend_pid() AND clock_timestamp() - xact_start > interval '500 milliseconds')"""
_ALIVE = "SELECT count(DISTINCT role) FROM worker_heartbeat WHERE seen_at > clock_timestamp() - interval '10 seconds'"


@dataclass(slots=True)
class Idling:
    """Seconds of processor time over ``seconds``, by process of qs and by server; ``alone`` is that of the servers before."""

    jobs: int
    seconds: float
    processes: Mapping[str, float]
    servers: Mapping[str, float]
    alone: Mapping[str, float]
    load: float
    notes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def percent(self) -> float:
        """Of one core: the processes of qs together."""
        return self._percent(sum(self.processes.values()))

    def _percent(self, seconds: float) -> float:
        return round(100 * seconds / self.seconds, 2)

    def lines(self) -> list[str]:
        reached = "reached" if self.percent < _MOST else "MISSED"
        shown = [f"idle (percent of one core, {self.jobs:,} jobs of which none is due, {self.seconds:.0f} s)"]
        shown.append(f"  {'qs':<26} {self.percent:<28.2f} wanted less than {_MOST:.0f}: {reached}")
        shown += [f"  {'  ' + name:<26} {self._percent(each):.2f}" for name, each in self.processes.items()]
        shown += [
            f"  {name:<26} {self._percent(each):<28.2f} {self._percent(self.alone[name]):.2f} alone"
            for name, each in self.servers.items()
        ]
        return [*shown, *(f"  {name}: {each}" for name, each in self.notes.items()), f"  load: {self.load}"]

    def document(self) -> dict[str, Any]:
        return {
            "case": "idle",
            "unit": "percent of one core",
            "jobs": self.jobs,
            "seconds": round(self.seconds, 1),
            "qs": self.percent,
            "processes": {name: self._percent(each) for name, each in self.processes.items()},
            "servers": {name: self._percent(each) for name, each in self.servers.items()},
            "servers_alone": {name: self._percent(each) for name, each in self.alone.items()},
            "goals": [
                {"subject": "qs", "most": _MOST, "value": self.percent, "reached": self.percent < _MOST}
            ],
            "load": self.load,
            "notes": dict(self.notes),
        }


async def idling(world: World, jobs: int, seconds: float) -> Idling:
    """Measures ``qs worker`` with the roles ``ticker`` and ``executions`` over so many seconds, no job being due in them.

    Raises:
        RuntimeError: something was fired, or a role was not there, so the figures mean nothing.
    """
    await stored_jobs.store(world.admin, _daily(jobs))
    servers = {each.name(): each for each in world.cpu.servers}
    alone, _ = await _used_in(servers, seconds)
    command = [sys.executable, "-m", "qs", "worker", "--roles", ",".join(ROLES)]
    async with running(command, world.environment(), log=world.home / "worker.log") as supervisor:
        await _alive(world)
        settled_s, settling = await _settled(world, supervisor.pid)
        ours = dict(_processes(supervisor.pid))
        both, elapsed = await _used_in(servers | ours, seconds)
        await _alive(world)
    fired = await world.admin.fetchval("SELECT count(*) FROM job_execution")
    stored = await world.admin.fetchval("SELECT count(*) FROM job WHERE tenant_id = $1", DEFAULT_TENANT)
    if fired or stored != jobs:
        raise RuntimeError(f"idle: {fired} executions of {stored} jobs, not 0 of {jobs}")
    return Idling(
        jobs,
        elapsed,
        {name: both[name] for name in ours},
        {name: both[name] for name in servers},
        alone,
        round(os.getloadavg()[0], 2),
        {
            "seconds until settled": round(settled_s, 1),
            "processor seconds of qs and PostgreSQL until then": round(settling, 1),
        },
    )


def _daily(count: int) -> Iterator[tuple[dict[str, Any], datetime]]:
    """Jobs that fire once a day, spread over the minutes of the 22 hours that begin in an hour."""
    start = datetime.now(UTC).replace(second=0, microsecond=0) + timedelta(hours=1)
    for number in range(count):
        slot = start + timedelta(minutes=number % (22 * 60))
        yield (
            {
                "name": f"job {number}",
                "type": "cron",
                "schedule": f"{slot.minute} {slot.hour} * * *",
                "timezone": "UTC",
                "target": {"builtin": {"name": "hello_job"}},
            },
            slot,
        )


def _processes(supervisor: int) -> Iterator[tuple[str, psutil.Process]]:
    """The supervisor by itself and each role, by name."""
    parent = psutil.Process(supervisor)
    yield "supervisor", parent
    for child in parent.children():
        yield child.cmdline()[-1], child


async def _used_in(processes: Mapping[str, psutil.Process], seconds: float) -> tuple[dict[str, float], float]:
    """What each has used of the processor in so many seconds, and how many they really were."""
    before, began = {name: _own(name, each) for name, each in processes.items()}, time.monotonic()
    await asyncio.sleep(seconds)
    after, elapsed = {name: _own(name, each) for name, each in processes.items()}, time.monotonic() - began
    return {name: after[name] - before[name] for name in processes}, elapsed


def _own(name: str, process: psutil.Process) -> float:
    """With all it started, but for the supervisor, whose children are counted one by one."""
    if name != "supervisor":
        return used(process)
    times = process.cpu_times()
    return float(times.user + times.system)


async def _alive(world: World) -> None:
    async with asyncio.timeout(_READY_WITHIN_S):
        while await world.admin.fetchval(_ALIVE) < len(ROLES):
            await asyncio.sleep(_TRIED_EVERY_S)


async def _settled(world: World, supervisor: int) -> tuple[float, float]:
    """Returns when what is done once at the start is done: how many seconds that took, and of the processor.

    The seconds in which it was looked whether anything goes on are among them.
    """
    postgres = [each for each in world.cpu.servers if each.name() == "postgres"]
    used_before, began, quiet = sum(map(used, postgres)), time.monotonic(), 0
    async with asyncio.timeout(_SETTLED_WITHIN_S):
        while quiet < _QUIET_LOOKS:
            await asyncio.sleep(_LOOK_EVERY_S)
            quiet = 0 if await world.admin.fetchval(_LONG) else quiet + 1
    spent = sum(map(used, postgres)) - used_before + used(psutil.Process(supervisor))
    return time.monotonic() - began, spent
