"""A database of its own with many rows, and the container that works on it."""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
from sqlalchemy import text

from bench import chilling
from bench.copies import Copies
from bench.cpu import ProcessorTime
from qs.container import Container, build_container, close
from qs.infra.embedded import discard, ensure
from qs.infra.postgres.migrate import upgrade
from qs.settings import Settings
from qs.settings.sections import DatabaseSettings, EventsSettings, RedisSettings

_SECRET_KEY = "bench:" + "0123456789abcdef" * 3
_HOUR_S = 3600.0


@dataclass(slots=True)
class World:
    """``dsn`` is the superuser's; ``container`` acts as the application; what enters ``stack`` ends with the case.

    While ``cold`` is set, ``restore`` gives a database of which nothing is in memory.
    """

    home: Path
    copies: Copies
    redis_url: str
    container: Container
    admin: asyncpg.Connection
    cpu: ProcessorTime
    stack: AsyncExitStack
    cold: bool = False

    @property
    def dsn(self) -> str:
        return self.copies.dsn

    def environment(self) -> Mapping[str, str]:
        """The environment for processes of qs that work on the same database and Redis."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("QS_")}
        return kept | {
            "QS_ENV": "test",
            "QS_HOME": str(self.home),
            "QS_SECRET_KEY": _SECRET_KEY,
            "QS_DATABASE_URL": self.dsn,
            "QS_REDIS_URL": self.redis_url,
            # Counted like everybody's calls, and never too many.
            "QS_LIMITS__READING": "999999999/1m",
        }

    async def versions(self) -> dict[str, str]:
        """Of the servers, under names that no library has."""
        redis = await self.container.redis().info("server")
        return {
            "postgresql_server": await self.admin.fetchval("SELECT current_setting('server_version')"),
            "redis_server": str(redis.get("valkey_version") or redis["redis_version"]),
        }

    def processor_seconds(self) -> float:
        """Used so far, by the servers as they are now."""
        return self.cpu.seconds()

    async def keep(self) -> None:
        """What was seeded is what ``restore`` brings back from now on."""
        await self._disconnect()
        await self.copies.keep()
        await self.restore()

    async def restore(self) -> None:
        """The database is as it was kept, page by page, and Redis is empty and vouched for.

        Its files are on the disk, and in the page cache as well unless it is ``cold``. The container is connected
        again, but its connections have done nothing yet.
        """
        await self._disconnect()
        await self.copies.restore()
        if self.cold:
            await chilling.restart(self.dsn)
            await chilling.drop_page_cache()
        await self._connect()
        await self.container.redis().flushdb()
        await self.container.event_streams().vouch()

    async def _connect(self) -> None:
        self.admin = await asyncpg.connect(self.dsn)
        self.cpu = await ProcessorTime.of(self.admin, self.container.redis())
        async with self.container.engine().connect() as connection:
            await connection.execute(text("SELECT 1"))

    async def _disconnect(self) -> None:
        await self.container.engine().dispose()
        await self.admin.close()


@asynccontextmanager
async def world(database_url: str | None = None, redis_url: str | None = None) -> AsyncIterator[World]:
    """A migrated database, on embedded servers that write as durably as in production unless others are named.

    ``database_url`` is a superuser's; the databases made there are dropped at the end. The Redis database that
    ``redis_url`` names is emptied.
    """
    home = Path(tempfile.mkdtemp(prefix="qs-bench-"))
    try:
        async with AsyncExitStack() as outer:
            urls = outer.enter_context(_servers(home, database_url, redis_url))
            copies = Copies(urls[0])
            outer.push_async_callback(copies.drop)
            await copies.create()
            await upgrade(copies.dsn)
            container = build_container(
                Settings(
                    env="test",
                    home=home,
                    secret_key=_SECRET_KEY,
                    database=DatabaseSettings(url=copies.dsn),
                    redis=RedisSettings(url=urls[1]),
                    # Where nobody subscribes nothing is acknowledged, and that must not be published again.
                    events=EventsSettings(republish_after_s=_HOUR_S),
                )
            )
            outer.push_async_callback(close, container)
            admin = await asyncpg.connect(copies.dsn)
            await container.redis().flushdb()
            cpu = await ProcessorTime.of(admin, container.redis())
            stack = await outer.enter_async_context(AsyncExitStack())
            scene = World(home, copies, urls[1], container, admin, cpu, stack)
            try:
                yield scene
            finally:
                await scene.admin.close()
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def _servers(home: Path, database_url: str | None, redis_url: str | None) -> Iterator[tuple[str, str]]:
    if database_url is not None and redis_url is not None:
        yield database_url, redis_url
        return
    lease = ensure(home)
    try:
        yield database_url or lease.database_url, redis_url or lease.redis_url
    finally:
        lease.close()
        discard(home)
