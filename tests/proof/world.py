"""One installation under test: a database, an empty Redis, and processes in every role."""

import asyncio
import random
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import asyncpg
import httpx
import msgspec
from redis.asyncio import Redis

from qs.application.notification import announcing
from qs.application.statistics import counting
from qs.application.webhook import fanning_out
from qs.container import Container, build_container, close
from qs.settings import Settings
from qs.settings.sections import (
    ClockSettings,
    DatabaseSettings,
    EndpointSettings,
    EventsSettings,
    LimitsSettings,
    LogSettings,
    NotificationSettings,
    OutboundSettings,
    RedisSettings,
    ServerSettings,
    SweepSettings,
    WebhookSettings,
    WorkerSettings,
)
from tests.proof.children import Child, Family
from tests.proof.forking import Hello
from tests.proof.invariants import violations
from tests.proof.journal import Journal
from tests.proof.laws.publication import Feed
from tests.proof.load import admit
from tests.proof.servers import Servers
from tests.proof.traps import Trap
from tests.proof.webhooks import WebhookLog
from tests.support.settings import SECRET_KEY

SUBSCRIPTIONS = (announcing.SUBSCRIPTION, counting.SUBSCRIPTION, fanning_out.SUBSCRIPTION)
_ENDLESS = "999999999/1m"
_TENANTS = 3

_NOT_QUIET = """
SELECT
    (SELECT count(*) FROM task t JOIN plan p ON (p.tenant_id, p.id) = (t.tenant_id, t.plan_id)
     JOIN enrollment e ON (e.tenant_id, e.id) = (t.tenant_id, t.enrollment_id)
     JOIN tenant o ON o.id = t.tenant_id
     WHERE t.status = 'pending' AND t.planned_at <= qs_now() AND p.status = 'active' AND e.status = 'active'
       AND o.status = 'active') AS "due to open",
    (SELECT count(*) FROM task t JOIN tenant o ON o.id = t.tenant_id
     WHERE t.status = 'opened' AND t.expires_at <= qs_now() AND o.status = 'active') AS "due to expire",
    (SELECT count(*) FROM outbox o, relay_cursor r
     WHERE o.position IS NULL OR o.position > r.published_through) AS "unpublished",
    {unacknowledged},
    (SELECT count(*) FROM inbox_attempt) AS "set aside",
    (SELECT count(*) FROM delivery WHERE status IN ('queued', 'sending')) AS "deliveries to send",
    (SELECT count(*) FROM webhook_delivery WHERE status IN ('queued', 'sending')) AS "calls of endpoints to make",
    (SELECT count(*) FROM execution WHERE status IN ('queued', 'running')) AS "executions under way"
"""


def as_installed(settings: Settings) -> Settings:
    """With the concurrency and the connections of an installation that says nothing about them."""
    pool_size = DatabaseSettings().pool_size
    return msgspec.structs.replace(
        settings,
        worker=WorkerSettings(),
        database=msgspec.structs.replace(settings.database, pool_size=pool_size),
    )


