"""I4 and I5 of webhook endpoints: each gets each of its tenant's events as one delivery, and is called under the event's id."""

from collections import Counter
from collections.abc import Iterator, Sequence

import asyncpg

from tests.proof.webhooks import Arrival

_UNLIKE = """
SELECT format('event %s (%s) has %s deliveries for endpoint %s', o.id, o.name, count(d.id), e.id) AS what
FROM webhook_endpoint e
    JOIN outbox o ON o.tenant_id = e.tenant_id AND o.context || '.' || o.name LIKE ANY (
        SELECT replace(filter, '*', '%') FROM unnest(e.events) AS filter)
    LEFT JOIN webhook_delivery d ON (d.tenant_id, d.endpoint_id, d.event_id) = (e.tenant_id, e.id, o.id)
GROUP BY e.id, o.id, o.name HAVING count(d.id) <> 1
UNION ALL
SELECT format('webhook delivery %s of event %s is %s', id, event_id, status) FROM webhook_delivery WHERE status <> 'sent'
UNION ALL
SELECT format('webhook delivery %s is for another tenant than its event or its endpoint', d.id)
FROM webhook_delivery d
    JOIN outbox o ON o.id = d.event_id JOIN webhook_endpoint e ON e.id = d.endpoint_id
WHERE o.tenant_id <> d.tenant_id OR e.tenant_id <> d.tenant_id
"""


async def broken(database_url: str) -> list[str]:
    """What the ledger lacks, or has too much of, once it is quiet; the endpoints were there before the first event."""
    connection = await asyncpg.connect(database_url)
    try:
        return [f"I5: {row['what']}" for row in await connection.fetch(_UNLIKE)]
    finally:
        await connection.close()


async def broken_by_arrivals(
    database_url: str, endpoint_id: str, arrivals: Sequence[Arrival], most_again: int
) -> list[str]:
    """What one endpoint's receiver saw, against the ledger.

    ``most_again`` calls that were accepted may have come again: those that can be in the air, or answered and not yet
    written down, when their process is killed.
    """
    connection = await asyncpg.connect(database_url)
    try:
        rows = await connection.fetch(
            "SELECT event_id::text, epoch, (SELECT count(*) FROM webhook_attempt a WHERE (a.tenant_id, a.delivery_id) ="
            " (d.tenant_id, d.id) AND a.outcome IN ('temporary', 'permanent')) AS failures"
            " FROM webhook_delivery d WHERE endpoint_id = $1::uuid",
            endpoint_id,
        )
    finally:
        await connection.close()
    return list(_unlike({row["event_id"]: row for row in rows}, arrivals, most_again))


def again(arrivals: Sequence[Arrival]) -> int:
    """How many calls were accepted more than once, under an id that was accepted before."""
    accepted = Counter(each.message_id for each in arrivals if 200 <= each.status < 300)
    return sum(accepted.values()) - len(accepted)


def _unlike(ledger: dict[str, asyncpg.Record], arrivals: Sequence[Arrival], most_again: int) -> Iterator[str]:
    seen = Counter(each.message_id for each in arrivals)
    for each in arrivals:
        if each.message_id not in ledger:
            yield f"I5: event {each.message_id} was posted and has no delivery for that endpoint"
        elif each.body.get("id") != each.message_id:
            yield f"I5: event {each.body.get('id')} was posted under the id {each.message_id}"
        elif "entry_url" in str(each.body):
            yield f"I5: event {each.message_id} was posted with a link"
    for event_id, row in ledger.items():
        if not seen[event_id]:
            yield f"I5: event {event_id} is sent and never arrived"
        if seen[event_id] > row["epoch"]:
            yield f"I5: event {event_id} arrived {seen[event_id]} times in {row['epoch']} attempts"
    if again(arrivals) > most_again + sum(row["failures"] for row in ledger.values()):
        yield f"I5: {again(arrivals)} calls were accepted again, more than {most_again} and the failures explain"
