"""The clock of the duties: arq's cron wakes it every few seconds, the slots in PostgreSQL decide what fires.

Nothing rests on arq. A wake-up that comes twice finds the slot taken; when none comes, because Redis is away or
arq's worker ended, the clock looks by itself. Any number of these processes may run.
"""

import asyncio
import atexit
import os
import time
from contextlib import ExitStack, suppress
from datetime import UTC, timedelta
from functools import partial
from typing import Any

import msgspec
from arq.connections import ArqRedis
from arq.cron import cron
from arq.worker import Worker
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff

from qs.application.scheduler.firing import DutyFiring
from qs.container import Container, build_container, close
from qs.domain.kernel.errors import Unavailable
from qs.infra.redis.client import AWAY, READ_TIMEOUT_S
from qs.interface.cli.supervisor import stop_on_signals
from qs.logs import configure_logging
from qs.provisioning import provisioned
from qs.settings import load_settings
from workers.runtime import Loop, keep_working

TICK_EVERY_S = 5
# A stop is heeded between two of these.
_LISTEN_S = 0.5
# A holder that died is believed alive for its lease of six seconds; whoever waits for its work should not wait
# for the next wake-up too.
RECOVER_EVERY_S = 1.0
QUEUE = "qs:arq:clock"
# Shorter than the grace period of the process, so that there is time to give back what does not end.
DRAIN_WITHIN = timedelta(seconds=15)

# arq's command waits about as many seconds for Redis when it starts, and ends when there is none.
_BARE_RETRIES = 60
_ARQ_ENDS_WITHIN_S = 2.0
_CANCEL_EVERY_S = 0.2


class WakeUpsAway(Unavailable):
    code = "clock.wake_ups_away"
    sentence = (
        "Redis does not answer, so arq wakes nobody; the clock looks for due duties by itself meanwhile"
    )


class DutyClock:
    """Looks for due duties when woken, and by itself when nobody has woken it for a while."""

    def __init__(self, firing: DutyFiring) -> None:
        self._firing = firing
        self._silence_s = 2.0 * TICK_EVERY_S
        self._looked_at = float("-inf")
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """The clock looks at once; whoever calls this neither waits for it nor can break it off."""
        self._woken.set()

    async def listen(self) -> None:
        """Waits a moment for a wake-up; fires what is due when there was one or when there was none for too long.

        The first time it does not wait, so that missed slots are caught up. What is fired goes on in this process
        afterwards.
        """
        silence_ends_in_s = self._looked_at + self._silence_s - time.monotonic()
        with suppress(TimeoutError):
            async with asyncio.timeout(min(max(silence_ends_in_s, 0.0), _LISTEN_S)):
                await self._woken.wait()
        if not self._woken.is_set() and silence_ends_in_s > _LISTEN_S:
            return
        self._woken.clear()
        # Should this look fail, the next one comes without a wake-up.
        self._looked_at = float("-inf")
        await self._firing.fire_due()
        self._looked_at = time.monotonic()

    def watch(self) -> Loop:
        """The step that keeps the clock going, with arq or without."""
        return Loop("watch", self.listen, 0.0)


async def tick(ctx: dict[Any, Any]) -> None:
    """arq's wake-up. arq cancels what it runs when it stops, so the look itself is not its to run."""
    clock: DutyClock = ctx["clock"]
    clock.wake()


def _encode(message: dict[str, Any]) -> bytes:
    # What a failure says may hold anything, and pickle would run what it reads: results keep names only.
    return msgspec.json.encode(message, enc_hook=lambda value: type(value).__name__)


def _arq_options(redis: ArqRedis) -> dict[str, Any]:
    redis.job_serializer = _encode
    redis.job_deserializer = msgspec.json.decode
    redis.default_queue_name = QUEUE
    # A wake-up nobody heard is worth nothing a minute later.
    redis.expires_extra_ms = 60_000
    return {
        "cron_jobs": [
            cron(
                tick,
                name="tick",
                second=set(range(0, 60, TICK_EVERY_S)),
                timeout=60,
                max_tries=3,
                keep_result=0,
            )
        ],
        "redis_pool": redis,
        "queue_name": QUEUE,
        "job_serializer": _encode,
        "job_deserializer": msgspec.json.decode,
        "expires_extra_ms": 60_000,
        "keep_result": 10,
        "max_tries": 3,
        "health_check_interval": 60,
        "timezone": UTC,
        "log_results": False,
    }


async def run(container: Container, stop: asyncio.Event) -> None:
    """Fires the duties until ``stop`` is set, then finishes or gives back what it holds."""
    redis_url = container.settings().redis.url
    assert redis_url is not None, "whoever starts a worker has found or started a Redis for it"
    clock = DutyClock(container.duty_firing())
    recovery = Loop("recovery", container.duty_recovery().recover, RECOVER_EVERY_S)
    arq = Loop("arq", partial(_work_until, stop, redis_url, clock), 0.0)
    try:
        await keep_working("cron", [recovery, clock.watch(), arq], container.engine(), stop)
    finally:
        await container.background().drain(DRAIN_WITHIN)


async def _work_until(stop: asyncio.Event, redis_url: str, clock: DutyClock) -> None:
    """Runs arq's worker until ``stop``. Raises WakeUpsAway when it ends before, as it does whenever Redis restarts."""
    redis = ArqRedis.from_url(redis_url, socket_connect_timeout=2.0, socket_timeout=READ_TIMEOUT_S)
    worker = Worker(**_arq_options(redis), ctx={"clock": clock}, handle_signals=False)
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


async def _run_bare(ctx: dict[Any, Any]) -> None:
    """The whole role, before arq's command comes to run anything by itself.

    At a signal that command breaks off what it runs, and when that was anything, or Redis is away, it ends without
    having called anybody to give back what is held.
    """
    container = build_container(ctx["settings"])
    try:
        with stop_on_signals() as stop:
            await run(container, stop)
    finally:
        await close(container)
    # The command takes it for the end that it brings about itself at a signal.
    raise asyncio.CancelledError


def _bare_settings() -> type:
    servers = ExitStack()
    atexit.register(servers.close)
    settings = servers.enter_context(provisioned(load_settings(None, os.environ)))
    configure_logging(settings.log, "cron", log_sql=settings.database.log_sql)
    assert settings.redis.url is not None
    redis = _BareRedis.from_url(
        settings.redis.url,
        socket_connect_timeout=2.0,
        socket_timeout=READ_TIMEOUT_S,
        retry=Retry(ExponentialBackoff(cap=1.0, base=0.05), _BARE_RETRIES),
        retry_on_error=list(AWAY),
    )
    own = {"ctx": {"settings": settings}, "on_startup": _run_bare}
    return type("WorkerSettings", (), _arq_options(redis) | own)


def __getattr__(name: str) -> Any:
    # `arq workers.cron.WorkerSettings` reads the class's own attributes, so they are made when it asks, not at import.
    if name == "WorkerSettings":
        return _bare_settings()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
