"""I3: every event has its place in the feed, and whoever subscribes to it has acted on it or says why not."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import asyncpg

from qs.application.kernel.subscriptions import Subscription
from qs.application.notification import announcing
from qs.application.statistics import counting
from qs.application.webhook import fanning_out
from tests.support.laws import Law, query

SUBSCRIPTIONS = (announcing.SUBSCRIPTION, counting.SUBSCRIPTION, fanning_out.SUBSCRIPTION)

Feed = Mapping[str, Sequence[Mapping[str, Any]]]
"""What the event feed of each tenant, by its id, gave a reader who began at 0 and went on to the end."""

_ALWAYS = (
    Law("I3", "format('position %s is given to %s events', position, n)",
        "(SELECT position, count(*) AS n FROM outbox WHERE position IS NOT NULL GROUP BY position) p", "n > 1"),
    Law("I3", "format('positions %s to %s are no event''s', before + 1, position - 1)",
        "(SELECT position, lag(position, 1, 0::bigint) OVER (ORDER BY position) AS before FROM outbox"
        " WHERE position IS NOT NULL) p", "position > before + 1"),
    Law("I3", "format('event %s (%s) has a position, an instant and %s publications, but not all three', id, name, publications)",
        "outbox", "num_nonnulls(position, published_at, nullif(publications, 0)) NOT IN (0, 3)"),
    Law("I3", "format('the relay assigned %s positions and published %s, the outbox has %s', assigned_through,"
        " published_through, top)", "relay_cursor, (SELECT coalesce(max(position), 0) AS top FROM outbox) o",
        "assigned_through <> top OR published_through > top"),
    Law("I3", "format('event %s (%s) came before one that its subject had earlier', id, name)",
        "(SELECT id, name, position, lag(position) OVER (PARTITION BY split_part(subject, '/', 2)::uuid ORDER BY ordinal)"
        " AS before FROM outbox WHERE position IS NOT NULL) o", "position < before"),
    Law("I3", "format('subscriber %s acknowledged %s, which is no event', i.subscriber, i.event_id)",
        "inbox i LEFT JOIN outbox o ON o.id = i.event_id", "o.id IS NULL"),
    Law("I3", "format('subscriber %s gave %s up and does not say why', subscriber, event_id)",
        "inbox", "state = 'dead' AND coalesce(error, '') = ''"),
)  # fmt: skip
_QUIET = (
    Law("I3", "format('event %s (%s) was never published', id, name)", "outbox", "position IS NULL"),
    Law("I3", "format('the relay published %s of %s', published_through, assigned_through)", "relay_cursor",
        "published_through < assigned_through"),
    Law("I3", "format('subscriber %s has %s set aside after %s attempts: %s', subscriber, event_id, attempts, last_error)",
        "inbox_attempt", "true"),
)  # fmt: skip


def _array(values: Sequence[str]) -> str:
    return "ARRAY[" + ", ".join(f"'{value}'" for value in values) + "]"


def _of_subscriber(subscription: Subscription, *, quiet: bool) -> Iterator[Law]:
    name = subscription.subscriber
    wanted = (
        f"o.context = ANY ({_array(subscription.contexts)}) AND o.name = ANY ({_array(subscription.names)})"
    )
    own = f"LEFT JOIN inbox i ON i.subscriber = '{name}' AND i.event_id = o.id"
    cursor = f"(SELECT acknowledged_through FROM subscriber_cursor WHERE subscriber = '{name}')"
    # What the cursor has passed is acknowledged at any time, all the rest once it is quiet.
    beyond = "" if quiet else f" AND o.position <= {cursor}"
    yield Law("I3", f"format('subscriber {name} never acknowledged event %s (%s)', o.id, o.name)",
              f"outbox o {own}", f"{wanted} AND i.event_id IS NULL{beyond}")  # fmt: skip
    yield Law("I3", f"format('subscriber {name} acknowledged event %s (%s), which it does not want', o.id, o.name)",
              f"outbox o {own}", f"NOT ({wanted}) AND i.event_id IS NOT NULL")  # fmt: skip


def statement(*, quiet: bool) -> str:
    """The query that finds what breaks I3 in the database."""
    each = [law for subscription in SUBSCRIPTIONS for law in _of_subscriber(subscription, quiet=quiet)]
    return query((*_ALWAYS, *each, *(_QUIET if quiet else ())))


async def broken_by_feed(connection: asyncpg.Connection, feed: Feed) -> Iterator[str]:
    """The feeds must be the tenants' outboxes, in their order and under their positions."""
    rows = await connection.fetch(
        "SELECT tenant_id::text AS tenant, id::text, position FROM outbox WHERE position IS NOT NULL ORDER BY position"
    )
    recorded: dict[str, list[tuple[str, int]]] = {tenant: [] for tenant in feed}
    for row in rows:
        if row["tenant"] in recorded:
            recorded[row["tenant"]].append((row["id"], row["position"]))
    return _differences(recorded, feed)


def _differences(recorded: Mapping[str, list[tuple[str, int]]], feed: Feed) -> Iterator[str]:
    for tenant, events in recorded.items():
        told = [(str(event["id"]), int(event["sequence"])) for event in feed[tenant]]
        for event, position in sorted(set(events) - set(told), key=lambda each: each[1]):
            yield f"I3: event {event} at {position} is not in the feed of tenant {tenant}"
        for event, position in sorted(set(told) - set(events), key=lambda each: each[1]):
            yield f"I3: the feed of tenant {tenant} has an event {event} at {position} that nobody recorded"
        if set(told) == set(events) and told != events:
            yield f"I3: the feed of tenant {tenant} is out of order or says something twice"
