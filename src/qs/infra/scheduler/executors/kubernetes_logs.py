"""The log of one container, passed on as it is written; a stream that breaks is taken up where it was."""

import asyncio
import re
from contextlib import aclosing
from datetime import UTC, datetime
from functools import lru_cache

from qs.application.scheduler.executors import Output
from qs.domain.kernel.errors import QsError
from qs.infra.scheduler.executors.kubernetes_client import KubernetesClient
from qs.infra.scheduler.executors.kubernetes_errors import (
    KubernetesAway,
    KubernetesRefused,
    KubernetesUnusable,
)
from qs.infra.scheduler.executors.kubernetes_watching import Backoff

# Past this the output has been cut long ago, and what comes only keeps the network busy.
MOST_LOG_BYTES = 64 * 1024 * 1024
# Longer than any time with its fraction and zone.
_LONGEST_TIME = 40
_TIME = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)")
_NOT_FOUND = 404
_BAD_REQUEST = 400

Moment = tuple[int, int]
"""Seconds since 1970, and nanoseconds."""


class LogCursor:
    """How far a log has been passed on, told by the times before its lines.

    The API takes a time in whole seconds only, so a stream that is taken up repeats some lines. What is older than the
    last time is left out; of lines with that very time as many as were passed on, and of the line in which the
    stream broke what was passed on of it.
    """

    def __init__(self) -> None:
        self.passed = 0
        self._last: Moment | None = None
        self._lines_then = 0
        self._bytes_of_line = 0
        self.take_up()

    @property
    def since(self) -> str | None:
        """Where to take up the log; None from its beginning."""
        if self._last is None:
            return None
        return datetime.fromtimestamp(self._last[0], UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def take_up(self) -> None:
        """A new stream follows, from ``since`` on."""
        self._head: bytes | None = b""
        self._left_out = 0
        self._repeated = 0
        self._repeating = self._last is not None

    def take(self, chunk: bytes) -> bytes:
        """What of the chunk is to be passed on, without the times."""
        if self._head is not None:
            chunk, self._head = self._head + chunk, None
            return self._lines(chunk, 0)
        end = chunk.find(b"\n") + 1
        passed = self._text(chunk[: end or len(chunk)])
        return passed + self._lines(chunk, end) if end else passed

    def _lines(self, chunk: bytes, position: int) -> bytes:
        """Of whole lines from their beginnings on; the last may be in part."""
        passed: list[bytes] = []
        while True:
            end = chunk.find(b"\n", position) + 1
            space = chunk.find(b" ", position, position + _LONGEST_TIME)
            if not end and space < 0 and len(chunk) - position < _LONGEST_TIME:
                # Not even the time is there yet.
                self._head = chunk[position:]
                return b"".join(passed)
            moment = _moment(chunk[position:space]) if space >= 0 else None
            self._begin_line(moment)
            # What the node itself puts between the lines, its own troubles, has no time.
            start = position if moment is None else space + 1
            passed.append(self._text(chunk[start : end or len(chunk)]))
            if not end:
                return b"".join(passed)
            position = end

    def _begin_line(self, moment: Moment | None) -> None:
        """Decides how much of the line that begins here was passed on before; -1 stands for all."""
        moment = moment or self._last
        if self._repeating and moment is not None and self._last is not None and moment < self._last:
            self._left_out = -1
        elif self._repeating and moment == self._last:
            self._repeated += 1
            begun = self._repeated > self._lines_then
            self._left_out = self._bytes_of_line if begun else -1
            self._repeating = not begun
        else:
            self._repeating = False
            self._left_out = self._bytes_of_line = 0
            if moment != self._last:
                self._last, self._lines_then = moment, 0

    def _text(self, text: bytes) -> bytes:
        """Of the line that has begun; with the line feed it ends."""
        ended = text.endswith(b"\n")
        self._head = b"" if ended else None
        if self._left_out < 0:
            return b""
        kept = text[self._left_out :]
        self._left_out = max(0, self._left_out - len(text))
        self._bytes_of_line += len(kept)
        self.passed += len(kept)
        if ended:
            self._lines_then += 1
            self._bytes_of_line = 0
        return kept


def _moment(head: bytes) -> Moment | None:
    if not (found := _TIME.fullmatch(head)):
        return None
    second = _second((found[1] + found[3]).decode())
    return None if second is None else (second, int((found[2] or b"").ljust(9, b"0")))


@lru_cache(maxsize=8)
def _second(text: str) -> int | None:
    try:
        return int(datetime.fromisoformat(text).timestamp())
    except ValueError:
        return None


class LogFollower:
    """Passes on the log of one container of one pod."""

    def __init__(self, client: KubernetesClient, pod: str, container: str, output: Output) -> None:
        self._client = client
        self._pod = pod
        self._container = container
        self._output = output
        self.container_ended = asyncio.Event()
        """To be set by whoever sees it: from then on a stream that ends is not taken up again."""

    async def run(self) -> None:
        """Returns when all of the log has been passed on, or it is gone with its pod."""
        cursor = LogCursor()
        backoff = Backoff()
        while cursor.passed < MOST_LOG_BYTES:
            over = self.container_ended.is_set()
            before = cursor.passed
            trouble: QsError | None = None
            try:
                await self._stream(cursor)
            except KubernetesRefused as refused:
                if refused.status == _NOT_FOUND or (over and refused.status == _BAD_REQUEST):
                    return
                trouble = refused
            except (KubernetesAway, KubernetesUnusable) as error:
                trouble = error
            if over and trouble is None:
                return
            if cursor.passed > before:
                backoff.reset()
            await backoff.pause(trouble)

    async def _stream(self, cursor: LogCursor) -> None:
        cursor.take_up()
        async with aclosing(self._client.log(self._pod, self._container, since=cursor.since)) as chunks:
            async for chunk in chunks:
                if text := cursor.take(chunk):
                    await self._output.write(text)
                if cursor.passed >= MOST_LOG_BYTES:
                    break
