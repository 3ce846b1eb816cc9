"""Work that goes on after whoever asked for it was answered, owned by the process and over before it ends."""

import asyncio
from collections.abc import Coroutine
from contextvars import Context, copy_context
from datetime import timedelta
from typing import Any

import structlog

from qs.application.kernel.idempotency import joins_commit

_CANCEL_EVERY_S = 3.0
"""Long enough to give back what is held, which is what work that is canceled does."""

_log = structlog.get_logger()


def apart_from_the_request() -> Context:
    """A context for tasks whose transactions are not the answer to the request that began them."""
    context = copy_context()
    context.run(joins_commit.set, None)
    return context


class BackgroundWork:
    """The background tasks of one process."""

    def __init__(self) -> None:
        self.draining = False
        # The event loop itself keeps only weak references to tasks.
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Runs ``work`` to its end; what it raises is logged, since nobody waits for it."""
        task = asyncio.create_task(work, name=name, context=apart_from_the_request())
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def drain(self, within: timedelta) -> None:
        """Says that nothing new should begin, waits for what there is, cancels what does not end ``within``."""
        self.draining = True
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=within.total_seconds())
        if late:
            _log.warning("background_work_cut_short", tasks=sorted(task.get_name() for task in late))
        while late:
            for task in late:
                task.cancel()
            # Once may not be enough: asyncio.wait_for of Python 3.11, by which redis-py sends, keeps an answer that
            # comes in the same moment as a cancellation and drops the cancellation.
            _, late = await asyncio.wait(late, timeout=_CANCEL_EVERY_S)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("background_work_failed", task=task.get_name(), exc_info=error)
