"""Who locks a job and its executions locks the job first, or a clock that has it and they would wait for one another."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import asyncpg
import pytest

from qs.domain.kernel.ids import DEFAULT_TENANT
from tests.support.waiting import eventually

from .nodes import ACTOR, DEAD, Node


async def _end(holder: Node, other: Node, run: Any) -> None:
    holder.executor.may_end.set()
    await holder.idle()


async def _take_over(holder: Node, other: Node, run: Any) -> None:
    await other.rescue.rescue()


async def _cancel(holder: Node, other: Node, run: Any) -> None:
    await other.operating.cancel(DEFAULT_TENANT, run.id, actor=ACTOR)


@pytest.fixture
async def clock(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.mark.parametrize("act", [_end, _take_over, _cancel])
@pytest.mark.parametrize("chained", [False, True])
async def test_a_clock_that_has_a_job_may_stop_its_execution_whatever_else_is_done_to_it(
    make_node: Callable[..., Node],
    clock: asyncpg.Connection,
    act: Callable[[Node, Node, Any], Coroutine[Any, Any, None]],
    chained: bool,
) -> None:
    holder, other = make_node(lease=DEAD), make_node()
    following = await holder.job("following") if chained else None
    job = await holder.job(**({"on_completion": ["following"]} if chained else {"overlap": "replace"}))
    holder.executor.hold()
    run = await holder.operating.run(DEFAULT_TENANT, job.id, actor=ACTOR)
    await holder.work()
    await holder.executor.begun()

    async with clock.transaction():
        await clock.execute("SELECT FROM job WHERE id = $1 FOR UPDATE", (following or job).id)
        acting = asyncio.create_task(act(holder, other, run))
        await eventually(lambda: _somebody_waits(clock))
        # Sooner than who waits gives up.
        await clock.execute("SET LOCAL lock_timeout = '500ms'")
        await clock.execute("UPDATE job_execution SET cancel_requested = 'replaced' WHERE id = $1", run.id)
    await acting

    holder.executor.may_end.set()
    await holder.idle()


async def _somebody_waits(connection: asyncpg.Connection) -> bool:
    return bool(
        await connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
    )
