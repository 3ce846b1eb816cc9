"""Follows an execution: what it writes, by offset, and where it stands, until its end."""

import asyncio
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TextIO
from uuid import UUID

from qs.application.scheduler.job_reading import JobReading, OutputPiece
from qs.domain.scheduler.job_execution import JobExecution
from qs.interface.cli.output import note

POLL_S = 0.25
_AT_ONCE = 256 * 1024
# Who waits for a job that takes an hour should not lose it to a database that restarts.
_AWAY_FOR_S = 120.0


@dataclass(slots=True)
class Following:
    """Shows each byte once; ``offset`` is where the next one is, and stays right when following is broken off."""

    reading: JobReading
    tenant_id: UUID
    execution_id: UUID
    show: Callable[[OutputPiece], None]
    tell: Callable[[JobExecution], None] = lambda execution: None
    offset: int = 0
    _away_since: float | None = field(default=None, init=False)

    async def look(self) -> JobExecution:
        """Shows what was written since the last look. Raises ExecutionAbsent."""
        # Asked first: what is over writes nothing after this.
        execution, _ = await self.reading.execution(self.tenant_id, self.execution_id)
        self.tell(execution)
        while True:
            pieces, _ = await self.reading.output(
                self.tenant_id, self.execution_id, offset=self.offset, most=_AT_ONCE
            )
            for piece in pieces:
                self.show(piece)
                self.offset = piece.offset + len(piece.data)
            if not pieces:
                return execution

    async def to_the_end(self, interrupted: asyncio.Event) -> JobExecution | None:
        """The execution as it ended; None once ``interrupted``. A database that is away is waited for, two minutes."""
        while not interrupted.is_set():
            try:
                execution = await self.look()
            except Exception as error:
                if not self._may_wait_out(error):
                    raise
            else:
                self._away_since = None
                if execution.status.is_terminal:
                    return execution
            await asyncio.sleep(POLL_S)
        return None

    def _may_wait_out(self, error: Exception) -> bool:
        from qs.infra.postgres.failures import is_away

        if not is_away(error):
            return False
        now = time.monotonic()
        if self._away_since is None:
            self._away_since = now
            note("the database is away; waiting for it")
        return now - self._away_since < _AWAY_FOR_S


@dataclass(slots=True)
class Plain:
    """Shows output as it was written, byte by byte; where another attempt begins is said on stderr."""

    to: TextIO = field(default_factory=lambda: sys.stdout)
    _attempt: int = field(default=1, init=False)

    def __call__(self, piece: OutputPiece) -> None:
        if piece.attempt != self._attempt:
            self._attempt = piece.attempt
            note(f"-- attempt {piece.attempt}")
        self.to.flush()
        self.to.buffer.write(piece.data)
        self.to.buffer.flush()


class Lines:
    """Shows output as JSON, one object a line, with the offset to go on from after it."""

    def __init__(self) -> None:
        self._last: OutputPiece | None = None
        self._left = b""

    def __call__(self, piece: OutputPiece) -> None:
        last = self._last
        if last is not None and (last.attempt, last.stream) != (piece.attempt, piece.stream):
            self.close()
        data, offset = self._left + piece.data, piece.offset - len(self._left)
        # A character may be cut between two pieces; what is left of it goes with the next one.
        whole = len(data) - _cut(data)
        self._last, self._left = piece, data[whole:]
        if whole:
            self._write(offset, data[:whole], piece)

    def close(self) -> None:
        """Shows what was left, whole or not."""
        if self._last is not None and self._left:
            end = self._last.offset + len(self._last.data)
            self._write(end - len(self._left), self._left, self._last)
        self._left = b""

    def _write(self, offset: int, data: bytes, piece: OutputPiece) -> None:
        import msgspec

        line = {
            "offset": offset,
            "next_offset": offset + len(data),
            "attempt": piece.attempt,
            "stream": piece.stream,
            "text": data.decode("utf-8", "replace"),
        }
        sys.stdout.write(msgspec.json.encode(line).decode() + "\n")
        sys.stdout.flush()


def _cut(data: bytes) -> int:
    """How many bytes at the end begin a UTF-8 character that is not complete."""
    for length in range(1, min(3, len(data)) + 1):
        byte = data[-length]
        if byte >= 0xC0:
            needed = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return length if needed > length else 0
        if byte < 0x80:
            return 0
    return 0
