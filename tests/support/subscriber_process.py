"""A worker process whose handler kills it at one event: `python -m tests.support.subscriber_process DSN REDIS POSITION`.

With a fourth argument it acts on that many events and then on no other, as if it had become very slow.
"""

import asyncio
import os
import signal
import sys
from datetime import timedelta

from qs.infra.postgres.engine import create_engine
from qs.infra.redis.client import create_redis
from tests.support.events import Counting, make_subscribing


async def main(database_url: str, redis_url: str, position: int, most: int = sys.maxsize) -> None:
    seen = 0

    async def die_at(event):
        nonlocal seen
        if event.position == position:
            os.kill(os.getpid(), signal.SIGKILL)
        seen += 1
        if seen > most:
            await asyncio.Event().wait()

    subscribing = make_subscribing(
        create_engine(database_url),
        create_redis(redis_url),
        Counting(die_at),
        # Small, so that it takes many commits to act on all and a kill comes between two of them.
        batch=5,
        handling_limit=timedelta(seconds=60),
    )
    while True:
        await subscribing.adopt(timedelta(0))
        await subscribing.retry()
        await subscribing.follow(timedelta(milliseconds=20))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])))
