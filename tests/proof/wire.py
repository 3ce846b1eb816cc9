"""As much of PostgreSQL's protocol (version 3, the manual's chapter "Frontend/Backend Protocol") as finds the COMMITs in it."""

import struct
from collections.abc import Iterator
from enum import Enum, auto


class Part(Enum):
    """What a piece of a client's stream is."""

    OTHER = auto()
    COMMIT = auto()
    ENCRYPTION = auto()
    """A question whether to encrypt, to be answered with one byte."""


_TYPED = struct.Struct("!cI")
_OPENING = struct.Struct("!II")
_ENCRYPTION_CODES = (80877103, 80877104)
# A query that commits is no longer, and what is longer need not be had whole.
_SHORT = 32


class ClientStream:
    """Divides what one client sends into COMMITs and everything else, in order and without loss.

    A COMMIT is a simple Query, which is how asyncpg ends a transaction; one that was prepared is not recognised.
    """

    def __init__(self) -> None:
        self._held = b""
        self._passing = 0
        self._opened = False

    def feed(self, data: bytes) -> Iterator[tuple[Part, bytes]]:
        """The parts that are complete by now."""
        buffer = self._held + data if self._held else data
        self._held = b""
        while not self._opened:
            size, code = _OPENING.unpack_from(buffer) if len(buffer) >= _OPENING.size else (_OPENING.size, 0)
            if len(buffer) < size:
                self._held = buffer
                return
            self._opened = code not in _ENCRYPTION_CODES
            yield Part.OTHER if self._opened else Part.ENCRYPTION, buffer[:size]
            buffer = buffer[size:]
        yield from self._divide(buffer)

    def _divide(self, buffer: bytes) -> Iterator[tuple[Part, bytes]]:
        start, at = 0, min(self._passing, len(buffer))
        self._passing -= at
        while len(buffer) - at >= _TYPED.size:
            kind, length = _TYPED.unpack_from(buffer, at)
            end = at + 1 + length
            if kind == b"Q" and length <= _SHORT:
                if len(buffer) < end:
                    break
                if _is_commit(buffer[at + _TYPED.size : end - 1]):
                    if at > start:
                        yield Part.OTHER, buffer[start:at]
                    yield Part.COMMIT, buffer[at:end]
                    start = end
            self._passing = max(0, end - len(buffer))
            at = end - self._passing
        if at > start:
            yield Part.OTHER, buffer[start:at]
        self._held = buffer[at:]


def _is_commit(query: bytes) -> bool:
    return query.strip(b" \t\r\n;").upper() in (b"COMMIT", b"END")


def answer_in(stream: bytes) -> str | None:
    """What a server said to a COMMIT: how it completed, or the code of its error; None while it is not done."""
    at, said = 0, ""
    while len(stream) - at >= _TYPED.size:
        kind, length = _TYPED.unpack_from(stream, at)
        end = at + 1 + length
        if len(stream) < end:
            break
        body = stream[at + _TYPED.size : end]
        if kind == b"Z":
            return said
        if kind == b"C":
            said = body[:-1].decode()
        elif kind == b"E":
            said = next(field[1:].decode() for field in body.split(b"\0") if field[:1] == b"C")
        at = end
    return None
