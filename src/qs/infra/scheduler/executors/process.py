"""A command under a supervisor, as a worker sees it: an order in, output and one ending out."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qs.infra.scheduler.executors import strays
from qs.infra.scheduler.executors.supervisor.order import ERR, HEADER, OUT, REPORT, STOP, Order, frame

_SOURCES = str(Path(__file__).resolve().parents[4])
# Isolated and without `site`, neither the environment nor a .pth file decides what runs here.
_PROGRAM = (
    "import sys; sys.path.append(sys.argv[1]); "
    "from qs.infra.scheduler.executors.supervisor.main import main; main(int(sys.argv[2]))"
)

# Some interpreters find their own library by it; the command's environment is another one.
_KEPT = "LD_LIBRARY_PATH"

# One that has told the end may still be removing files, and goes on without us.
_LEFT_AFTER_S = 10.0
# One that was abandoned ends within its own limits; after this it is broken.
_BROKEN_AFTER_S = 60.0
_MOST_FRAME_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Written:
    """Bytes of the command, as it wrote them; of its standard error or its standard output."""

    data: bytes
    is_error: bool


class SupervisorGone(Exception):
    """The supervisor ended without a word; what it had started was looked for and killed."""


class SupervisedCommand:
    """One command from its order to its end. ``events`` must be read to the end, or ``abandon`` called.

    Raises:
        OSError: no supervisor can be started.
    """

    def __init__(self, process: asyncio.subprocess.Process, order: Order) -> None:
        self._process = process
        self._order = order
        self._place: str | None = None
        self._is_told = False

    @classmethod
    async def start(cls, order: Order) -> "SupervisedCommand":
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-I", "-S", "-X", "utf8", "-c", _PROGRAM, _SOURCES, str(os.getpid())),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={_KEPT: os.environ[_KEPT]} if _KEPT in os.environ else {},
            # A key pressed in our terminal is for us; we tell the supervisor.
            start_new_session=True,
            limit=1024 * 1024,
        )
        assert process.stdin is not None
        # It goes into the buffer; a supervisor that has died already is noticed at its output.
        process.stdin.write(frame(b"!", order.encode()))
        return cls(process, order)

    def stop(self) -> None:
        """TERM, the grace period, KILL; the events tell the end."""
        assert self._process.stdin is not None
        with suppress(OSError, RuntimeError):
            self._process.stdin.write(STOP)

    def abandon(self) -> None:
        """KILL for everything at once."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    async def events(self) -> AsyncIterator[Written | dict[str, Any]]:
        """What the command writes and what the supervisor reports; nothing of the command is left after the last one.

        Raises:
            SupervisorGone: it was killed.
        """
        assert self._process.stdout is not None
        with suppress(asyncio.IncompleteReadError):
            while not self._is_told:
                kind, length = HEADER.unpack(await self._process.stdout.readexactly(HEADER.size))
                if length > _MOST_FRAME_BYTES:
                    break
                data = await self._process.stdout.readexactly(length)
                if kind in (OUT, ERR):
                    yield Written(data, kind == ERR)
                elif kind == REPORT:
                    yield self._noted(json.loads(data))
        self.abandon()
        if self._is_told:
            await self._wait(_LEFT_AFTER_S)
            return
        if not await self._wait(_BROKEN_AFTER_S):
            with suppress(ProcessLookupError):
                self._process.kill()
        await self._process.wait()
        await asyncio.to_thread(strays.kill, self._order.env, self._place)
        raise SupervisorGone

    async def _wait(self, seconds: float) -> bool:
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(seconds):
                while await self._process.stdout.read(65536):
                    pass
                await self._process.wait()
        except TimeoutError:
            return False
        return True

    def _noted(self, report: dict[str, Any]) -> dict[str, Any]:
        if report["event"] == "started":
            self._place = report["place"]
        self._is_told = report["event"] in ("ended", "failed")
        return report
