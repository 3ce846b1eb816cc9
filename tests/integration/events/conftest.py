import asyncpg
import pytest

from qs.infra.redis.client import create_redis
from tests.support.events import make_effect_table


@pytest.fixture
async def redis(redis_url: str):
    client = create_redis(redis_url)
    yield client
    await client.aclose()


@pytest.fixture
async def truth(database_url: str):
    """A superuser's connection, which sees every row."""
    connection = await asyncpg.connect(database_url)
    await make_effect_table(database_url)
    yield connection
    await connection.close()


@pytest.fixture
async def effects(truth: asyncpg.Connection):
    """How many effects there are and of how many events."""

    async def count() -> tuple[int, int]:
        row = await truth.fetchrow("SELECT count(*), count(DISTINCT event_id) FROM effect")
        assert row is not None
        return row[0], row[1]

    return count
