"""The negative controls: bugs that somebody could have left in, each of which the harness must see.

Each removes what keeps one invariant. Where two layers keep it, both go, so that the damage can be done; the bug says so.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import asyncpg

from tests.proof import bugs_of_duties, bugs_of_events, bugs_of_tasks, jobs, poison, rotating
from tests.proof.bugs_of_jobs import BUGS_OF_JOBS


@dataclass(frozen=True)
class Bug:
    """A change to the product, and where there is one, to its database; ``breaks`` names invariants, any of which shows it."""

    apply: Callable[[], None]
    breaks: tuple[str, ...]
    prepare: Callable[[asyncpg.Connection], Awaitable[None]] | None = None

    @property
    def forgotten(self) -> str:
        """What somebody forgot, in one sentence."""
        return (self.apply.__doc__ or "").partition("\n")[0]


BUGS = {
    "save-then-publish": Bug(bugs_of_events.save_then_publish, ("I3",)),
    "published-is-done": Bug(bugs_of_events.published_is_done, ("I3",)),
    "ack-before-effect": Bug(bugs_of_events.acknowledged_before_the_effect, ("I4",)),
    "no-inbox": Bug(bugs_of_events.no_inbox, ("I4",), bugs_of_events.without_ledger_key),
    "event-apart": Bug(bugs_of_events.event_apart, ("I2",)),
    "no-skip-locked": Bug(bugs_of_tasks.no_skip_locked, ("I1", "I2")),
    "no-version": Bug(bugs_of_tasks.no_version, ("I1", "I2", "I9")),
    "unscoped": Bug(bugs_of_tasks.unscoped, ("I10",), bugs_of_tasks.without_row_level_security),
    "expires-when-due": Bug(bugs_of_tasks.expires_when_due, ("I6",)),
    "blind-retry": Bug(bugs_of_tasks.blind_retry, ("I9",)),
    "key-apart": Bug(bugs_of_tasks.key_apart, ("I9",)),
    "no-unique-slot": Bug(bugs_of_duties.no_unique_slot, ("I7",), bugs_of_duties.without_slot_key),
    "no-epoch": Bug(bugs_of_duties.no_epoch, ("I7",)),
    "delta-sync": Bug(bugs_of_duties.delta_sync, ("I8",)),
    "wiped-sync": Bug(bugs_of_duties.sync_from_a_wiped_redis, ("I8",)),
    "no-claims": Bug(bugs_of_duties.no_claims, ("I8",)),
    "sent-before-send": Bug(bugs_of_duties.sent_before_the_send, ("I5",)),
    "new-id-per-attempt": Bug(bugs_of_duties.new_id_per_attempt, ("I5",)),
    "claims-in-common": Bug(bugs_of_duties.claims_in_common, ("I5",)),
}


# Changes that the scenarios above are not about: what the product has to stand, and a bug of the rotation.
_TRIALS = {
    poison.KILLED_BY_EVENTS: poison.killed_by_events,
    jobs.WORKING_JOBS: jobs.working_jobs,
    rotating.NO_LOCK: rotating.no_lock,
}


def apply(name: str) -> None:
    """Every process that is forked from this one has the bug."""
    if name in BUGS_OF_JOBS:
        jobs.working_jobs()
        BUGS_OF_JOBS[name][0]()
        return
    (_TRIALS.get(name) or BUGS[name].apply)()


async def prepare(name: str, database_url: str) -> None:
    """The database no longer has what would keep the damage of the bug from being done."""
    change = BUGS_OF_JOBS[name][1] if name in BUGS_OF_JOBS else None
    if name in BUGS:
        change = BUGS[name].prepare
    if change is None:
        return
    connection = await asyncpg.connect(database_url)
    try:
        await change(connection)
    finally:
        await connection.close()
