"""A database of its own with many tasks, and the container that works on it."""

import os
import random
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import asyncpg

from bench.cpu import ProcessorTime
from qs.container import Container, build_container, close
from qs.infra.embedded import discard, ensure
from qs.infra.postgres.ids import new_id
from qs.infra.postgres.migrate import upgrade
from qs.settings import Settings
from qs.settings.sections import DatabaseSettings, RedisSettings

_SECRET_KEY = "bench:" + "0123456789abcdef" * 3


@dataclass(slots=True)
class World:
    """``dsn`` is the superuser's; ``container`` acts as the application; what enters ``stack`` ends with the case."""

    home: Path
    dsn: str
    redis_url: str
    container: Container
    admin: asyncpg.Connection
    cpu: ProcessorTime
    stack: AsyncExitStack

    def environment(self) -> Mapping[str, str]:
        """The environment for processes of qs that work on the same database and Redis."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("QS_")}
        return kept | {
            "QS_ENV": "test",
            "QS_HOME": str(self.home),
            "QS_SECRET_KEY": _SECRET_KEY,
            "QS_DATABASE_URL": self.dsn,
            "QS_REDIS_URL": self.redis_url,
        }

    async def versions(self) -> dict[str, str]:
        """Of the servers, under names that no library has."""
        redis = await self.container.redis().info("server")
        return {
            "postgresql_server": await self.admin.fetchval("SELECT current_setting('server_version')"),
            "redis_server": str(redis.get("valkey_version") or redis["redis_version"]),
        }

    async def tenant(self, slug: str) -> UUID:
        """A new tenant with one published scale."""
        tenant_id = new_id()
        await self.admin.execute(
            "INSERT INTO tenant (id, slug, name, timezone) VALUES ($1, $2, $2, 'Asia/Shanghai')",
            tenant_id,
            slug,
        )
        await self.admin.execute(
            "INSERT INTO scale (tenant_id, code, title) VALUES ($1, 'PHQ-9', '{\"en\": \"PHQ-9\"}')",
            tenant_id,
        )
        return tenant_id

    async def fill(self, tenant_id: UUID, due: int, later: int, *, opened: bool = False) -> None:
        """Tasks of one plan, ten to an enrollment: ``due`` ones planned an hour ago, ``later`` ones next month.

        With ``opened`` the due ones are opened and their entries ran out a minute ago. Rows lie as enrolling
        puts them, so what is due together is scattered over the table.
        """
        now = datetime.now(UTC)
        plan_id = new_id()
        await self.admin.execute(
            "INSERT INTO plan (id, tenant_id, name, scale_code, schedule_type, interval, total_times, trigger_time,"
            " timezone, due_days, entry_ttl_days, catch_up_days, catch_up, notify_on_expiry, status, created_at,"
            " updated_at) VALUES ($1, $2, 'bench', 'PHQ-9', 'by_week', 1, 10, '19:00', 'Asia/Shanghai', 7, 7, 7,"
            " 'all', 'staff', 'active', $3, $3)",
            plan_id,
            tenant_id,
            now,
        )
        total = due + later
        people = [(new_id(), new_id()) for _ in range(-(-total // 10))]
        await self.admin.copy_records_to_table(
            "testee",
            records=[(person, tenant_id, now, now) for _, person in people],
            columns=["id", "tenant_id", "created_at", "updated_at"],
        )
        await self.admin.copy_records_to_table(
            "enrollment",
            records=[
                (enrollment, tenant_id, plan_id, person, 1, now.date(), 10, "active", now)
                for enrollment, person in people
            ],
            columns=[
                *("id", "tenant_id", "plan_id", "testee_id", "round", "start_date", "tasks_left", "status"),
                "created_at",
            ],
        )
        is_due = [True] * due + [False] * later
        random.Random(total).shuffle(is_due)
        await self.admin.copy_records_to_table(
            "task",
            records=(
                self._task(tenant_id, plan_id, people[n // 10], n % 10 + 1, now, due_now, opened)
                for n, due_now in enumerate(is_due)
            ),
            columns=[
                *("id", "tenant_id", "plan_id", "enrollment_id", "testee_id", "scale_code", "seq"),
                *("planned_at", "timezone", "due_at", "closes_at", "status", "opened_at", "expires_at"),
                *("entry_keys", "created_at"),
            ],
        )
        await self.admin.execute("VACUUM ANALYZE task")
        await self.admin.execute("ANALYZE enrollment")

    @staticmethod
    def _task(
        tenant_id: UUID,
        plan_id: UUID,
        person: tuple[UUID, UUID],
        seq: int,
        now: datetime,
        due: bool,
        opened: bool,
    ) -> tuple[object, ...]:
        planned = now - timedelta(hours=1) if due else now + timedelta(days=30 + seq)
        is_open = due and opened
        return (
            *(new_id(), tenant_id, plan_id, *person, "PHQ-9", seq, planned, "Asia/Shanghai"),
            *(planned + timedelta(days=7), planned + timedelta(days=7), "opened" if is_open else "pending"),
            *(planned if is_open else None, now - timedelta(minutes=1) if is_open else None),
            *(["bench"] if is_open else [], now),
        )


@asynccontextmanager
async def world(database_url: str | None = None, redis_url: str | None = None) -> AsyncIterator[World]:
    """A migrated database, on embedded servers that write as durably as in production unless others are named.

    ``database_url`` is a superuser's; the database made there is dropped at the end. The Redis database that
    ``redis_url`` names is emptied.
    """
    home = Path(tempfile.mkdtemp(prefix="qs-bench-"))
    try:
        async with AsyncExitStack() as outer:
            urls = outer.enter_context(_servers(home, database_url, redis_url))
            dsn = await outer.enter_async_context(_database(urls[0]))
            container = build_container(
                Settings(
                    env="test",
                    home=home,
                    secret_key=_SECRET_KEY,
                    database=DatabaseSettings(url=dsn),
                    redis=RedisSettings(url=urls[1]),
                )
            )
            outer.push_async_callback(close, container)
            admin = await asyncpg.connect(dsn)
            outer.push_async_callback(admin.close)
            await container.redis().flushdb()
            cpu = await ProcessorTime.of(admin, container.redis())
            stack = await outer.enter_async_context(AsyncExitStack())
            yield World(home, dsn, urls[1], container, admin, cpu, stack)
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


@asynccontextmanager
async def _database(url: str) -> AsyncIterator[str]:
    name = f"qs_bench_{secrets.token_hex(4)}"
    keeper = await asyncpg.connect(url)
    try:
        await keeper.execute(f"CREATE DATABASE {name}")
        try:
            dsn = urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
            await upgrade(dsn)
            yield dsn
        finally:
            await keeper.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await keeper.close()