class World:
    """Processes share one database, cloned from the template, and one of Redis's databases, emptied at the beginning.

    The API answers at ``base_url`` as long as the world exists; while no process has that role, calls wait.
    With ``scaled`` the waits of production are shortened (roles.py); without, all are as they are there.
    Worlds that exist at the same time need different ``redis_db``.
    """

    def __init__(
        self,
        servers: Servers,
        seed: int,
        *,
        bug: str | None = None,
        scaled: bool = True,
        duties_every: timedelta = timedelta(seconds=4),
        redis_db: int = 0,
        change: Callable[[Settings], Settings] = lambda settings: settings,
    ) -> None:
        """``duties_every``: how often, if scaled, what is hourly or daily; the sweep comes every second.

        ``change`` makes the settings of the processes from those that every world begins with.
        """
        self.servers = servers
        self.seed = seed
        self.rng = random.Random(seed)
        self.journal = Journal()
        self.webhooks = WebhookLog()
        self.family = Family()
        self.children: dict[str, list[Child]] = {}
        self.tokens: dict[str, str] = {}
        """By tenant id, an access token that may do everything."""
        self._bug = bug
        self._scaled = scaled
        self._duties_every = duties_every
        self._redis_url = servers.redis_url.replace("?db=0", f"?db={redis_db}")
        self._change = change
        self._stack = AsyncExitStack()
        self._home = Path(tempfile.mkdtemp(prefix="qs-world-"))
        self.log = self._home / "log"

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            stack.callback(shutil.rmtree, self._home, ignore_errors=True)
            database = await self.servers.fresh_database()
            stack.push_async_callback(self._drop, database)
            self.database_url = self.servers.address_of(database)
            if self._bug is not None:
                await import_module("tests.proof.bugs").prepare(self._bug, self.database_url)
            await self._empty_redis()
            await stack.enter_async_context(self.webhooks)
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=2048))
            port = listener.getsockname()[1]
            self.base_url = f"http://127.0.0.1:{port}"
            self.settings = self._change(self._make_settings(port))
            self.tokens = await admit(self.settings, _TENANTS)
            stack.push_async_callback(self.family.close)
            hello = Hello(self.settings, self.log, self._bug, self._scaled, self._duties_every)
            await self.family.open(self.servers.forks, hello, listener)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            error.add_note(
                f"the world's seed was {self.seed}; the last that its processes said:\n{self.last_words()}"
            )
        await self._stack.aclose()

    @property
    def kills(self) -> int:
        """How many processes ended by SIGKILL so far, a trap's or anybody's."""
        return self.family.killed.total()

    @property
    def most_repeated(self) -> int:
        """As many messages may have been sent again: those that can be in the air when their process is killed."""
        return self.family.killed["notifications"] * self.settings.worker.concurrency

    async def start(
        self, role: str, trap: Trap | None = None, shift: timedelta = timedelta(0), **terms: Any
    ) -> Child:
        """One more process in the role; its own clock is wrong by ``shift``. ``terms`` are further ones of an order."""
        child = await self.family.start(role, trap, shift, **terms)
        self.children.setdefault(role, []).append(child)
        return child

    def alive(self, role: str) -> list[Child]:
        self.children[role] = [child for child in self.children.get(role, ()) if child.alive]
        return self.children[role]

    async def kill(self, role: str) -> None:
        """SIGKILL to every process of the role; returns when they are gone."""
        for child in self.alive(role):
            await child.kill()

    async def stop(self, role: str) -> list[int]:
        """SIGTERM to every process of the role; their exit codes when they are gone."""
        children = self.alive(role)
        for child in children:
            child.signal(signal.SIGTERM)
        return [await child.wait() for child in children]

    def freeze(self, role: str) -> None:
        for child in self.alive(role):
            child.signal(signal.SIGSTOP)

    def thaw(self, role: str) -> None:
        for child in self.alive(role):
            child.signal(signal.SIGCONT)

    @asynccontextmanager
    async def container(self) -> AsyncIterator[Container]:
        """The service's own use cases in this process, on the world's database."""
        container = build_container(self.settings)
        try:
            yield container
        finally:
            await close(container)

    async def fetch(self, query: str, *arguments: Any) -> list[asyncpg.Record]:
        """Rows as the superuser sees them."""
        connection = await asyncpg.connect(self.database_url)
        try:
            found: list[asyncpg.Record] = await connection.fetch(query, *arguments)
        finally:
            await connection.close()
        return found

    async def sync(self, within: float = 30.0) -> None:
        """The stored statistics of every tenant are those of now; asks the API, which must be up."""
        deadline = time.monotonic() + within
        async with httpx.AsyncClient(base_url=self.base_url, timeout=within, trust_env=False) as client:
            for tenant, token in self.tokens.items():
                for kind in ("daily", "accumulated", "plan"):
                    while not await _synced(client, kind, token):
                        assert time.monotonic() < deadline, f"the {kind} sync of {tenant} is never done"
                        await asyncio.sleep(0.05)

    async def violations(
        self, *, synced: bool = False, feed: Feed | None = None, repeated: int = 0
    ) -> list[str]:
        """What is wrong now, in the sentences of the checker; to be asked once it is quiet.

        ``synced`` says that ``sync`` was called after the last change. ``repeated`` messages more than kills explain
        may have been sent again.
        """
        return await violations(
            self.database_url,
            journal=self.journal,
            arrivals=self.webhooks.arrivals,
            kills=self.most_repeated + repeated,
            feed=feed,
            channels=self.settings.notification_channels,
            synced=synced,
            redis_url=self._redis_url,
        )

    async def unfinished(self) -> dict[str, int]:
        """What there is left to do, by what it is."""
        return _counts(await self.fetch(_query()))

    async def quiet(self, within: float = 60.0) -> float:
        """The seconds until nothing was due, unpublished, unacknowledged, set aside, queued or under way.

        It takes as long as it takes, while it never takes more than ``within`` until there is less left than ever before.
        """
        began = progressed = time.monotonic()
        least = sys.maxsize
        connection = await asyncpg.connect(self.database_url)
        try:
            while True:
                asked = time.monotonic()
                if not (left := _counts(await connection.fetch(_query()))):
                    return time.monotonic() - began
                if sum(left.values()) < least:
                    least, progressed = sum(left.values()), time.monotonic()
                assert time.monotonic() - progressed < within, (
                    f"not quieter for {within:g} s (seed {self.seed}): {left}; alive: {self._roll_call()}"
                )
                # After hours of load the question takes its time; it must not take that of the processes.
                await asyncio.sleep(max(0.02, 5 * (time.monotonic() - asked)))
        finally:
            await connection.close()

    def last_words(self) -> str:
        """The end of what the processes logged."""
        return self.log.read_text(errors="replace")[-4000:] if self.log.exists() else ""

    def _roll_call(self) -> dict[str, int]:
        return {role: len(self.alive(role)) for role in self.children}

    async def _drop(self, database: str) -> None:
        await self.servers.up()
        await self.servers.drop_database(database)

    async def _empty_redis(self) -> None:
        client = Redis.from_url(self._redis_url)
        try:
            await client.flushdb()
        finally:
            await client.aclose()

    def _make_settings(self, port: int) -> Settings:
        webhook = WebhookSettings(url=self.webhooks.url, secrets=(self.webhooks.secret,))
        return Settings(
            env="test",
            home=self._home,
            secret_key=SECRET_KEY,
            server=ServerSettings(port=port),
            database=DatabaseSettings(url=self.database_url, migration_url=self.database_url, pool_size=8),
            redis=RedisSettings(url=self._redis_url),
            log=LogSettings(level="warning"),
            worker=WorkerSettings(concurrency=8),
            # Every call is counted, and never is one too many.
            limits=LimitsSettings(reading=_ENDLESS, writing=_ENDLESS, duties=_ENDLESS, login=_ENDLESS),
            # Small, so that a sweep has several transactions to be killed between.
            sweep=SweepSettings(batch=20),
            clock=ClockSettings(sweep_every=timedelta(seconds=1)),
            # A kill in the middle counts as an attempt, and here there are hundreds.
            events=EventsSettings(republish_after_s=1.0, poll_s=0.02, max_attempts=50),
            notification=NotificationSettings(
                webhook=webhook, timeout_s=1.0, backoff_s=0.05, backoff_max_s=0.5, max_attempts=100
            ),
            webhooks=EndpointSettings(timeout_s=1.0, backoff_s=0.05, backoff_max_s=0.5, probe_max_s=0.5),
            outbound=OutboundSettings(allow_networks=("127.0.0.0/8",)),
        )


