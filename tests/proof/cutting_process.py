"""`python -m tests.proof.cutting_process DSN`: the proxy in a process of its own, which takes orders on its input.

An order is a line of JSON, and so is its answer: what was cut so far. The end of the input ends the process.
"""

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import astuple
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit, urlunsplit

from tests.proof.cutting import Cut, CuttingProxy, Made, at_random

_PATIENCE_S = 30.0
_PROXIED = "postgresql://x@/x"


class CuttingProcess:
    """A cutting proxy whose clients are served whatever this process is busy with."""

    def __init__(self, upstream: str, *, seed: int) -> None:
        self._upstream = upstream
        self._seed = seed
        self._orders = asyncio.Lock()

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.proof.cutting_process", self._upstream, str(self._seed)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        self._query = (await self._line())["query"]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), _PATIENCE_S)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    def address(self, dsn: str) -> str:
        """The same database by way of the proxy."""
        return urlunsplit(urlsplit(dsn)._replace(query=self._query))

    async def cut(self, share: float, most: int) -> None:
        """From now on that share of the COMMITs is cut, until ``most`` of each client are; the seed decides."""
        await self._order({"share": share, "most": most})

    async def cuts(self) -> Sequence[Made]:
        """What was cut so far."""
        told = await self._order({})
        return [Made(number, client, Cut(cut), answer) for number, client, cut, answer in told["cuts"]]

    async def commits(self) -> int:
        """How many COMMITs were seen so far."""
        return int((await self._order({}))["commits"])

    async def _order(self, order: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        async with self._orders:
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            return await self._line()

    async def _line(self) -> Any:
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), _PATIENCE_S)
        assert line, "the cutting proxy has ended"
        return json.loads(line)


async def _serve(upstream: str, seed: int) -> None:
    loop, orders = asyncio.get_running_loop(), asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    async with CuttingProxy(upstream, seed=seed) as proxy:
        _tell({"query": urlsplit(proxy.address(_PROXIED)).query})
        while line := await orders.readline():
            order = json.loads(line)
            if order:
                proxy.choose = at_random(seed, order["share"], order["most"])
            _tell({"commits": proxy.commits, "cuts": [astuple(made) for made in proxy.cuts]})


def _tell(what: dict[str, Any]) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], int(sys.argv[2])))
