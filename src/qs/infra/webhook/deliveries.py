"""The ledger of webhook deliveries in PostgreSQL."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from qs.application.webhook.ports import Claim, DeliveryFilter, Due, NewDelivery, Settlement
from qs.domain.webhook.delivery import TEST_EVENT, Attempt, Delivery, DeliveryStatus, Outcome
from qs.infra.postgres.ids import new_id
from qs.infra.webhook import statements as sql
from qs.infra.webhook.endpoints import Cipher, endpoint_of, open_secrets

_LONGEST_ANSWER = 300
# Ids tell when they were made, by the clock of whoever made them, which may differ from the database's.
_CLOCKS_DIFFER = timedelta(minutes=10)
_LAST_ID = UUID(int=2**128 - 1)


class SqlDeliveries:
    """Implements DeliveryLedger on an open connection."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID, cipher: Cipher) -> None:
        self._connection = connection
        self._tenant_id = tenant_id
        self._cipher = cipher

    async def add(self, deliveries: Sequence[NewDelivery], bodies: Mapping[UUID, str]) -> int:
        if not deliveries:
            return 0
        parameters = {
            "tenant": self._tenant_id,
            "ids": [new_id() for _ in deliveries],
            "endpoints": [each.endpoint_id for each in deliveries],
            "events": [each.event_id for each in deliveries],
            "names": [each.event_name for each in deliveries],
            "skipped": [each.skipped for each in deliveries],
            "body_ids": list(bodies),
            "bodies": list(bodies.values()),
        }
        return (await self._connection.execute(sql.ADD, parameters)).rowcount

    async def add_test(
        self, endpoint_id: UUID, delivery_id: UUID, event_id: UUID, body: str, lease: timedelta
    ) -> Due:
        parameters = {"id": delivery_id, "endpoint": endpoint_id, "event": event_id, "body": body}
        await self._connection.execute(
            sql.ADD_TEST, {"tenant": self._tenant_id, "name": TEST_EVENT, "lease": lease, **parameters}
        )
        return Due(delivery_id, event_id, 1, 1, timedelta(0), body.encode())

    async def claim(self, endpoint_id: UUID, limit: int, lease: timedelta) -> Claim | None:
        named = {"tenant": self._tenant_id, "endpoint": endpoint_id}
        row = (await self._connection.execute(sql.LOCK_TO_CLAIM, named)).one_or_none()
        if row is None:
            return None
        endpoint = endpoint_of(row)
        if endpoint.health.is_broken:
            if await self._connection.scalar(sql.IS_BEING_SENT, named):
                return None
            limit = 1
        found = await self._connection.execute(sql.CLAIM, {**named, "limit": limit, "lease": lease})
        deliveries = [
            Due(each.id, each.event_id, each.attempts, each.epoch, each.waited, each.body.encode())
            for each in found.all()
        ]
        if not deliveries:
            return None
        secrets = open_secrets(self._cipher, self._tenant_id, endpoint_id, row.secrets)
        signing = secrets.signing(endpoint.previous_secret_until, row.now)
        return Claim(self._tenant_id, endpoint_id, endpoint.url, signing, endpoint.health, deliveries)

    async def settle(self, endpoint_id: UUID, settlements: Sequence[Settlement]) -> int:
        told = [None if each.answer is None else each.answer[:_LONGEST_ANSWER] for each in settlements]
        parameters = {
            "tenant": self._tenant_id,
            "endpoint": endpoint_id,
            "ids": [each.due.id for each in settlements],
            "epochs": [each.due.epoch for each in settlements],
            "statuses": [each.status.value for each in settlements],
            "reasons": [each.reason for each in settlements],
            "waits": [each.retry_in or timedelta(0) for each in settlements],
            "outcomes": [None if each.outcome is None else each.outcome.value for each in settlements],
            "answers": told,
            "durations": [each.duration_ms for each in settlements],
        }
        return (await self._connection.execute(sql.SETTLE, parameters)).rowcount

    async def hasten(self, endpoint_id: UUID) -> None:
        await self._connection.execute(sql.HASTEN, {"tenant": self._tenant_id, "endpoint": endpoint_id})

    async def skip_waiting(self, endpoint_id: UUID) -> int:
        named = {"tenant": self._tenant_id, "endpoint": endpoint_id}
        return (await self._connection.execute(sql.SKIP_WAITING, named)).rowcount

    async def list(
        self, endpoint_id: UUID, which: DeliveryFilter, before: UUID | None, limit: int
    ) -> Sequence[Delivery]:
        parameters = {
            "tenant": self._tenant_id,
            "endpoint": endpoint_id,
            "status": None if which.status is None else which.status.value,
            "limit": limit,
        }
        within = _within(which.since, which.until)
        within["last"] = min(within["last"], before or _LAST_ID)
        rows = await self._connection.execute(sql.LIST, parameters | within)
        return [_delivery(row) for row in rows]

    async def attempts_of(self, delivery_ids: Collection[UUID]) -> Mapping[UUID, Sequence[Attempt]]:
        rows = await self._connection.execute(
            sql.ATTEMPTS, {"tenant": self._tenant_id, "ids": list(delivery_ids)}
        )
        found: dict[UUID, list[Attempt]] = defaultdict(list)
        for row in rows:
            attempt = Attempt(row.number, row.at, Outcome(row.outcome), row.answer, row.duration_ms)
            found[row.delivery_id].append(attempt)
        return found

    async def revive(
        self,
        endpoint_id: UUID,
        *,
        delivery_ids: Collection[UUID] | None,
        statuses: Collection[DeliveryStatus],
        since: datetime | None,
        until: datetime | None,
        limit: int,
    ) -> int:
        parameters = {
            "tenant": self._tenant_id,
            "endpoint": endpoint_id,
            "ids": None if delivery_ids is None else list(delivery_ids),
            "statuses": [each.value for each in statuses],
            "limit": limit,
        }
        done = await self._connection.execute(sql.REVIVE, parameters | _within(since, until))
        return done.rowcount


def _within(since: datetime | None, until: datetime | None) -> dict[str, Any]:
    """The bounds, and those of the ids, by which an index finds them."""
    return {
        "since": since,
        "until": until,
        "first": UUID(int=0) if since is None else _first_id(since - _CLOCKS_DIFFER),
        "last": _LAST_ID if until is None else _first_id(until + _CLOCKS_DIFFER),
    }


def _first_id(at: datetime) -> UUID:
    """The smallest UUIDv7 of an instant."""
    milliseconds = min(max(int(at.timestamp() * 1000), 0), 2**48 - 1)
    return UUID(int=milliseconds << 80)


def _delivery(row: Any) -> Delivery:
    return Delivery(
        id=row.id,
        endpoint_id=row.endpoint_id,
        event_id=row.event_id,
        event_name=row.event_name,
        status=DeliveryStatus(row.status),
        reason=row.reason,
        attempts=row.attempts,
        epoch=row.epoch,
        next_attempt_at=row.next_attempt_at,
        queued_at=row.queued_at,
        created_at=row.created_at,
        settled_at=row.settled_at,
    )
