"""What qs forgets, and when: nothing that somebody still has to act on."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Keep:
    """How long things are kept after they are done with. The inbox outlives the outbox and the streams."""

    outbox: timedelta
    inbox: timedelta
    executions: timedelta


class ForgettableRows(Protocol):
    """Deletes at most ``limit`` rows in a transaction of its own; each method returns how many."""

    async def outbox(self, older_than: timedelta, limit: int) -> int:
        """Events every subscriber has acted on, published that long ago. Dead letters keep theirs."""

    async def inbox(self, older_than: timedelta, limit: int) -> int:
        """Acknowledgements that old whose event is gone, so that none can come again unrecognised."""

    async def executions(self, older_than: timedelta, limit: int) -> int: ...

    async def slots(self, older_than: timedelta, limit: int) -> int:
        """Slots that old, but never the newest of a name."""

    async def idempotency_keys(self, limit: int) -> int:
        """Keys whose time is over."""


class AgedStreams(Protocol):
    async def trim(self) -> int:
        """Removes the entries older than the streams' age; returns how many."""


class RetentionService:
    """Deletes in bounded batches, so that nobody waits long for a row; running it twice at once does no harm."""

    def __init__(self, rows: ForgettableRows, streams: AgedStreams, keep: Keep, *, batch: int = 5000) -> None:
        self._rows = rows
        self._streams = streams
        self._keep = keep
        self._batch = batch

    async def run(self) -> Mapping[str, int]:
        """How many of each were deleted."""
        rows, keep = self._rows, self._keep
        return {
            "outbox": await self._all(lambda: rows.outbox(keep.outbox, self._batch)),
            "inbox": await self._all(lambda: rows.inbox(keep.inbox, self._batch)),
            "executions": await self._all(lambda: rows.executions(keep.executions, self._batch)),
            "slots": await self._all(lambda: rows.slots(keep.executions, self._batch)),
            "idempotency_keys": await self._all(lambda: rows.idempotency_keys(self._batch)),
            "stream_entries": await self._streams.trim(),
        }

    async def _all(self, delete: Callable[[], Awaitable[int]]) -> int:
        total = 0
        while (count := await delete()) > 0:
            total += count
        return total
