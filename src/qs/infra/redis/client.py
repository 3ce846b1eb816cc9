"""Connections to Redis or Valkey."""

from typing import Any

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

AWAY = (RedisConnectionError, RedisTimeoutError, OSError)
"""What a call raises when the server cannot be reached, is loading or went away."""

ANY_FAILURE = (RedisError, OSError)
"""What a call raises when it did not succeed, for whatever reason of the server's."""

READ_TIMEOUT_S = 5.0


def create_redis(url: str) -> Redis:
    """A client whose calls fail within seconds when the server is away; retrying is the caller's decision."""
    client: Redis = Redis.from_url(
        url,
        socket_connect_timeout=2.0,
        socket_timeout=READ_TIMEOUT_S,
        health_check_interval=15,
        client_name="qs",
    )
    pool = client.connection_pool
    pool.connection_class = _that_says_it_is_away(pool.connection_class)
    return client


def _that_says_it_is_away(kind: type[AbstractConnection]) -> type[AbstractConnection]:
    """Connections of that kind, of whose loss uvloop tells in an exception of its own if it comes before they are used."""

    class Connection(kind):  # type: ignore[misc, valid-type]
        async def send_packed_command(self, command: Any, check_health: bool = True) -> None:
            try:
                await super().send_packed_command(command, check_health)
            except RuntimeError as error:
                await self.disconnect(nowait=True)
                raise RedisConnectionError(str(error)) from error

    return Connection
