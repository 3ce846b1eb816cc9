"""Wake-ups by arq: how a role is woken through Redis, and how it stands by itself when Redis is away.

Nothing rests on arq: a wake-up carries no data, one that comes twice does nothing, one that does not come is made up for
by the role's own looking.
"""

import asyncio
import atexit
import os
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC
from functools import partial
from typing import Any

import msgspec
from arq.connections import ArqRedis
from arq.worker import Worker
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff

from qs.collecting import collecting
from qs.container import Container, build_container, close
from qs.domain.kernel.errors import Unavailable
from qs.infra.redis.client import AWAY, READ_TIMEOUT_S
from qs.interface.cli.supervisor import stop_on_signals
from qs.logs import configure_logging
from qs.making_tracing import begin_tracing
from qs.provisioning import provisioned
from qs.settings import load_settings
from workers.runtime import Loop

# arq's command waits about as many seconds for Redis when it starts, and ends when there is none.
_BARE_RETRIES = 60
_ARQ_ENDS_WITHIN_S = 2.0
_CANCEL_EVERY_S = 0.2

RoleRun = Callable[[Container, asyncio.Event], Awaitable[None]]


class WakeUpsAway(Unavailable):
    code = "worker.wake_ups_away"
    sentence = "Redis does not answer, so arq wakes nobody; the workers look by themselves meanwhile"


@dataclass(frozen=True, slots=True)
class WakeUps:
    """Which wake-ups a role listens to, in a queue of arq's of its own."""

    queue: str
    functions: Sequence[Any] = ()
    cron_jobs: Sequence[Any] = ()

    def loop(self, stop: asyncio.Event, redis_url: str, context: Mapping[str, Any]) -> Loop:
        """The step that keeps arq's worker going until ``stop``; ``context`` is arq's ``ctx``."""
        return Loop("arq", partial(self._work_until, stop, redis_url, context), 0.0)

    def options(self, redis: ArqRedis) -> dict[str, Any]:
        """What arq's worker is made with."""
        redis.job_serializer = encode
        redis.job_deserializer = msgspec.json.decode
        redis.default_queue_name = self.queue
        # A wake-up nobody heard is worth nothing a minute later.
        redis.expires_extra_ms = 60_000
        return {
            "functions": list(self.functions),
            "cron_jobs": list(self.cron_jobs),
            "redis_pool": redis,
            "queue_name": self.queue,
            "job_serializer": encode,
            "job_deserializer": msgspec.json.decode,
            "expires_extra_ms": 60_000,
            "keep_result": 10,
            "max_tries": 3,
            "health_check_interval": 60,
            "timezone": UTC,
            "log_results": False,
        }

    async def _work_until(self, stop: asyncio.Event, redis_url: str, context: Mapping[str, Any]) -> None:
        """Runs arq's worker until ``stop``. Raises WakeUpsAway when it ends before, as it does whenever Redis restarts."""
        redis = ArqRedis.from_url(redis_url, socket_connect_timeout=2.0, socket_timeout=READ_TIMEOUT_S)
        worker = Worker(**self.options(redis), ctx=dict(context), handle_signals=False)
        working = asyncio.create_task(worker.async_run(), name="arq")
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                working.result()
        except AWAY as error:
            raise WakeUpsAway from error
        finally:
            stopping.cancel()
            # Worker.close talks to Redis, which may be what went away.
            await _end(worker, working)
            await redis.aclose()

    def bare_settings(self, role: str, run: RoleRun) -> type:
        """The settings class for arq's own command, which runs the whole role before anything of its own."""
        servers = ExitStack()
        atexit.register(servers.close)
        settings = servers.enter_context(provisioned(load_settings(None, os.environ)))
        configure_logging(settings.log, role, log_sql=settings.database.log_sql)
        assert settings.redis.url is not None
        redis = _BareRedis.from_url(
            settings.redis.url,
            socket_connect_timeout=2.0,
            socket_timeout=READ_TIMEOUT_S,
            retry=Retry(ExponentialBackoff(cap=1.0, base=0.05), _BARE_RETRIES),
            retry_on_error=list(AWAY),
        )
        own = {"ctx": {"settings": settings}, "on_startup": partial(_run_bare, role, run)}
        return type("WorkerSettings", (), self.options(redis) | own)


class Waker:
    """Wakes the workers of a queue through arq, as well as Redis allows; nobody waits for it."""

    def __init__(self, redis_url: str, queue: str, function: str) -> None:
        self._redis = ArqRedis.from_url(redis_url, socket_connect_timeout=2.0, socket_timeout=READ_TIMEOUT_S)
        self._redis.job_serializer = encode
        self._redis.job_deserializer = msgspec.json.decode
        self._redis.default_queue_name = queue
        self._redis.expires_extra_ms = 60_000
        self._function = function
        self._waking: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """Sends a wake-up, unless one is on its way."""
        if self._waking is None or self._waking.done():
            self._waking = asyncio.create_task(self._wake(), name="wake")

    async def _wake(self) -> None:
        # Of several senders in the same moment one is enough: what waits is found by whoever wakes.
        with suppress(*AWAY):
            async with asyncio.timeout(_ARQ_ENDS_WITHIN_S):
                await self._redis.enqueue_job(self._function, _job_id=self._function)

    async def aclose(self) -> None:
        if self._waking is not None:
            await asyncio.wait({self._waking})
        await self._redis.aclose()


def encode(message: dict[str, Any]) -> bytes:
    """A message of arq's as JSON: what a failure says may hold anything, and pickle would run what it reads."""
    return msgspec.json.encode(message, enc_hook=lambda value: type(value).__name__)


async def _end(worker: Worker, working: asyncio.Task[None]) -> None:
    """Cancels what arq runs until all of it has ended or enough was tried.

    Once is not enough: asyncio.wait_for of Python 3.11, by which redis-py sends, keeps an answer that comes in the
    same moment as a cancellation and drops the cancellation. arq would then go on for ever.
    """
    until = time.monotonic() + _ARQ_ENDS_WITHIN_S
    while late := [task for task in (working, *worker.tasks.values()) if not task.done()]:
        if time.monotonic() >= until:
            return
        for task in late:
            task.cancel()
        await asyncio.wait(late, timeout=_CANCEL_EVERY_S)
    # Whatever they ended with has been said, or is of no interest any more.
    await asyncio.gather(working, *worker.tasks.values(), return_exceptions=True)


class _BareRedis(ArqRedis):
    """What arq's command asks at its start and tells at its end, when Redis may be away."""

    async def delete(self, *names: Any) -> int:
        with suppress(*AWAY):
            async with asyncio.timeout(_ARQ_ENDS_WITHIN_S):
                return int(await super().delete(*names))
        return 0


async def _run_bare(role: str, run: RoleRun, ctx: dict[Any, Any]) -> None:
    """The whole role, before arq's command comes to run anything by itself.

    At a signal that command breaks off what it runs, and when that was anything, or Redis is away, it ends without
    having called anybody to give back what is held.
    """
    end_tracing = begin_tracing(ctx["settings"], role)
    container = build_container(ctx["settings"])
    try:
        with stop_on_signals() as stop:
            async with collecting():
                await run(container, stop)
    finally:
        await close(container)
        end_tracing()
    # The command takes it for the end that it brings about itself at a signal.
    raise asyncio.CancelledError
