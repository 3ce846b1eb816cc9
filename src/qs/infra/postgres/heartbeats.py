"""Which worker processes are alive, by rows they renew."""

import os
import secrets
import socket
from datetime import UTC, datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from qs.infra.postgres.committing import commit

BEAT_EVERY_S = 5.0

_BEAT = text(
    """
INSERT INTO worker_heartbeat (worker, role, host, clock_offset_ms)
VALUES (:worker, :role, :host, round(extract(epoch FROM CAST(:now AS timestamptz) - clock_timestamp()) * 1000))
ON CONFLICT (worker) DO UPDATE SET seen_at = clock_timestamp(), clock_offset_ms = excluded.clock_offset_ms
RETURNING draining
"""
)
# Whoever was killed leaves its row; it says when it was last seen, and goes when nobody asks any more.
_FORGET = text("DELETE FROM worker_heartbeat WHERE seen_at < clock_timestamp() - interval '1 day'")
_END = text("DELETE FROM worker_heartbeat WHERE worker = :worker")


class Heartbeat:
    """The row of one role in this process."""

    def __init__(self, engine: AsyncEngine, role: str) -> None:
        self._engine = engine
        self._role = role
        self._host = socket.gethostname()
        self._worker = f"{role}@{self._host}:{os.getpid()}:{secrets.token_hex(3)}"

    async def beat(self) -> bool:
        """Says that this process works; it counts as gone when it has not for some beats.

        Whether somebody wants it to take on nothing more.
        """
        async with self._engine.connect() as connection:
            told = {"worker": self._worker, "role": self._role, "host": self._host, "now": datetime.now(UTC)}
            draining = bool(await connection.scalar(_BEAT, told))
            await connection.execute(_FORGET)
            await commit(connection, "heartbeat.beat")
        return draining

    async def end(self) -> None:
        """Says that it ended in order."""
        async with self._engine.connect() as connection:
            await connection.execute(_END, {"worker": self._worker})
            await commit(connection, "heartbeat.end")
