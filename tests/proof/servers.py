"""PostgreSQL and Valkey of one run alone, to be killed, stopped and started again."""

import asyncio
import itertools
import os
import shutil
import signal
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from redis.asyncio import Redis

from qs.infra.embedded import binaries, locks, place
from qs.infra.embedded.layout import Control
from qs.infra.embedded.postgres import Postgres
from qs.infra.embedded.privileges import choose_user, reachable_postgres, reachable_redis
from qs.infra.embedded.process import Command, Server
from qs.infra.embedded.redis import Redis as Valkey
from tests.proof.children import ForkServer
from tests.support import databases

_PATIENCE_S = 60.0
_LOOK_EVERY_S = 0.005
_HARDEST = 3


class Servers:
    """A private PostgreSQL and Valkey on unix sockets, a migrated template in the one, and a fork server beside them.

    All of them end with the process that made them. Valkey keeps nothing: started again it is empty.
    """

    def __init__(self) -> None:
        # The path is short because a socket's address is bounded.
        self.home = Path(tempfile.mkdtemp(prefix="qs-proof-"))
        # Under root the servers run as somebody else, who must be able to pass through.
        self.home.chmod(0o711)
        self.forks = ForkServer(self.home / "forks.sock")
        self._control = Control.of(self.home)
        self._numbers = itertools.count(1)
        self._servers: Sequence[_Breakable] = ()
        self.tablespace = "pg_default"
        """Where fresh databases lie."""

    def __enter__(self) -> Self:
        try:
            self.forks.start()
            self._control.create()
            user = choose_user(place.data_of(self._control))
            program = reachable_redis(binaries.find_redis(), user, place.cache)
            directory, major = reachable_postgres(binaries.find_postgres(), user, place.cache)
            where = place.settle(self._control, user, ephemeral=True)
            self._redis = _Valkey(program, where, user, self._control.log("redis"), ephemeral=True)
            self._postgres = _Postgres(
                directory, major, where, user, self._control.log("postgres"), ephemeral=True
            )
            self._servers = (self._redis, self._postgres)
            self.database_url, self.redis_url = self._postgres.url, self._redis.url
            self._postgres.prepare(lambda: time.sleep(_LOOK_EVERY_S))
            for server in self._servers:
                _wait(lambda server=server: server.comes_up(), f"{server.name} is up")  # type: ignore[misc]
            asyncio.run(databases.make_template(self.database_url))
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    async def fresh_database(self) -> str:
        """The name of a migrated database that nobody has used."""
        name = f"world{next(self._numbers)}"
        await databases.clone(self.database_url, databases.TEMPLATE, name, tablespace=self.tablespace)
        return name

    async def drop_database(self, name: str) -> None:
        await databases.drop(self.database_url, name)

    @property
    def data(self) -> Path:
        """The data directory of PostgreSQL; it belongs to the user as whom the servers run."""
        return place.data_of(self._control)

    def address_of(self, database: str) -> str:
        return databases.address(self.database_url, database)

    async def kill_postgres(self) -> None:
        """SIGKILL to the postmaster; returns when the last of its processes is gone."""
        await self._end_server(self._postgres, signal.SIGKILL)

    async def stop_postgres(self, mode: str = "fast") -> None:
        """``smart`` waits for the clients, ``fast`` breaks them off, ``immediate`` leaves recovery to the next start."""
        numbers = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}
        await self._end_server(self._postgres, numbers[mode])

    async def start_postgres(self) -> None:
        """Returns when it is ready for clients."""
        await _wait_for(self._postgres.comes_up, "postgres is up")

    async def kill_redis(self) -> None:
        await self._end_server(self._redis, signal.SIGKILL)

    async def start_redis(self) -> None:
        """Returns when it answers; it holds nothing."""
        await _wait_for(self._redis.comes_up, "redis is up")

    async def flush_redis(self) -> None:
        client = Redis.from_url(self.redis_url)
        try:
            await client.flushall()
        finally:
            await client.aclose()

    async def up(self) -> None:
        """Both run, whatever was done to them."""
        await self.start_postgres()
        await self.start_redis()

    async def _end_server(self, server: "_Breakable", number: signal.Signals) -> None:
        server.send(number)
        await _wait_for(server.is_gone, f"{server.name} ended")

    def _end(self) -> None:
        self.forks.close()
        for server in self._servers:
            server.begin_stop(at_once=True)
        ending = [server for server in self._servers if server.is_stopping()]
        while ending:
            time.sleep(_LOOK_EVERY_S)
            ending = [server for server in ending if server.is_stopping()]
        place.leave(self._control)
        place.remove_outside(self._control)
        shutil.rmtree(self.home, ignore_errors=True)


class _Breakable(Server):
    """A server that is not started again by itself, but as soon as somebody asks."""

    def send(self, number: signal.Signals) -> None:
        pid = self.pid
        assert pid is not None, f"{self.name} does not run, so it cannot be sent {number.name}"
        os.kill(pid, number)

    def is_gone(self) -> bool:
        """Whether the last of its processes has ended."""
        if self.pid is not None or not locks.is_free(self._lock):
            return False
        self._process = None
        return True

    def comes_up(self) -> bool:
        """Whether it is ready; it is started where it does not run."""
        self.check_start()
        with warnings.catch_warnings():
            # Python warns of the threads of the test process, none of which holds a lock that the copy needs.
            warnings.simplefilter("ignore", DeprecationWarning)
            self.tend()
        return self.is_ready()


class _Postgres(_Breakable, Postgres):
    def command(self) -> Command:
        # What was acknowledged must survive the killing of the server's processes. A loss of power is not tried.
        return [*super().command(), "-c", "synchronous_commit=on"]


class _Valkey(_Breakable, Valkey):
    pass


def _wait(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"within {_PATIENCE_S:g} s not: {what}"
        time.sleep(_LOOK_EVERY_S)


async def _wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"within {_PATIENCE_S:g} s not: {what}"
        await asyncio.sleep(_LOOK_EVERY_S)
