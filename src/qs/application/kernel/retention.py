"""What qs forgets, and when: nothing that somebody still has to act on."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

MONTHS_AHEAD = 3


@dataclass(frozen=True, slots=True)
class Keep:
    """How long things are kept after they are done with. The inbox outlives the outbox and the streams."""

    outbox: timedelta
    inbox: timedelta
    executions: timedelta
    notices: timedelta = timedelta(days=30)
    webhooks: timedelta = timedelta(days=30)
    webhooks_dead: timedelta = timedelta(days=90)
    messages: timedelta = timedelta(days=366)


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

    async def job_slots(self, older_than: timedelta, limit: int) -> int:
        """Slots claimed that long ago whose job has moved on to a later one, or is no more.

        A slot whose row is gone could be fired again. Nobody can want to: a job's clock never goes back, so what it
        claims is later than its newest row, and that one stays as long as there is the job.
        """

    async def job_notices(self, older_than: timedelta, limit: int) -> int:
        """Notices that old that were sent or given up."""

    async def broker_requests(self, older_than: timedelta, limit: int) -> int:
        """Keys of requests for executions that came that long ago."""

    async def messages(self, older_than: timedelta, limit: int) -> int:
        """Messages to people that were done with that long ago, with their attempts; their event is gone by then."""

    async def grant_uses(self, older_than: timedelta, limit: int) -> int:
        """Which message took a grant, where it did so that long ago and is no more; what was given and used stays."""

    async def webhook_deliveries(self, older_than: timedelta, dead_older_than: timedelta, limit: int) -> int:
        """Webhook deliveries that were done with that long ago."""

    async def webhook_orphans(self, limit: int) -> int:
        """Webhook deliveries whose endpoint is no more."""

    async def webhook_messages(self, limit: int) -> int:
        """What went out and no delivery is left of."""

    async def alerts(self, older_than: timedelta, limit: int) -> int:
        """Alerts that have been over for that long, or of people and plans that nothing was heard of for that long."""


class Months(Protocol):
    """The history of job executions, which lies in partitions by month; ids tell the month.

    Both do nothing, and answer None, while others hold the tables for too long; nothing is lost by that.
    """

    async def prepare(self, ahead: int) -> int | None:
        """Makes the partitions of this month, of the coming ones, and of those that have none; returns how many."""

    async def drop(self, older_than: timedelta) -> int | None:
        """Drops the months that are older as a whole and in which nothing is to be done; returns how many."""


class NoMonths:
    """Where there is no such history."""

    async def prepare(self, ahead: int) -> int | None:
        return 0

    async def drop(self, older_than: timedelta) -> int | None:
        return 0


class AgedStreams(Protocol):
    async def trim(self) -> int:
        """Removes the entries older than the streams' age; returns how many."""


class RetentionService:
    """Deletes in bounded batches, so that nobody waits long for a row; running it twice at once does no harm."""

    def __init__(
        self,
        rows: ForgettableRows,
        streams: AgedStreams,
        keep: Keep,
        months: Months | None = None,
        *,
        batch: int = 5000,
    ) -> None:
        self._rows = rows
        self._streams = streams
        self._keep = keep
        self._months = months or NoMonths()
        self._batch = batch

    async def run(self) -> Mapping[str, int]:
        """How many of each were deleted, and what became of the partitions of job executions."""
        rows, keep = self._rows, self._keep
        # First what must be there; dropping may wait.
        made = await self._months.prepare(MONTHS_AHEAD)
        dropped = await self._months.drop(keep.executions)
        return {
            "job_partitions_made": made or 0,
            "job_months_dropped": dropped or 0,
            "job_slots": await self._all(lambda: rows.job_slots(keep.executions, self._batch)),
            "job_notices": await self._all(lambda: rows.job_notices(keep.notices, self._batch)),
            "broker_requests": await self._all(lambda: rows.broker_requests(keep.executions, self._batch)),
            "webhook_deliveries": await self._all(
                lambda: rows.webhook_deliveries(keep.webhooks, keep.webhooks_dead, self._batch)
            ),
            "webhook_orphans": await self._all(lambda: rows.webhook_orphans(self._batch)),
            "webhook_messages": await self._all(lambda: rows.webhook_messages(self._batch)),
            "outbox": await self._all(lambda: rows.outbox(keep.outbox, self._batch)),
            "inbox": await self._all(lambda: rows.inbox(keep.inbox, self._batch)),
            "messages": await self._all(lambda: rows.messages(keep.messages, self._batch)),
            "grant_uses": await self._all(lambda: rows.grant_uses(keep.messages, self._batch)),
            "executions": await self._all(lambda: rows.executions(keep.executions, self._batch)),
            "slots": await self._all(lambda: rows.slots(keep.executions, self._batch)),
            "idempotency_keys": await self._all(lambda: rows.idempotency_keys(self._batch)),
            "alerts": await self._all(lambda: rows.alerts(keep.executions, self._batch)),
            "stream_entries": await self._streams.trim(),
        }

    async def _all(self, delete: Callable[[], Awaitable[int]]) -> int:
        total = 0
        while (count := await delete()) > 0:
            total += count
        return total
