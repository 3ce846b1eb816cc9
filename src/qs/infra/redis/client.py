"""Connections to Redis or Valkey."""

from redis.asyncio import Redis
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
    return Redis.from_url(  # type: ignore[no-any-return]
        url,
        socket_connect_timeout=2.0,
        socket_timeout=READ_TIMEOUT_S,
        health_check_interval=15,
        client_name="qs",
    )
