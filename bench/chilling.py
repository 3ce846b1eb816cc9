"""Making a database cold: PostgreSQL started anew, and what the system keeps of its files forgotten."""

import asyncio
import os
import signal
from pathlib import Path

import asyncpg
import psutil

_DROP_CACHES = Path("/proc/sys/vm/drop_caches")
_WITHIN_S = 120.0
_TRIED_EVERY_S = 0.05


async def restart(dsn: str) -> None:
    """Ends the embedded PostgreSQL at ``dsn`` in good order and returns when its keeper has started it again."""
    connection = await asyncpg.connect(dsn)
    postmaster = psutil.Process(await connection.fetchval("SELECT pg_backend_pid()")).parent()
    await connection.close()
    if postmaster is None or postmaster.name() != "postgres":
        raise RuntimeError("the server does not run on this machine, so it cannot be started anew")
    postmaster.send_signal(signal.SIGINT)
    async with asyncio.timeout(_WITHIN_S):
        while postmaster.is_running():
            await asyncio.sleep(_TRIED_EVERY_S)
        while not await _answers(dsn):
            await asyncio.sleep(_TRIED_EVERY_S)


async def drop_page_cache() -> None:
    """Files are read from the disk again, where this process may ask for that; it is the whole machine's cache.

    Only what is on the disk can be dropped; PostgreSQL has seen to that for a new copy and when it was stopped.
    """
    if may_drop_page_cache():
        await asyncio.to_thread(_DROP_CACHES.write_text, "3\n", encoding="ascii")


def description() -> str:
    """What is cold after both."""
    if may_drop_page_cache():
        return "PostgreSQL started anew and the page cache dropped"
    return "PostgreSQL started anew; the page cache could not be dropped"


def may_drop_page_cache() -> bool:
    return os.access(_DROP_CACHES, os.W_OK)


async def _answers(dsn: str) -> bool:
    try:
        connection = await asyncpg.connect(dsn)
    except (OSError, asyncpg.CannotConnectNowError):
        return False
    await connection.close()
    return True