async def _synced(client: httpx.AsyncClient, kind: str, token: str) -> bool:
    answer = await client.post(
        f"/api/v1/statistics/sync/{kind}", headers={"Authorization": f"Bearer {token}"}
    )
    if answer.status_code == 503 and answer.json()["error"] == "statistics.sync_taken_over":
        # Its process came to nothing for so long that another one does it now.
        return False
    assert answer.status_code == 200, f"the {kind} sync was answered {answer.status_code}: {answer.text}"
    return bool(answer.json()["data"]["status"] == "done")


def _query() -> str:
    # The names are the code's own.
    unacknowledged = ",\n".join(
        f"(SELECT count(*) FROM outbox o WHERE o.context = ANY(ARRAY{list(each.contexts)}) AND o.name ="
        f" ANY(ARRAY{list(each.names)}) AND NOT EXISTS (SELECT FROM inbox i WHERE i.subscriber ="
        f" '{each.subscriber}' AND i.event_id = o.id)) AS \"unacknowledged by {each.subscriber}\""
        for each in SUBSCRIPTIONS
    )
    return _NOT_QUIET.format(unacknowledged=unacknowledged)


def _counts(rows: list[asyncpg.Record]) -> dict[str, int]:
    return {name: count for name, count in rows[0].items() if count}
