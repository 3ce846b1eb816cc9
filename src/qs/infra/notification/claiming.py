"""Which deliveries are due, and how a sender makes them its own."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from qs.domain.notification.delivery import Delivery, DeliveryStatus, Place

MOST_IN_A_DIGEST = 20

# A delivery that is being sent is due when its lease is over: its next attempt is then. Of openings that go out
# together only the first is found; whoever locks it takes the others along, so that no two senders part them.
_DUE = text(
    """
SELECT * FROM delivery d
WHERE tenant_id = :tenant AND channel = :channel AND status IN ('queued', 'sending')
  AND not_before <= (SELECT qs_now()) AND next_attempt_at <= statement_timestamp()
  AND NOT (event_name = 'TaskOpened' AND occasion = '' AND (:digest OR digest_id IS NOT NULL) AND EXISTS (
      SELECT FROM delivery e
      WHERE e.tenant_id = d.tenant_id AND e.recipient = d.recipient AND e.channel = d.channel AND e.settled_at IS NULL
        AND e.address_index = d.address_index AND e.event_name = d.event_name AND e.occasion = d.occasion
        AND e.digest_id IS NOT DISTINCT FROM d.digest_id AND e.id < d.id))
ORDER BY not_before, next_attempt_at, id LIMIT :limit FOR UPDATE SKIP LOCKED
"""
)
# Those of a digest that was tried before were claimed together and are due together; the second makes up for the
# microseconds between them.
_COMPANIONS = text(
    """
SELECT d.* FROM delivery d
JOIN unnest(CAST(:leaders AS uuid[]), CAST(:recipients AS text[]), CAST(:indexes AS integer[]), CAST(:digests AS uuid[]))
     AS l(id, recipient, address_index, digest_id)
  ON d.recipient = l.recipient AND d.address_index = l.address_index AND d.digest_id IS NOT DISTINCT FROM l.digest_id
WHERE d.tenant_id = :tenant AND d.channel = :channel AND d.settled_at IS NULL AND d.event_name = 'TaskOpened'
  AND d.occasion = '' AND d.id > l.id
  AND (d.status = 'queued' OR d.next_attempt_at <= statement_timestamp() + interval '1 second')
ORDER BY d.id FOR UPDATE OF d SKIP LOCKED
"""
)
_UNKNOWN = text(
    """
INSERT INTO delivery_attempt (tenant_id, delivery_id, number, at, outcome)
SELECT tenant_id, id, epoch, lease_until, 'unknown' FROM delivery
WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS uuid[])) AND lease_until IS NOT NULL
ON CONFLICT DO NOTHING
"""
)
_BEGIN = text(
    """
UPDATE delivery d
SET status = 'sending', attempts = attempts + 1, epoch = epoch + 1, digest_id = u.digest_id,
    lease_until = clock_timestamp() + CAST(:lease AS interval),
    next_attempt_at = clock_timestamp() + CAST(:lease AS interval)
FROM unnest(CAST(:ids AS uuid[]), CAST(:digests AS uuid[])) AS u(id, digest_id)
WHERE d.tenant_id = :tenant AND d.id = u.id
RETURNING d.*
"""
)
# Held back apart from the others of a digest it goes out under an id that nobody has seen: not under theirs, which a
# receiver may know already. The one whose id it is keeps it.
_TRACEPARENTS = text(
    "SELECT id, traceparent FROM outbox"
    " WHERE tenant_id = :tenant AND id = ANY(CAST(:ids AS uuid[])) AND traceparent IS NOT NULL"
)
_HOLD = text(
    """
UPDATE delivery SET status = 'queued', not_before = :until, lease_until = NULL,
    digest_id = CASE WHEN digest_id = id THEN digest_id END
WHERE tenant_id = :tenant AND id = :id AND epoch = :epoch AND status IN ('queued', 'sending')
"""
)
_RELEASE = text(
    """
UPDATE delivery SET status = 'queued', attempts = attempts - 1, lease_until = NULL,
    next_attempt_at = clock_timestamp() + CAST(:retry_in AS interval)
WHERE tenant_id = :tenant AND id = :id AND epoch = :epoch AND status = 'sending'
"""
)
_CLOSE = text(
    """
UPDATE delivery SET status = :status, reason = :reason, settled_at = qs_now(), lease_until = NULL
WHERE tenant_id = :tenant AND id = :id AND epoch = :epoch AND status IN ('queued', 'sending')
"""
)
_CLOSE_WAITING = text(
    """
UPDATE delivery SET status = 'skipped', reason = :reason, settled_at = qs_now()
WHERE tenant_id = :tenant AND task_id = ANY(CAST(:tasks AS uuid[])) AND status = 'queued'
  AND event_name IN ('TaskOpened', 'EntryReissued')
"""
)
_TOLD = text(
    """
SELECT d.recipient, d.address_index, count(DISTINCT coalesce(d.digest_id, d.id)) AS messages
FROM delivery d
JOIN unnest(CAST(:recipients AS text[]), CAST(:indexes AS integer[]), CAST(:since AS timestamptz[]))
     AS u(recipient, address_index, since)
  ON d.recipient = u.recipient AND d.address_index = u.address_index AND (d.status = 'sent' AND d.settled_at >= u.since
                                    OR d.status = 'sending' AND d.settled_at IS NULL)
