"""Which worker processes are alive, by rows they renew."""

import os
import secrets
import socket

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from qs.infra.postgres.committing import commit

BEAT_EVERY_S = 5.0

_BEAT = text(
    """
INSERT INTO worker_heartbeat (worker, role, host) VALUES (:worker, :role, :host)
ON CONFLICT (worker) DO UPDATE SET seen_at = clock_timestamp()
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

    async def beat(self) -> None:
        """Says that this process works; it counts as gone when it has not for some beats."""
        async with self._engine.connect() as connection:
            await connection.execute(_BEAT, {"worker": self._worker, "role": self._role, "host": self._host})
            await connection.execute(_FORGET)
            await commit(connection, "heartbeat.beat")

    async def end(self) -> None:
        """Says that it ended in order."""
        async with self._engine.connect() as connection:
            await connection.execute(_END, {"worker": self._worker})
            await commit(connection, "heartbeat.end")
