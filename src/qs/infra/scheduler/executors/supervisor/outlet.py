"""What the command writes, on its way to the worker: passed on up to the cap, thrown away beyond it."""

import contextlib
import os
from typing import Any

from qs.infra.scheduler.executors.supervisor.order import ERR, OUT, frame, report

_CHUNK = 64 * 1024
_THROWN_AT_ONCE = 1024 * 1024


class Outlet:
    """Two pipes of the command and the one to the worker. Nothing is read while the worker has not taken the last.

    So a command that writes faster than its output can be kept waits, and nothing piles up here.
    """

    def __init__(self, worker: int, most_bytes: int) -> None:
        self._worker = worker
        self._left = most_bytes
        self._pending = b""
        self._nowhere = os.open("/dev/null", os.O_WRONLY)
        self._sources: dict[int, bytes] = {}
        self.pipes: dict[bytes, int] = {}
        for kind in (OUT, ERR):
            source, self.pipes[kind] = os.pipe()
            self._sources[source] = kind
            os.set_blocking(source, False)
        os.set_blocking(worker, False)
        self.written = 0
        self.dropped = 0

    def close_pipes(self) -> None:
        """Closes the command's ends, which it has by now."""
        for fd in self.pipes.values():
            os.close(fd)

    @property
    def readable(self) -> list[int]:
        """What to read from as soon as something is there."""
        return [] if self._pending else list(self._sources)

    @property
    def is_waiting(self) -> bool:
        """Whether the worker must take something first."""
        return bool(self._pending)

    @property
    def is_done(self) -> bool:
        """Whether all was passed on and nobody is left who could write."""
        return not self._pending and not self._sources

    def report(self, **fields: Any) -> None:
        """Says something to the worker, after all that was passed on before."""
        self._pending += report(**fields)

    def take(self, source: int, *, is_last: bool = False) -> None:
        """Reads once from a source; one that has ended, or is empty with nobody left to write, is closed."""
        if source not in self._sources:
            return
        try:
            count = self._pass_on(source) if self._left else self._throw_away(source)
        except BlockingIOError:
            if not is_last:
                return
            count = 0
        self.written += count
        if count == 0:
            os.close(source)
            del self._sources[source]

    def give(self) -> None:
        """Gives the worker what it takes without waiting. Raises BrokenPipeError when it is gone."""
        with contextlib.suppress(BlockingIOError):
            while self._pending:
                sent = os.write(self._worker, self._pending)
                self._pending = self._pending[sent:]

    def abandon(self) -> None:
        """Nobody will read any more, neither here nor there."""
        self._pending = b""
        for source in self._sources:
            os.close(source)
        self._sources.clear()

    def _pass_on(self, source: int) -> int:
        data = os.read(source, _CHUNK)
        kept = data[: self._left]
        if kept:
            self._pending += frame(self._sources[source], kept)
        self._left -= len(kept)
        self._drop(len(data) - len(kept))
        return len(data)

    def _throw_away(self, source: int) -> int:
        # Without a copy: a flood must cost as little as can be.
        count = os.splice(source, self._nowhere, _THROWN_AT_ONCE, flags=os.SPLICE_F_NONBLOCK)
        self._drop(count)
        return count

    def _drop(self, count: int) -> None:
        if count and not self.dropped:
            self.report(event="capped")
        self.dropped += count
