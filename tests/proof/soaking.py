"""What a system under load is made of, looked at again and again: memory, descriptors, connections, keys, rows."""

import asyncio
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import asyncpg
import psutil

from qs.infra.redis.client import ANY_FAILURE, create_redis
from tests.proof.children import Child
from tests.proof.world import World

_MIB = 1024 * 1024
_ASKED_WITHIN_S = 5.0
_LARGEST = 8
_CONNECTIONS = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'
AND pid <> pg_backend_pid()"""
_BACKLOG = """
SELECT (SELECT count(*) FROM outbox WHERE position IS NULL)
    + (SELECT count(*) FROM delivery WHERE status IN ('queued', 'sending'))
    + (SELECT count(*) FROM webhook_delivery WHERE status IN ('queued', 'sending'))"""
_TABLES = """
SELECT relname AS name, pg_total_relation_size(oid) AS bytes FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY bytes DESC LIMIT $1"""


@dataclass(frozen=True)
class Process:
    """One process at one instant; ``rss`` is MiB resident, ``mapped`` those of them that are files, code for the most part."""

    rss: float
    mapped: float
    descriptors: int
    threads: int


@dataclass
class Sample:
    """One look, ``at`` seconds after the first; what a server that was away could not say is None.

    ``processes`` are the spared ones, by name. ``busy`` is how many percent of the machine's processors worked since the
    look before, whoever for. ``tables`` are the bytes of the largest, indexes included.
    """

    at: float
    processes: Mapping[str, Process]
    busy: float = 0.0
    connections: int | None = None
    backlog: int | None = None
    tables: Mapping[str, int] = field(default_factory=dict)
    redis_mib: float | None = None
    redis_keys: int | None = None


@dataclass(frozen=True)
class Drift:
    """Medians of the sixth after the first, in which everything warms up, and of the last; ``most`` is the early maximum."""

    early: float
    late: float
    most: float

    @property
    def percent(self) -> float:
        return 100 * (self.late - self.early) / self.early if self.early else 0.0

    @property
    def growth(self) -> float:
        return self.late - self.early


class Watch:
    """Looks at the world every so many seconds until it is told to stop. ``spared`` are the processes to look at.

    ``at_rest`` is how it was when nothing was left to do.
    """

    def __init__(self, world: World, spared: Mapping[str, Child], every_s: float) -> None:
        self.samples: list[Sample] = []
        self.at_rest: Sample | None = None
        self._world = world
        self._processes = {name: psutil.Process(child.pid) for name, child in spared.items()}
        self._every_s = every_s
        self._began = time.monotonic()
        # It tells of the time since it was asked before.
        psutil.cpu_percent()

    async def look_on(self) -> None:
        """Without end, at even distances."""
        while True:
            began = time.monotonic()
            self.samples.append(await self._look(began - self._began))
            await asyncio.sleep(max(0.0, self._every_s - (time.monotonic() - began)))

    async def look_at_rest(self) -> None:
        self.at_rest = await self._look(time.monotonic() - self._began)

    def drift(self, figure: Callable[[Sample], float | None]) -> Drift:
        """Raises AssertionError where one of the two sixths has nothing to say."""
        sixth = len(self.samples) / 6
        early = _known(self.samples[int(sixth) : int(2 * sixth) or 1], figure)
        late = _known(self.samples[int(5 * sixth) :], figure)
        assert early, "there are no samples of the sixth after the first"
        assert late, "there are no samples of the last sixth"
        return Drift(statistics.median(early), statistics.median(late), max(early))

    def document(self) -> list[dict[str, Any]]:
        return [asdict(sample) for sample in self.samples]

    async def _look(self, at: float) -> Sample:
        processes = {}
        for name, process in self._processes.items():
            # One that is gone is told of by whoever counts the living.
            try:
                with process.oneshot():
                    memory = process.memory_info()
                    processes[name] = Process(
                        round(memory.rss / _MIB, 2),
                        round(memory.shared / _MIB, 2),
                        process.num_fds(),
                        process.num_threads(),
                    )
            except psutil.NoSuchProcess:
                continue
        sample = Sample(round(at, 1), processes, psutil.cpu_percent())
        await asyncio.gather(self._ask_postgres(sample), self._ask_redis(sample))
        return sample

    async def _ask_postgres(self, sample: Sample) -> None:
        try:
            async with asyncio.timeout(_ASKED_WITHIN_S):
                connection = await asyncpg.connect(self._world.database_url)
                try:
                    sample.connections = await connection.fetchval(_CONNECTIONS)
                    sample.backlog = await connection.fetchval(_BACKLOG)
                    rows = await connection.fetch(_TABLES, _LARGEST)
                    sample.tables = {row["name"]: row["bytes"] for row in rows}
                finally:
                    connection.terminate()
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            # It is away, as it has to be now and then.
            return

    async def _ask_redis(self, sample: Sample) -> None:
        client = create_redis(self._world.settings.redis.url or "")
        try:
            sample.redis_mib = round((await client.info("memory"))["used_memory"] / _MIB, 2)
            sample.redis_keys = await client.dbsize()
        except ANY_FAILURE:
            return
        finally:
            await client.aclose()


def _known(samples: Sequence[Sample], figure: Callable[[Sample], float | None]) -> list[float]:
    return [value for sample in samples if (value := figure(sample)) is not None]