WHERE d.tenant_id = :tenant AND d.channel = :channel AND d.id <> ALL(CAST(:beside AS uuid[]))
GROUP BY d.recipient, d.address_index
"""
)


class SqlClaims:
    """The part of the ledger that senders work with."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def due(self, channel: str, limit: int, *, digest: bool) -> Sequence[Sequence[Delivery]]:
        """Locks what is due, for the rest of the transaction, in groups that go out as one message each."""
        own = {"tenant": self._tenant_id, "channel": channel}
        rows = await self._connection.execute(_DUE, {**own, "limit": limit, "digest": digest})
        leaders = [delivery_of(row) for row in rows]
        together = [each for each in leaders if each.is_opening and (digest or each.digest_id)]
        others = await self._companions(own, together) if together else {}
        groups = [[each, *others.get(each.id, ())] for each in leaders]
        interrupted = [one.id for group in groups for one in group if one.status is DeliveryStatus.SENDING]
        if interrupted:
            await self._connection.execute(_UNKNOWN, {"tenant": self._tenant_id, "ids": interrupted})
        return groups

    async def _companions(
        self, own: Mapping[str, Any], leaders: Sequence[Delivery]
    ) -> Mapping[UUID, Sequence[Delivery]]:
        rows = await self._connection.execute(
            _COMPANIONS,
            {
                **own,
                "leaders": [each.id for each in leaders],
                "recipients": [each.recipient for each in leaders],
                "indexes": [each.address_index for each in leaders],
                "digests": [each.digest_id for each in leaders],
            },
        )
        leader_of = {(each.recipient, each.address_index, each.digest_id): each.id for each in leaders}
        found: dict[UUID, list[Delivery]] = defaultdict(list)
        for each in map(delivery_of, rows):
            group = found[leader_of[each.recipient, each.address_index, each.digest_id]]
            if len(group) < MOST_IN_A_DIGEST - 1:
                group.append(each)
        return found

    async def begin(
        self, deliveries: Mapping[UUID, UUID | None], lease: timedelta
    ) -> Mapping[UUID, Delivery]:
        """Makes them ours until the lease ends and counts an attempt; each with the digest that it goes out in."""
        rows = await self._connection.execute(
            _BEGIN,
            {
                "tenant": self._tenant_id,
                "ids": list(deliveries),
                "digests": list(deliveries.values()),
                "lease": lease,
            },
        )
        return {row.id: delivery_of(row) for row in rows}

    async def traceparents(self, event_ids: Collection[UUID]) -> Mapping[UUID, str]:
        rows = await self._connection.execute(
            _TRACEPARENTS, {"tenant": self._tenant_id, "ids": list(event_ids)}
        )
        return {row.id: row.traceparent for row in rows}

    async def hold(self, delivery: Delivery, until: datetime) -> None:
        await self._connection.execute(
            _HOLD,
            {"tenant": self._tenant_id, "id": delivery.id, "epoch": delivery.epoch, "until": until},
        )

    async def release(self, delivery: Delivery, retry_in: timedelta) -> None:
        await self._connection.execute(
            _RELEASE,
            {"tenant": self._tenant_id, "id": delivery.id, "epoch": delivery.epoch, "retry_in": retry_in},
        )

    async def close(self, delivery: Delivery, status: DeliveryStatus, reason: str) -> None:
        await self._connection.execute(
            _CLOSE,
            {
                "tenant": self._tenant_id,
                "id": delivery.id,
                "epoch": delivery.epoch,
                "status": status.value,
                "reason": reason,
            },
        )

    async def close_waiting(self, task_ids: Iterable[UUID], reason: str) -> int:
        done = await self._connection.execute(
            _CLOSE_WAITING, {"tenant": self._tenant_id, "tasks": list(task_ids), "reason": reason}
        )
        return done.rowcount

    async def told_since(
        self, channel: str, since: Mapping[Place, datetime], *, beside: Iterable[UUID]
    ) -> Mapping[Place, int]:
        rows = await self._connection.execute(
            _TOLD,
            {
                "tenant": self._tenant_id,
                "channel": channel,
                "recipients": [recipient for recipient, _ in since],
                "indexes": [index for _, index in since],
                "since": list(since.values()),
                "beside": list(beside),
            },
        )
        return {(row.recipient, row.address_index): row.messages for row in rows}


def delivery_of(row: Row[Any]) -> Delivery:
    """A delivery from all columns of its row."""
    # Rows of a textual query carry the document as text.
    data = msgspec.json.decode(row.data) if isinstance(row.data, str) else row.data
    return Delivery(
        id=row.id,
        tenant_id=row.tenant_id,
        event_id=row.event_id,
        event_name=row.event_name,
        task_id=row.task_id,
        testee_id=row.testee_id,
        plan_id=row.plan_id,
        recipient=row.recipient,
        channel=row.channel,
        address_index=row.address_index,
        template=row.template,
        locale=row.locale,
        data=data,
        status=DeliveryStatus(row.status),
        reason=row.reason,
        attempts=row.attempts,
        epoch=row.epoch,
        next_attempt_at=row.next_attempt_at,
        created_at=row.created_at,
        settled_at=row.settled_at,
        occasion=row.occasion,
        # The driver's minus infinity.
        not_before=None if row.not_before.year == 1 else row.not_before,
        digest_id=row.digest_id,
    )
