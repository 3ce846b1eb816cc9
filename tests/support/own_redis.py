"""A Redis of one test's own, to be stopped, emptied and started again."""

import asyncio
import contextlib
import shutil
import tempfile
from pathlib import Path

from redis.asyncio import Redis

from qs.infra.embedded.binaries import find_redis
from tests.support.processes import end


class OwnRedis:
    """Keeps nothing on disk: after a restart it is empty."""

    def __init__(self) -> None:
        # The path is short because a socket's address is bounded.
        self._home = Path(tempfile.mkdtemp(prefix="qs-redis-"))
        self._process: asyncio.subprocess.Process | None = None
        self.url = f"unix://{self._home}/redis.sock"

    @property
    def process_id(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        socket = ["--port", "0", "--unixsocket", f"{self._home}/redis.sock"]
        files = ["--dir", str(self._home), "--save", "", "--appendonly", "no"]
        self._process = await asyncio.create_subprocess_exec(
            str(find_redis()), *socket, *files, stdout=asyncio.subprocess.DEVNULL
        )
        client = Redis.from_url(self.url)
        try:
            async with asyncio.timeout(60):
                while True:
                    with contextlib.suppress(Exception):
                        await client.ping()
                        return
                    await asyncio.sleep(0.01)
        except BaseException:
            await self.kill()
            raise
        finally:
            await client.aclose()

    async def kill(self) -> None:
        if self._process is not None:
            await end(self._process)
            self._process = None

    async def close(self) -> None:
        await self.kill()
        shutil.rmtree(self._home, ignore_errors=True)
