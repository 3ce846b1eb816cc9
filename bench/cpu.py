"""Processor time of everything that takes part: less noisy than the clock on a machine that others use too."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import asyncpg
import psutil
from redis.asyncio import Redis


@dataclass(frozen=True, slots=True)
class ProcessorTime:
    """Counts this process with the processes it started, and the servers where they run on this machine."""

    servers: tuple[psutil.Process, ...]

    @classmethod
    async def of(cls, postgres: asyncpg.Connection, redis: Redis) -> Self:
        backend = await postgres.fetchval("SELECT pg_backend_pid()")
        server = await redis.info("server")
        return cls(tuple(_local(backend, int(server["process_id"]))))

    def seconds(self) -> float:
        """Used so far; of what ended meanwhile, as much as whoever started it has waited for."""
        return sum(used(each) for each in (psutil.Process(), *self.servers))


def _local(backend: int, redis: int) -> Iterator[psutil.Process]:
    """The servers' processes: a backend's parent owns all other backends too."""
    if _is_called(backend, "postgres") and (postmaster := psutil.Process(backend).parent()) is not None:
        yield postmaster
    if _is_called(redis, "redis", "valkey"):
        yield psutil.Process(redis)


def _is_called(number: int, *names: str) -> bool:
    try:
        return psutil.Process(number).name().startswith(names)
    except psutil.NoSuchProcess:
        return False


def used(process: psutil.Process) -> float:
    """Seconds that a process and those it started have used so far."""
    try:
        times = process.cpu_times()
        own: float = times.user + times.system + times.children_user + times.children_system
        return own + sum(used(child) for child in process.children())
    except psutil.NoSuchProcess:
        return 0.0
