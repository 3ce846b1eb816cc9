"""A server that goes away is told of in one way, whatever the event loop calls it."""

import asyncio

import pytest
import uvloop
from redis.exceptions import ConnectionError as RedisConnectionError

from qs.infra.redis.client import create_redis
from tests.support.own_redis import OwnRedis


def test_a_connection_that_was_lost_before_it_is_used_is_told_of_as_lost():
    async def lose() -> None:
        own = OwnRedis()
        await own.start()
        try:
            async with create_redis(own.url) as redis:
                await redis.ping()
                connection = await redis.connection_pool.get_connection()
                # As when the server's end arrives between the look at the connection and its use.
                connection._writer.transport.abort()
                await asyncio.sleep(0.01)
                with pytest.raises(RuntimeError, match="closed"):
                    connection._writer.writelines([b"PING"])
                with pytest.raises(RedisConnectionError, match="closed"):
                    await connection.send_command("PING", check_health=False)
                await redis.connection_pool.release(connection)
                assert await redis.ping()
        finally:
            await own.close()

    uvloop.run(lose())
