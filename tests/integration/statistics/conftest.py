from collections.abc import AsyncIterator

import asyncpg
import pytest
from redis.asyncio import Redis

from qs.container import Container
from qs.infra.redis.client import create_redis
from tests.support.counting import Ward
from tests.support.own_redis import OwnRedis


@pytest.fixture
async def truth(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A superuser's connection, which sees every row."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture
async def ward(container: Container, truth: asyncpg.Connection) -> Ward:
    """The default tenant, whose counters are made and whose events are counted when it is told to."""
    ward = Ward(container, truth)
    await ward.mending.mend_lost()
    return ward


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    client = create_redis(redis_url)
    yield client
    await client.aclose()


@pytest.fixture
async def own_redis() -> AsyncIterator[OwnRedis]:
    """A Redis to stop and start again."""
    own = OwnRedis()
    await own.start()
    yield own
    await own.close()
