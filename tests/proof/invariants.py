"""The checker: which of the promises I1 to I10 (docs/operations/reliability.md) a database and its observers show broken."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import TypedDict, Unpack

import asyncpg

from tests.proof.journal import Journal
from tests.proof.laws import borders, effects, figures, promises, publication, slots
from tests.proof.laws.publication import Feed
from tests.proof.webhooks import Arrival
from tests.support import lives

MOST_SHOWN = 20
"""So many sentences of each invariant are told in full."""


class Seen(TypedDict, total=False):
    """What is known beside the database; whatever is left out is not compared with it.

    ``quiet``: nobody has anything left to do, so that what is not done is lost; where it is false only what may never
    be is looked for. ``journal``, ``arrivals`` and ``feed`` are what clients, the receiver of the webhook and readers
    of the feed saw; ``kills`` bounds how many messages may have arrived again. ``channels`` are those of the settings,
    None for those the ledger knows. ``synced``: all three syncs ran since the last change. ``redis_url``: the counters
    there are compared too.
    """

    journal: Journal | None
    arrivals: Sequence[Arrival] | None
    kills: int
    quiet: bool
    feed: Feed | None
    channels: Collection[str] | None
    synced: bool
    redis_url: str | None


async def violations(database_url: str, **seen: Unpack[Seen]) -> list[str]:
    """What is broken, each sentence beginning with the invariant's name; empty if everything holds.

    Everything is read from one snapshot of the whole database, as its superuser.
    """
    connection = await asyncpg.connect(database_url)
    try:
        async with connection.transaction(isolation="repeatable_read"):
            return await violations_in(connection, **seen)
    finally:
        await connection.close()


async def violations_in(connection: asyncpg.Connection, **seen: Unpack[Seen]) -> list[str]:
    """The same of what the superuser's transaction sees, which is to end afterwards."""
    # Fresh tables have no statistics, and without them the planner compares every row with every other.
    await connection.execute(
        "SET LOCAL row_security = off; SET LOCAL enable_nestloop = off; SET LOCAL jit = off; SET LOCAL work_mem = '256MB'"
    )
    quiet = seen.get("quiet", True)
    found = await _in_database(connection, seen.get("channels"), quiet=quiet)
    if (feed := seen.get("feed")) is not None:
        found += await publication.broken_by_feed(connection, feed)
    if (arrivals := seen.get("arrivals")) is not None:
        found += await effects.broken_by_arrivals(connection, arrivals, seen.get("kills", 0))
    found += await figures.broken(
        connection,
        synced=quiet and seen.get("synced", False),
        redis_url=seen.get("redis_url") if quiet else None,
    )
    if (journal := seen.get("journal")) is not None:
        found += await promises.broken(connection, journal)
    return shortened(found)


async def _in_database(
    connection: asyncpg.Connection, channels: Collection[str] | None, *, quiet: bool
) -> list[str]:
    rows = [
        *await connection.fetch(lives.BROKEN),
        *await connection.fetch(publication.statement(quiet=quiet)),
        *await effects.broken(connection, channels, quiet=quiet),
        *await connection.fetch(slots.statement(quiet=quiet)),
        *await connection.fetch(borders.STATEMENT),
    ]
    return [f"{row['invariant']}: {row['what']}" for row in rows]


def shortened(sentences: Iterable[str]) -> list[str]:
    """The sentences by invariant, of each so many and how many more there are."""
    found: dict[str, list[str]] = defaultdict(list)
    for sentence in sentences:
        found[sentence.partition(":")[0]].append(sentence)
    shown: list[str] = []
    for invariant in sorted(found, key=lambda name: int(name[1:])):
        own = found[invariant]
        shown += own[:MOST_SHOWN]
        if len(own) > MOST_SHOWN:
            shown.append(f"{invariant}: and {len(own) - MOST_SHOWN} more")
    return shown
