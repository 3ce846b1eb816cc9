"""The disk under the tables runs full, under load, and has room again."""

import asyncio
import errno
import os
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path

import asyncpg

from tests.proof.figures import Figures, Progress
from tests.proof.postgres_faults import BACK_WITHIN_S, conclude, first_success, under_load
from tests.proof.servers import Servers
from tests.proof.world import World
from tests.support.waiting import eventually

TIMES = 10
_TABLESPACE = "small_disk"
_TABLES = "tables"
_SIZE_MIB = 256
_BLOCK = bytes(1 << 20)
_STAYS_FULL_S = 2.0
_BETWEEN_S = (0.5, 1.5)
_PATIENCE_S = 60.0


async def full_disk(servers: Servers, seed: int, rounds_scale: float, progress: Progress) -> Figures:
    """10 times at scale 1; only root may make a disk that is small enough. The log of PostgreSQL lies elsewhere."""
    figures = Figures(seed)
    if os.geteuid() != 0:
        figures.add("not tried: only root can mount a disk that is small enough", 0)
        return figures
    times = max(1, round(TIMES * rounds_scale))
    firsts: list[float] = []
    unrecorded = 0
    with _small_disk(servers) as disk:
        async with _tables_on(disk, servers), World(servers, seed) as world, under_load(world) as load:
            for number in range(times):
                await asyncio.sleep(world.rng.uniform(*_BETWEEN_S))
                refused, arrived = len(world.journal.server_errors()), len(world.webhooks.arrivals)
                ballast = _fill(disk)
                await eventually(
                    lambda refused=refused: _more_errors(world, refused),  # type: ignore[misc]
                    within=_PATIENCE_S,
                )
                await asyncio.sleep(_STAYS_FULL_S)
                ballast.unlink()
                firsts.append(
                    await eventually(partial(first_success, world, time.monotonic()), within=_PATIENCE_S)
                )
                # Of what was sent meanwhile nobody may have been able to write down that it was.
                unrecorded += len(world.webhooks.arrivals) - arrived + world.settings.worker.concurrency
                progress(f"{number + 1} of {times} times, first success after {firsts[-1]:.2f} s")
            await conclude(world, load, figures, repeated=unrecorded)
    figures.add("times the disk was full", times)
    figures.at_most("seconds until the first write acknowledged: worst", max(firsts), BACK_WITHIN_S)
    return figures


async def _more_errors(world: World, than: int) -> bool:
    return len(world.journal.server_errors()) > than


def _fill(disk: Path) -> Path:
    """A file that takes all the room there is."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(_BLOCK)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
    return ballast


@contextmanager
def _small_disk(servers: Servers) -> Iterator[Path]:
    owner = servers.data.stat()
    with tempfile.TemporaryDirectory(prefix="qs-disk-") as directory:
        Path(directory).chmod(0o711)
        disk = Path(directory) / "disk"
        disk.mkdir()
        options = f"size={_SIZE_MIB}m,mode=0700,uid={owner.st_uid},gid={owner.st_gid}"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", disk], check=True)
        try:
            (disk / _TABLES).mkdir()
            os.chown(disk / _TABLES, owner.st_uid, owner.st_gid)
            yield disk
        finally:
            subprocess.run(["umount", disk], check=True)


@asynccontextmanager
async def _tables_on(disk: Path, servers: Servers) -> AsyncIterator[None]:
    """Fresh databases lie on that disk."""
    before = servers.tablespace
    connection = await asyncpg.connect(servers.database_url)
    try:
        await connection.execute(f"CREATE TABLESPACE {_TABLESPACE} LOCATION '{disk / _TABLES}'")
        servers.tablespace = _TABLESPACE
        try:
            yield
        finally:
            servers.tablespace = before
            await connection.execute(f"DROP TABLESPACE {_TABLESPACE}")
    finally:
        await connection.close()
