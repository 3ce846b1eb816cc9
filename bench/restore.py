"""How long `qs backup` and `qs restore` take, beside pg_dump and pg_restore of the same database in the same round."""

import os
import secrets
import shutil
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import msgspec

from bench import large_seed, seeding
from bench.harness import spread, summary
from bench.processes import told
from bench.world import World
from qs.infra.postgres.backup.programs import find_program, run

_EVENTS_OF_TASKS = 10
# A restored copy beside the database, and two dumps.
_ROOM_FOR = 3
_JOBS = 2
_DUMP, _READ = "pg_dump", "pg_restore"
_BACKUP, _RESTORE, _VERIFIED = "qs backup", "qs restore --no-verify", "qs restore, verified"
# What is held against what.
_BARE: Mapping[str, str] = {_BACKUP: _DUMP, _RESTORE: _READ, _VERIFIED: _READ}


@dataclass(slots=True)
class Restored:
    """Seconds of each step by round; ``database`` and ``folder`` are bytes."""

    tasks: int
    database: int
    seconds: Mapping[str, list[float]] = field(
        default_factory=lambda: {step: [] for step in (_DUMP, _READ, *_BARE)}
    )
    folder: int = 0
    loads: list[float] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)

    def ratios(self, step: str) -> list[float]:
        """How many times as long ours took as the bare program in the same round."""
        return [ours / bare for ours, bare in zip(self.seconds[step], self.seconds[_BARE[step]], strict=True)]

    def mb_per_s(self, step: str) -> float:
        """Of the database as it lies on the disk, indexes included."""
        return self.database / 1e6 / median(self.seconds[step])

    def lines(self) -> list[str]:
        shown = [f"restore (s, {self.tasks:,} tasks, {self.database / 1e9:.2f} GB as a database)"]
        for step, seconds in self.seconds.items():
            times = f"{spread(self.ratios(step), '{:.2f}')} times {_BARE[step]}" if step in _BARE else ""
            rate = f"{self.mb_per_s(step):,.0f} MB/s"
            shown.append(f"  {step:<26} {spread(seconds, '{:,.1f}'):<28} {rate:>10}  {times}".rstrip())
        return [*shown, *(f"  {name}: {each}" for name, each in self.notes.items())]

    def document(self) -> dict[str, Any]:
        return {
            "case": "restore",
            "unit": "s",
            "tasks": self.tasks,
            "database_bytes": self.database,
            "folder_bytes": self.folder,
            "seconds": {step: summary(each) for step, each in self.seconds.items()},
            "mb_per_s": {step: round(self.mb_per_s(step), 1) for step in self.seconds},
            "ratio_to_bare": {step: summary(self.ratios(step)) for step in _BARE},
            "load": summary(self.loads),
            "notes": self.notes,
        }


async def moved(world: World, tasks: int, rounds: int) -> Restored:
    """Backs up and restores a database with so many tasks; each round all of it, ours first in every other one.

    Raises:
        TooLittleRoom: the disk is too small for it; nothing was seeded.
        RuntimeError: a restored database was not as it was.
    """
    large_seed.check_room(Path(await world.admin.fetchval("SHOW data_directory")), tasks * _ROOM_FOR)
    tenant_id = await seeding.tenant(world.admin, "large")
    await large_seed.seed(world.admin, tenant_id, tasks)
    await seeding.events(world.admin, tenant_id, tasks // _EVENTS_OF_TASKS, 0)
    size = await world.admin.fetchval("SELECT pg_database_size(current_database())")
    found = Restored(tasks, size, notes={"tables read at a time": _JOBS})
    for number in range(rounds):
        for each in (_bare, _ours)[:: -1 if number % 2 else 1]:
            await each(world, found)
        found.loads.append(os.getloadavg()[0])
        print(f"  restore: round {number + 1} of {rounds}", file=sys.stderr, flush=True)
    return found


async def _bare(world: World, found: Restored) -> None:
    folder = world.home / "bare"
    dump = ["--format=directory", f"--jobs={_JOBS}", "--no-owner", "--no-password", f"--file={folder}"]
    began = time.perf_counter()
    await run(find_program("pg_dump"), dump, world.dsn)
    found.seconds[_DUMP].append(time.perf_counter() - began)
    read = [
        "--no-owner",
        "--single-transaction",
        "--exit-on-error",
        "--no-password",
        "--dbname=",
        str(folder),
    ]
    async with _empty(world) as dsn:
        began = time.perf_counter()
        await run(find_program("pg_restore"), read, dsn)
        found.seconds[_READ].append(time.perf_counter() - began)
    shutil.rmtree(folder)


async def _ours(world: World, found: Restored) -> None:
    folder = world.home / "ours"
    seconds, answer = await _said(world, world.dsn, "backup", str(folder), f"--jobs={_JOBS}")
    found.seconds[_BACKUP].append(seconds)
    found.folder = answer["bytes"]
    for step, options in ((_RESTORE, ("--no-verify",)), (_VERIFIED, ())):
        async with _empty(world) as dsn:
            seconds, answer = await _said(world, dsn, "restore", str(folder), "--empty-redis", *options)
        found.seconds[step].append(seconds)
    found.notes |= {"rows": answer["rows"], "audit": answer["audit"], "statistics": answer["statistics"]}
    found.notes["folder, MB"] = round(found.folder / 1e6, 1)
    shutil.rmtree(folder)


async def _said(world: World, dsn: str, *arguments: str) -> tuple[float, Any]:
    """Seconds that this verb of ``qs`` took in a process of its own, and what it answered."""
    environment = {**world.environment(), "QS_DATABASE_URL": dsn, "QS_LOG_LEVEL": "warning"}
    began = time.perf_counter()
    output = await told("qs", environment, *arguments, "--json")
    return time.perf_counter() - began, msgspec.json.decode(output)


@asynccontextmanager
async def _empty(world: World) -> AsyncIterator[str]:
    """The address of an empty database of the same server."""
    name = f"qs_bench_restored_{secrets.token_hex(4)}"
    await world.admin.execute(f"CREATE DATABASE {name}")
    try:
        yield urlunsplit(urlsplit(world.dsn)._replace(path=f"/{name}"))
    finally:
        await world.admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
