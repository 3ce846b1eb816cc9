"""Four API processes share one limit to the call, and go on without Redis."""

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial
from pathlib import Path

import httpx
import pytest

from qs.container import Container
from qs.domain.kernel.ids import DEFAULT_TENANT
from tests.support.own_redis import OwnRedis
from tests.support.processes import clean_environment, running
from tests.support.settings import SECRET_KEY
from tests.support.waiting import eventually

PROCESSES, LIMIT = 4, 400
PLANS = "/api/v1/plans"

Ask = Callable[..., Awaitable[Counter[int]]]


@pytest.fixture
async def own_redis() -> AsyncIterator[OwnRedis]:
    server = OwnRedis()
    await server.start()
    yield server
    await server.close()


@pytest.fixture
async def addresses(database_url: str, own_redis: OwnRedis, tmp_path: Path) -> AsyncIterator[list[str]]:
    """Where four API processes on the same servers answer."""
    environment = clean_environment(
        QS_ENV="test",
        QS_HOME=str(tmp_path),
        QS_SECRET_KEY=SECRET_KEY,
        QS_DATABASE_URL=database_url,
        QS_REDIS_URL=own_redis.url,
        QS_LOG_LEVEL="warning",
        QS_LIMITS__READING=f"{LIMIT}/1h",
        QS_LIMITS__PROCESSES=str(PROCESSES),
        # A machine that is busy with other things is no Redis that is away.
        QS_LIMITS__PATIENCE_S="10",
    )
    files = [tmp_path / f"port{n}" for n in range(PROCESSES)]
    async with AsyncExitStack() as stack:
        for file in files:
            arguments = ("-P", "-m", "qs", "api", "--port", "0", "--port-file", file)
            await stack.enter_async_context(running(sys.executable, *arguments, env=environment))
        ports = [await eventually(partial(port_in, file)) for file in files]
        yield [f"http://127.0.0.1:{port}" for port in ports]


async def port_in(file: Path) -> str | None:
    return file.read_text().strip() if file.exists() else None  # noqa: ASYNC240 - a number on the local disk


@pytest.fixture
async def ask(addresses: list[str]) -> AsyncIterator[Ask]:
    """How often each status was answered to that many reads at once, of all processes or of one."""
    limits = httpx.Limits(max_connections=25)
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(
                httpx.AsyncClient(base_url=address, limits=limits, timeout=httpx.Timeout(60, pool=None))
            )
            for address in addresses
        ]

        async def ask(headers: dict[str, str], times: int, only: int | None = None) -> Counter[int]:
            asked = clients if only is None else clients[only : only + 1]
            answers = await asyncio.gather(
                *(asked[n % len(asked)].get(PLANS, headers=headers) for n in range(times))
            )
            assert all("retry-after" in answer.headers for answer in answers if answer.status_code == 429)
            return Counter(answer.status_code for answer in answers)

        yield ask


async def test_a_limit_is_exact_over_all_processes_and_a_share_of_it_holds_without_redis(
    ask: Ask, own_redis: OwnRedis, container: Container
) -> None:
    async def caller() -> dict[str, str]:
        issued = await container.token_issuing().issue(
            DEFAULT_TENANT, ["plans:read"], timedelta(hours=1), actor="test"
        )
        return {"Authorization": f"Bearer {issued.token}"}

    one, other = await caller(), await caller()

    assert await ask(one, 1000) == {200: LIMIT, 429: 1000 - LIMIT}
    assert await ask(other, 8) == {200: 8}

    await own_redis.kill()
    assert await ask(one, 1000) == {200: LIMIT, 429: 1000 - LIMIT}
    assert await ask(other, 8) == {200: 8}

    await own_redis.start()
    for process in range(PROCESSES):

        async def is_not_alone(process: int = process) -> bool:
            more_than_a_share = LIMIT // PROCESSES + 1
            return (await ask(await caller(), more_than_a_share, process))[429] == 0

        await eventually(is_not_alone)
    assert await ask(await caller(), 1000) == {200: LIMIT, 429: 1000 - LIMIT}
