"""taskiq on a Redis stream, with acknowledgements and kept results; `python -m bench.rivals.taskiq_noop N` enqueues N tasks."""

import asyncio
import os
import sys

from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker  # type: ignore[import-not-found]

from bench.rivals.recording import REDIS_URL

_AT_ONCE = 200


async def noop() -> None:
    """The task."""


_url = os.environ[REDIS_URL]
_results = RedisAsyncResultBackend(_url, prefix_str="result", max_connection_pool_size=_AT_ONCE)
# What `taskiq worker` is told to work for.
broker = RedisStreamBroker(_url, max_connection_pool_size=_AT_ONCE).with_result_backend(_results)
_task = broker.register_task(noop, task_name="noop")


async def enqueue(count: int) -> None:
    """Puts so many tasks into the stream."""
    await broker.startup()
    for start in range(0, count, _AT_ONCE):
        await asyncio.gather(*(_task.kiq() for _ in range(min(_AT_ONCE, count - start))))
    await broker.shutdown()


if __name__ == "__main__":
    asyncio.run(enqueue(int(sys.argv[1])))
