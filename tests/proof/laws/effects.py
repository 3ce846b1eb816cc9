"""I4 and I5: from each event exactly the deliveries that follow, and each of those sent, under one id."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence

import asyncpg

from qs.infra.notification.channels.choosing import ADDRESSED
from tests.proof.webhooks import Arrival
from tests.support.laws import Law, query

# $1 are the channels that need no address, $2 those that do.
_PRELUDE = """
WITH news AS MATERIALIZED (
    SELECT o.id, o.name, t.id AS task_id, t.plan_id, t.testee_id, coalesce(i.state, 'none') AS state,
        CASE WHEN o.name <> 'TaskExpired' THEN ARRAY['testee']
            WHEN p.revision > 1 THEN ARRAY['testee', 'staff', 'nobody']
            ELSE ARRAY[p.notify_on_expiry] END AS audiences,
        s.erased_at IS NOT NULL AS erased, coalesce(s.version, 1) AS version
    FROM outbox o
        LEFT JOIN task t ON t.id = split_part(o.subject, '/', 2)::uuid
        LEFT JOIN plan p ON p.id = t.plan_id
        LEFT JOIN testee s ON s.id = t.testee_id
        LEFT JOIN inbox i ON i.event_id = o.id AND i.subscriber = 'notifications'
    WHERE o.name IN ('TaskOpened', 'EntryReissued', 'TaskExpired')
), told AS MATERIALIZED (
    SELECT event_id, recipient, count(*) AS n, count(*) FILTER (WHERE channel = ANY ($1::text[])) AS plain,
        count(DISTINCT channel) FILTER (WHERE channel = ANY ($2::text[])) AS addressed,
        bool_and(CASE WHEN channel = ANY ($2::text[]) THEN recipient LIKE 'staff:%' ELSE recipient = 'staff' END) AS of_staff,
        bool_or(reason = 'recipient_changed') AS changed
    FROM delivery WHERE occasion = '' GROUP BY event_id, recipient
), made AS MATERIALIZED (
    SELECT event_id, sum(n) AS n, count(*) AS people, sum(plain) AS plain, sum(addressed) AS addressed,
        bool_and(of_staff) AS of_staff, bool_or(changed) AS changed, array_agg(recipient) AS recipients
    FROM told GROUP BY event_id
), guarded AS MATERIALIZED (
    SELECT testee_id, max(people) AS guardians FROM made JOIN news ON news.id = event_id
    WHERE recipients[1] LIKE 'guardian:%' GROUP BY testee_id
), followed AS MATERIALIZED (
    SELECT news.id, name, state, coalesce(n, 0) AS n, recipients,
        coalesce(n, 0) = 0 AND ('nobody' = ANY (audiences) OR 'testee' = ANY (audiences) AND erased)
        OR 'staff' = ANY (audiences) AND of_staff AND n > 0 AND plain = cardinality($1::text[])
        OR 'testee' = ANY (audiences) AND plain = people * cardinality($1::text[])
            AND addressed = people * cardinality($2::text[])
            AND (people = 1 AND recipients[1] = 'testee:' || testee_id
                OR (version > 1 OR people = guardians) AND recipients <@ ARRAY(
                    SELECT format('guardian:%s:%s', testee_id, number) FROM generate_series(0, people - 1) AS number))
        OR 'testee' = ANY (audiences) AND changed AND version > 1 AND recipients <@ ARRAY(SELECT 'testee:' || testee_id
            UNION ALL SELECT format('guardian:%s:%s', testee_id, number) FROM generate_series(0, 99) AS number)
        AS fits
    FROM news LEFT JOIN made ON made.event_id = news.id LEFT JOIN guarded USING (testee_id)
)
"""
_LAWS = (
    Law("I4", "format('delivery %s to %s follows from no event, or is about another task than its event: %s', d.id,"
        " d.recipient, d.event_id)", "delivery d LEFT JOIN news e ON e.id = d.event_id",
        "d.event_name <> 'StaffAlert'"
        " AND (d.event_name, d.task_id, d.plan_id, d.testee_id) IS DISTINCT FROM (e.name, e.task_id, e.plan_id, e.testee_id)"),
    Law("I4", "format('message %s of alert %s to %s is not written by it', occasion, event_id, recipient)",
        "delivery d", "event_name = 'StaffAlert' AND occasion <> '' AND NOT EXISTS (SELECT FROM staff_alert a"
        " WHERE a.tenant_id = d.tenant_id AND a.id = d.event_id"
        " AND substring(d.occasion FROM 9)::integer BETWEEN 1 AND a.messages)"),
    Law("I4", "format('event %s has %s deliveries to %s over %s', event_id, n, recipient, channel)",
        "(SELECT event_id, occasion, recipient, channel, address_index, count(*) AS n FROM delivery"
        " GROUP BY event_id, occasion, recipient, channel, address_index) d", "n > 1"),
    Law("I4", "format('reminder %s (%s) falls on %s, before its task is open or when it is not any more', d.id, occasion,"
        " not_before)", "delivery d JOIN outbox o ON o.id = d.event_id",
        "d.event_name = 'TaskOpened' AND occasion <> '' AND NOT (not_before >= (o.data->>'opened_at')::timestamptz"
        " AND not_before < (o.data->>'expires_at')::timestamptz)"),
    Law("I4", "format('event %s (%s) has %s deliveries and is not acknowledged: %s', id, name, n, state)",
        "followed", "state <> 'done' AND n > 0"),
    Law("I4", "format('event %s (%s) is acted on and what follows from it are %s deliveries to %s', id, name, n, recipients)",
        "followed", "state = 'done' AND fits IS NOT TRUE"),
    Law("I5", "format('delivery %s is %s and has no reason, or no instant, or one too many', id, status)", "delivery",
        "(status IN ('skipped', 'dead')) <> (reason IS NOT NULL)"
        " OR (status IN ('sent', 'skipped', 'dead')) <> (settled_at IS NOT NULL)"),
    Law("I5", "format('delivery %s is %s after %s attempts; the last recorded is %s, and %s sent it', id, status, epoch,"
        " tried, sent)",
        "delivery LEFT JOIN (SELECT delivery_id, max(number) AS tried, count(*) FILTER (WHERE outcome = 'sent') AS sent"
        " FROM delivery_attempt GROUP BY delivery_id) a ON a.delivery_id = id",
        "coalesce(tried, 0) > epoch OR status = 'sent' AND coalesce(sent, 0) = 0"),
)  # fmt: skip
_QUIET = (
    Law("I5", "format('delivery %s to %s is still %s', id, recipient, status)",
        "delivery", "status NOT IN ('sent', 'skipped', 'dead') AND not_before <= (SELECT qs_now())"),
)  # fmt: skip


async def broken(
    connection: asyncpg.Connection, channels: Collection[str] | None, *, quiet: bool
) -> list[asyncpg.Record]:
    """What breaks I4 and I5 in the ledger; ``channels`` are the enabled ones, None for those the ledger knows."""
    if channels is None:
        channels = [row["channel"] for row in await connection.fetch("SELECT DISTINCT channel FROM delivery")]
    statement = query((*_LAWS, *(_QUIET if quiet else ())), _PRELUDE)
    return await connection.fetch(
        statement, sorted(set(channels) - ADDRESSED), sorted(set(channels) & ADDRESSED)
    )


async def broken_by_arrivals(
    connection: asyncpg.Connection, arrivals: Sequence[Arrival], kills: int
) -> Iterator[str]:
    """What the receiver of the webhook saw, against the ledger.

    A sender may send again what it was killed after, so that there are no more repetitions than kills; where it
    recorded itself that an attempt failed, as when the answer came too late, one more is right.
    """
    rows = await connection.fetch(
        "SELECT d.id::text, d.event_id::text, d.recipient, d.status, d.epoch,"
        " (SELECT count(*) FROM delivery_attempt a WHERE a.tenant_id = d.tenant_id AND a.delivery_id = d.id"
        "  AND a.outcome IN ('temporary', 'permanent')) AS failures"
        " FROM delivery d WHERE d.channel = 'webhook'"
    )
    return _unlike({row["id"]: row for row in rows}, arrivals, kills)


def _unlike(ledger: Mapping[str, asyncpg.Record], arrivals: Sequence[Arrival], kills: int) -> Iterator[str]:
    seen = Counter(arrival.message_id for arrival in arrivals)
    for arrival in arrivals:
        row = ledger.get(arrival.message_id)
        if row is None:
            yield f"I5: message {arrival.message_id} arrived and is no delivery"
        elif any(arrival.body.get(name) != row[name] for name in ("event_id", "recipient")):
            yield f"I5: message {arrival.message_id} arrived with another event or recipient than its delivery has"
    for id_, row in ledger.items():
        if row["status"] == "sent" and not seen[id_]:
            yield f"I5: delivery {id_} is sent and never arrived"
        if seen[id_] > row["epoch"]:
            yield f"I5: delivery {id_} arrived {seen[id_]} times in {row['epoch']} attempts"
    accepted = Counter(arrival.message_id for arrival in arrivals if _accepted(arrival))
    repeated = {
        id_: again
        for id_, n in accepted.items()
        if id_ in ledger and (again := n - 1 - ledger[id_]["failures"]) > 0
    }
    if sum(repeated.values()) > kills:
        yield (
            f"I5: {sum(repeated.values())} messages arrived again after {kills} kills: {', '.join(sorted(repeated)[:5])}"
        )


def _accepted(arrival: Arrival) -> bool:
    return 200 <= arrival.status < 300
