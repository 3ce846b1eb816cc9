"""What a failure of PostgreSQL means, whichever way the connection was asked for."""

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from uuid_utils.compat import uuid7

from qs.domain.kernel.errors import Unavailable
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.infra.plan.one_task import SqlOneTask
from qs.infra.postgres.engine import create_engine
from qs.infra.postgres.failures import translate
from qs.infra.postgres.unit_of_work import SqlUnitOfWork
from tests.support.databases import address


async def _by_a_unit_of_work(engine: AsyncEngine) -> object:
    return await SqlUnitOfWork(engine, DEFAULT_TENANT).__aenter__()


async def _by_the_shortest_read(engine: AsyncEngine) -> object:
    return await SqlOneTask(engine)(DEFAULT_TENANT, uuid7())


@pytest.mark.parametrize("ask", [_by_a_unit_of_work, _by_the_shortest_read])
async def test_a_server_that_takes_no_connection_is_away(
    database_url: str, ask: Callable[[AsyncEngine], Awaitable[object]]
) -> None:
    # A server that starts or stops refuses the same way, with a state of its own.
    engine = create_engine(address(database_url, "nowhere"))

    with pytest.raises(Exception, match="does not exist") as refused:
        await ask(engine)

    assert isinstance(translate(refused.value), Unavailable)
    await engine.dispose()


@pytest.mark.parametrize("ask", [_by_a_unit_of_work, _by_the_shortest_read])
async def test_a_connection_that_is_closed_while_it_is_used_is_away(
    database_url: str, engine: AsyncEngine, ask: Callable[[AsyncEngine], Awaitable[object]]
) -> None:
    admin = await asyncpg.connect(database_url)
    async with admin.transaction():
        # Whoever reads waits for these locks until it is sent away.
        await admin.execute("LOCK TABLE task, business_clock")
        asking = asyncio.ensure_future(ask(engine))
        while not asking.done():
            await admin.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted")
            await asyncio.sleep(0.01)
    await admin.close()

    broken = asking.exception()
    assert broken is not None
    assert isinstance(translate(broken), Unavailable), repr(broken)
