"""What every worker role is made of: steps repeated until the process is asked to stop, whatever goes wrong in them."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from qs.domain.kernel.errors import Unavailable
from qs.infra.postgres.failures import translate
from qs.infra.postgres.heartbeats import BEAT_EVERY_S, Heartbeat
from qs.infra.postgres.revisions import read_standing

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 2.0
_FORGIVEN_AFTER_S = 60.0
_LOOK_AT_SCHEMA_EVERY_S = 1.0

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Loop:
    """A step to be repeated: at once after it returned something true, else after ``pause_s``.

    A step that was begun is always finished; it must not take longer than the process may take to end.
    """

    name: str
    step: Callable[[], Awaitable[object]]
    pause_s: float


async def keep_working(
    role: str,
    loops: Sequence[Loop],
    engine: AsyncEngine,
    stop: asyncio.Event,
    *,
    on_drain: Callable[[bool], None] = lambda draining: None,
) -> None:
    """Runs the loops side by side until ``stop`` is set and their last steps are done.

    A step that fails is logged and tried again, for ever, within two seconds at most: PostgreSQL and Redis may
    come and go. ``on_drain`` is told at every sign of life whether this process is to take on nothing more.

    Nothing begins before the schema is one that this code can work on. When it is that no longer, ``stop`` is set: the
    process ends as when it is asked to, and whoever starts it again has it wait here.
    """
    heartbeat = Heartbeat(engine, role)

    async def beat() -> None:
        on_drain(await heartbeat.beat())
        if (complaint := await _complaint(engine)) is not None:
            _log.error("worker_stops_at_schema", role=role, reason=complaint)
            stop.set()

    await _await_schema(role, engine, stop)
    beating = Loop("heartbeat", beat, BEAT_EVERY_S)
    async with asyncio.TaskGroup() as group:
        for loop in (*loops, beating):
            group.create_task(_repeat(role, loop, stop), name=f"{role}-{loop.name}")
    with suppress(Exception):
        await heartbeat.end()


async def _await_schema(role: str, engine: AsyncEngine, stop: asyncio.Event) -> None:
    fits, told = asyncio.Event(), ""

    async def look() -> bool:
        nonlocal told
        complaint = await _complaint(engine)
        if complaint is None:
            fits.set()
        elif complaint != told:
            _log.error("worker_waits_for_schema", role=role, reason=complaint)
            told = complaint
        return fits.is_set()

    await _repeat(role, Loop("schema", look, _LOOK_AT_SCHEMA_EVERY_S), stop, until=fits)


async def _complaint(engine: AsyncEngine) -> str | None:
    async with engine.connect() as connection:
        return (await read_standing(connection)).complaint


async def _repeat(role: str, loop: Loop, stop: asyncio.Event, *, until: asyncio.Event | None = None) -> None:
    failures = 0
    while not stop.is_set() and not (until is not None and until.is_set()):
        began = time.monotonic()
        try:
            pause_s = 0.0 if await loop.step() else loop.pause_s
            failures = 0
        except Exception as error:  # noqa: BLE001 - a worker outlives whatever goes wrong in one step
            # Steps that last, as listening does, come to nothing but an end; a failure after a long one is the first.
            failures = 1 if time.monotonic() - began > _FORGIVEN_AFTER_S else failures + 1
            pause_s = min(_FIRST_PAUSE_S * 2 ** min(failures - 1, 10), _LONGEST_PAUSE_S)
            pause_s *= random.uniform(0.75, 1.0)  # noqa: S311 - no secret
            _tell(role, loop, error, failures)
        if pause_s:
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause_s)
        else:
            # A step that never waits must not keep the others from theirs.
            await asyncio.sleep(0)


def _tell(role: str, loop: Loop, error: Exception, failures: int) -> None:
    """Logs the first failure in a row and then ever more rarely."""
    if failures & (failures - 1):
        return
    known = translate(error) or error
    away = isinstance(known, Unavailable)
    _log.warning(
        "worker_step_failed",
        role=role,
        loop=loop.name,
        error=type(known).__name__,
        failures=failures,
        exc_info=None if away else error,
    )
