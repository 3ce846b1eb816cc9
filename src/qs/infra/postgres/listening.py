"""Hearing what other processes tell through PostgreSQL (LISTEN and NOTIFY), for promptness only."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

_CHECK_EVERY_S = 30.0


class Listener:
    """Keeps one connection that listens. Where none gets through, as behind some poolers, nobody is told anything."""

    def __init__(self, engine: AsyncEngine, channels: Sequence[str], heard: Callable[[str], None]) -> None:
        """``heard`` is called with the channel, in the event loop."""
        self._engine = engine
        self._channels = tuple(channels)
        self._heard = heard

    async def listen(self, stop: asyncio.Event) -> None:
        """Listens until ``stop``. Raises what the database does when it goes away; ask again then.

        Whoever asks again should look for himself first: what was told meanwhile was not heard.
        """
        connection = await self._engine.connect()
        try:
            raw = await connection.get_raw_connection()
            driver: Any = raw.driver_connection
            gone = asyncio.Event()
            driver.add_termination_listener(lambda _: gone.set())
            for channel in self._channels:
                await driver.add_listener(channel, self._on_message)
            for channel in self._channels:
                self._heard(channel)
            while not stop.is_set() and not gone.is_set():
                await _first(stop.wait(), gone.wait(), within=_CHECK_EVERY_S)
                if not stop.is_set():
                    # A connection that was cut without a word is found out by asking.
                    await connection.execute(text("SELECT 1"))
                    await connection.rollback()
            for channel in self._channels:
                await driver.remove_listener(channel, self._on_message)
        finally:
            # It must not serve anybody else while it may still listen.
            await connection.invalidate()
            await connection.close()

    def _on_message(self, _: object, __: int, channel: str, ___: str) -> None:
        self._heard(channel)


async def _first(*waits: Any, within: float) -> None:
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, timeout=within, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
