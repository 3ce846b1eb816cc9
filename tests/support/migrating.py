"""A database whose schema changes while clients write to it, and somebody holds everything for long."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from uuid_utils import uuid7

from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.infra.postgres.migrate import downgrade, upgrade
from qs.infra.postgres.revisions import known_revisions

LONGEST_WAIT_S = 2.0
"""What no client may wait for a lock; its statement fails then."""

_PAUSE_S = 0.005
_JOBS_SINCE = "0003"

_BELONGINGS = (
    "INSERT INTO scale (tenant_id, code, title) VALUES ($1, 'load-' || $2::uuid, '{}')",
    "INSERT INTO testee (id, tenant_id, created_at, updated_at) VALUES ($2::uuid, $1, now(), now())",
    "INSERT INTO plan (id, tenant_id, name, scale_code, schedule_type, total_times, trigger_time, timezone, due_days,"
    " entry_ttl_days, catch_up, notify_on_expiry, status, created_at, updated_at) VALUES ($2::uuid, $1, 'load',"
    " 'load-' || $2::uuid, 'by_day', 1, '09:00', 'UTC', 1, 1, 'all', 'nobody', 'active', now(), now())",
    "INSERT INTO enrollment (id, tenant_id, plan_id, testee_id, round, start_date, tasks_left, status, created_at)"
    " VALUES ($2::uuid, $1, $2::uuid, $2::uuid, 1, current_date, 1, 'active', now())",
)
# What is one transaction stands together.
_TOGETHER = (
    ("task", "task opened", "outbox", "audit"),
    ("inbox", "delivery", "delivery_attempt"),
    ("execution",),
    ("plan edited",),
    ("tenant edited",),
    ("job_execution",),
)
# The columns of the first revision: code of any release writes at least these. $2 is new, $3 what it belongs to.
_WORK = {
    "task": "INSERT INTO task (id, tenant_id, plan_id, enrollment_id, testee_id, scale_code, seq, planned_at, timezone,"
    " due_at, status, created_at) SELECT $2, $1, $3, $3, $3, 'load', coalesce(max(seq), 0) + 1, now(), 'UTC', now(),"
    " 'pending', now() FROM task WHERE tenant_id = $1 AND enrollment_id = $3",
    "task opened": "UPDATE task SET status = 'opened', opened_at = now(), expires_at = now(), version = version + 1"
    " WHERE tenant_id = $1 AND id = $2 AND plan_id = $3",
    "outbox": "INSERT INTO outbox (id, tenant_id, context, name, subject, partition_key, occurred_at, data)"
    " VALUES ($2, $1, 'plan', 'TaskOpened', 'tasks/' || $2::uuid, $3, now(), '{}')",
    "inbox": "INSERT INTO inbox (subscriber, event_id, tenant_id) SELECT 'load', $2, $1 WHERE $3::uuid IS NOT NULL",
    "delivery": "INSERT INTO delivery (id, tenant_id, event_id, event_name, plan_id, recipient, channel, template,"
    " locale, status) VALUES ($2, $1, $2, 'TaskOpened', $3, 'staff:1', 'log', 'opened', 'en', 'queued')",
    "delivery_attempt": "INSERT INTO delivery_attempt (tenant_id, delivery_id, number, outcome)"
    " SELECT $1, $2, 1, 'sent' WHERE $3::uuid IS NOT NULL",
    "execution": "INSERT INTO execution (id, tenant_id, name, fired_by, status, actor, lease_until)"
    " SELECT $2, $1, 'sweep', 'http', 'succeeded', 'load', now() WHERE $3::uuid IS NOT NULL",
    "audit": "INSERT INTO audit (id, tenant_id, business_at, actor, action, object_kind, object_id)"
    " VALUES ($2, $1, now(), 'load', 'task.open', 'task', $3)",
    "plan edited": "UPDATE plan SET version = version + 1 WHERE tenant_id = $1 AND id = $3 AND $2::uuid IS NOT NULL",
    "tenant edited": "UPDATE tenant SET version = version + 1"
    " WHERE id = $1 AND $2::uuid IS NOT NULL AND $3::uuid IS NOT NULL",
    "job_execution": "INSERT INTO job_execution (tenant_id, id, job_id, job_name, kind, fired_by, actor, status, queue,"
    " priority, definition, payload) VALUES ($1, $2, $3, 'load', 'http', 'manual', 'load', 'succeeded', 'default', 0,"
    " '{}', '{}')",
}
KEPT = ("task", "outbox", "inbox", "delivery", "delivery_attempt", "execution", "audit")
"""The tables of which every acknowledged row must be there in the end."""


@dataclass
class Writers:
    """Clients of the release whose head is ``code``: each writes in short transactions and waits 2 s for a lock at most."""

    dsn: str
    code: str
    failures: list[str] = field(default_factory=list)
    written: Counter[str] = field(default_factory=Counter)
    """By table, the rows whose transaction was acknowledged."""
    longest_s: float = 0.0
    """The longest that a statement took."""
    rounds: int = 0
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def round_trip(self) -> None:
        """Returns when every client has begun and ended a transaction since."""
        target = self.rounds + 2 * len(self._tasks)
        while self.rounds < target:
            ended = [task for task in self._tasks if task.done()]
            assert not ended, ended[0].exception()
            await asyncio.sleep(_PAUSE_S)

    async def _write(self, rng: random.Random) -> None:
        connection = await asyncpg.connect(
            self.dsn,
            server_settings={
                "role": "qs_app",
                "lock_timeout": f"{LONGEST_WAIT_S:g}s",
                "application_name": "load",
            },
        )
        try:
            await connection.execute("SELECT set_config('qs.tenant_id', $1, false)", str(DEFAULT_TENANT))
            mine = uuid4()
            for statement in _BELONGINGS:
                await connection.execute(statement, DEFAULT_TENANT, mine)
            while True:
                for names in _TOGETHER:
                    if names != ("job_execution",) or self.code >= _JOBS_SINCE:
                        await self._transaction(connection, names, mine)
                        await asyncio.sleep(_PAUSE_S * rng.random())
                self.rounds += 1
        finally:
            await connection.close()

    async def _transaction(self, connection: Any, names: Sequence[str], mine: UUID) -> None:
        new, doing = UUID(str(uuid7())), ""
        try:
            async with connection.transaction():
                for name in names:
                    doing, began = name, time.monotonic()
                    await connection.execute(_WORK[name], DEFAULT_TENANT, new, mine)
                    self.longest_s = max(self.longest_s, time.monotonic() - began)
        except asyncpg.PostgresError as error:
            self.failures.append(f"{doing} with code of {self.code}: {type(error).__name__}: {error}")
        else:
            self.written.update(names)


@asynccontextmanager
async def writing(dsn: str, code: str, seed: int, clients: int = 3) -> AsyncIterator[Writers]:
    """Clients write as long as the block lasts; the schema is at ``code``."""
    writers = Writers(dsn, code)
    writers._tasks = [
        asyncio.create_task(writers._write(random.Random(seed + number)), name=f"writer {number}")
        for number in range(clients)
    ]
    try:
        await writers.round_trip()
        yield writers
    finally:
        for task in writers._tasks:
            task.cancel()
        await asyncio.gather(*writers._tasks, return_exceptions=True)


@asynccontextmanager
async def holding_everything(dsn: str) -> AsyncIterator[asyncio.Event]:
    """A transaction that uses every table, as a long import would, until the event is set or the block ends."""
    connection = await asyncpg.connect(dsn, server_settings={"application_name": "long-import"})
    let_go = asyncio.Event()

    async def hold() -> None:
        names: Sequence[Any] = await connection.fetch(
            "SELECT quote_ident(tablename) AS name FROM pg_tables WHERE schemaname = 'public'"
        )
        async with connection.transaction():
            await connection.execute(
                f"LOCK TABLE {', '.join(row['name'] for row in names)} IN ROW EXCLUSIVE MODE"
            )
            held.set()
            await let_go.wait()

    held = asyncio.Event()
    holding = asyncio.create_task(hold(), name="long import")
    try:
        await asyncio.wait({holding, asyncio.ensure_future(held.wait())}, return_when=asyncio.FIRST_COMPLETED)
        yield let_go
    finally:
        let_go.set()
        await holding
        await connection.close()


async def step(dsn: str, writers: Writers, target: str, *, up: bool) -> bool:
    """Takes the schema one revision on or back, while everything is held until it had to give up once.

    Clients are of the release that has the older of the two schemas. Whether it had to give up.
    """
    order = sorted(known_revisions())
    writers.code = order[order.index(target) - 1] if up else target
    await writers.round_trip()
    told: list[str] = []
    async with holding_everything(dsn) as let_go:
        verb = upgrade if up else downgrade
        changing = asyncio.create_task(verb(dsn, target, tell=told.append), name=f"to {target}")
        while not told and not changing.done():
            await asyncio.sleep(_PAUSE_S)
        let_go.set()
        await changing
    return "did not get its locks" in told[0]


async def counted(dsn: str) -> dict[str, int]:
    """How many rows of the clients' are in the tables that are kept."""
    connection = await asyncpg.connect(dsn)
    try:
        return {
            table: await connection.fetchval(
                f"SELECT count(*) FROM {table} WHERE tenant_id = $1", DEFAULT_TENANT
            )
            for table in KEPT
        }
    finally:
        await connection.close()
