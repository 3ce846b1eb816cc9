"""What executions wrote, from an offset on: gathered, and cut so that no character is torn."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from msgspec import Struct

from qs.application.scheduler.job_reading import JobReading, OutputPiece

# One more round would find nothing that a reader of this answer could not ask for himself.
_MOST_ROUNDS = 200


@dataclass(frozen=True, slots=True)
class Gathered:
    """Neighbouring pieces of one attempt and stream as one. ``is_over``: nothing was or will be written after them."""

    pieces: Sequence[OutputPiece]
    is_over: bool


class PieceView(Struct):
    """A run of output of one attempt on one stream, as text; what is no UTF-8 is shown as U+FFFD."""

    offset: int
    attempt: int
    stream: str
    text: str


class LogView(Struct):
    """Output from `offset` on. Go on from `next_offset` until `over`."""

    offset: int
    next_offset: int
    over: bool
    pieces: list[PieceView]


async def gather(
    reading: JobReading, tenant_id: UUID, execution_id: UUID, offset: int, most: int
) -> Gathered:
    """At most ``most`` bytes from ``offset`` on. Raises ExecutionAbsent."""
    found: list[OutputPiece] = []
    position, left = offset, most
    for _ in range(_MOST_ROUNDS):
        pieces, over = await reading.output(tenant_id, execution_id, offset=position, most=left)
        if not pieces:
            return Gathered(_joined(found), over)
        for piece in pieces:
            data = piece.data[:left]
            found.append(OutputPiece(piece.offset, piece.attempt, piece.stream, data))
            left -= len(data)
            if left <= 0:
                return Gathered(_joined(found), False)
        position = end_of(found[-1])
    return Gathered(_joined(found), False)


def end_of(piece: OutputPiece) -> int:
    """The offset of the byte after the piece."""
    return piece.offset + len(piece.data)


def whole_characters(gathered: Gathered) -> Sequence[OutputPiece]:
    """The pieces without the beginning of a character at their end, which is read with its rest later.

    At the very end nothing follows, and a text that is torn there stays torn.
    """
    pieces = list(gathered.pieces)
    if not pieces or gathered.is_over:
        return pieces
    last = pieces[-1]
    kept = len(last.data) - _torn(last.data)
    if kept:
        pieces[-1] = OutputPiece(last.offset, last.attempt, last.stream, last.data[:kept])
    elif len(pieces) > 1:
        pieces.pop()
    return pieces


def shown(piece: OutputPiece) -> PieceView:
    return PieceView(piece.offset, piece.attempt, piece.stream, piece.data.decode("utf-8", "replace"))


def log_view(gathered: Gathered, offset: int) -> LogView:
    pieces = whole_characters(gathered)
    return LogView(
        offset=offset,
        next_offset=end_of(pieces[-1]) if pieces else offset,
        over=gathered.is_over,
        pieces=[shown(piece) for piece in pieces],
    )


def _joined(pieces: Sequence[OutputPiece]) -> list[OutputPiece]:
    joined: list[OutputPiece] = []
    for piece in pieces:
        last = joined[-1] if joined else None
        if last is not None and (last.attempt, last.stream, end_of(last)) == (
            piece.attempt,
            piece.stream,
            piece.offset,
        ):
            joined[-1] = OutputPiece(last.offset, last.attempt, last.stream, last.data + piece.data)
        else:
            joined.append(piece)
    return joined


def _torn(data: bytes) -> int:
    """How many bytes at the end are the beginning of a character of UTF-8 that goes on."""
    for back in range(1, min(4, len(data) + 1)):
        byte = data[-back]
        if byte & 0b1100_0000 == 0b1000_0000:
            continue
        wants = 4 if byte >= 0xF0 else 3 if byte >= 0xE0 else 2 if byte >= 0xC0 else 1
        return back if wants > back else 0
    return 0
