"""One run of the migrations: each revision in a transaction of its own that no other transaction waits for long.

A statement that changes a table waits for everybody who uses it, and everybody who comes later waits behind it. So a
transaction waits less than a second in all for its locks; what it does not get it gives up, with everything that it had, and
tries again after a pause in which the others go on.
"""

import asyncio
import random
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from alembic import context
from alembic.runtime.migration import MigrationContext, MigrationInfo
from sqlalchemy import event, text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.util import await_only

from qs.infra.postgres.metadata import metadata
from qs.infra.postgres.migrate import PATIENCE, Tell
from qs.infra.postgres.roles import OWNER, prepare_roles

# Less than the second after which PostgreSQL looks for deadlocks: where a client waits for what a migration has, and the
# migration for what the client has, it is the migration that lets go, and never the client that is broken off.
LOCK_WAIT_S = 0.7
"""How long a transaction waits for locks, all its statements together."""

# What a transaction that has used up its wait still gives each statement; a lock that is free needs none of it.
_LEAST_WAIT_S = 0.05
_PAUSES_S = (0.5, 1.0, 2.0, 4.0)
_LOOK_AGAIN_S = 0.2
_REVISION_OF_COMPATIBILITY = "0015"
_LOCK_NOT_AVAILABLE, _DEADLOCK = "55P03", "40P01"

_TAKE_TURN = text("SELECT pg_try_advisory_lock(hashtextextended('qs.migrations', 0))")
_LONGEST = text(
    "SELECT format('process %s (%s, for %s)', pid, coalesce(nullif(application_name, ''), 'unnamed'),"
    " coalesce(date_trunc('second', clock_timestamp() - xact_start)::text, 'an unknown time'))"
    " FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    " AND backend_type = 'client backend' AND coalesce(state, '') <> 'idle' ORDER BY xact_start NULLS LAST LIMIT 3"
)


class MigrationBlocked(Exception):
    """Others held what a revision needs for as long as it was tried."""

    def __init__(self, stays_at: str, patience: timedelta, holders: str) -> None:
        super().__init__(
            f"the schema stays at {stays_at}: the next step was tried for {patience.total_seconds():g} s and never got "
            f"its locks. Open transactions: {holders}; end them, or wait for their end, and run `qs db upgrade` again"
        )


def run(connection: Connection, *, tell: Tell, patience: timedelta = PATIENCE) -> None:
    """Does what Alembic was asked to, as the owner role. ``connection`` is this run's own and is closed after it.

    Raises:
        RolesUnavailable: the login can neither create the roles nor act as them.
        MigrationBlocked: a revision was tried for so long; those before it are applied.
    """
    with connection.begin():
        prepare_roles(connection)
    _take_turn(connection, tell)
    with connection.begin():
        connection.execute(text(f"SET ROLE {OWNER}"))
    with _waiting_briefly(connection):
        _persist(connection, tell, patience)


def note_minimum(at: MigrationContext, heads: Collection[str]) -> None:
    """Writes what a schema with these heads serves, in the transaction that made it so."""
    for head in heads:
        applied = list(context.script.walk_revisions("base", head))
        if _REVISION_OF_COMPATIBILITY in {each.revision for each in applied}:
            minimum = next(each.module.needs for each in applied if each.module.phase == "contract")
            at.execute(text("UPDATE schema_compatibility SET minimum = :minimum").bindparams(minimum=minimum))


def _take_turn(connection: Connection, tell: Tell) -> None:
    told = False
    while not _has_taken_turn(connection):
        if not told:
            tell("another run of the migrations is at work; this one waits for it")
            told = True
        await_only(asyncio.sleep(_LOOK_AGAIN_S))


def _has_taken_turn(connection: Connection) -> bool:
    # Asked again and again instead of waited for: a statement that waits has a snapshot, and an index that is built
    # concurrently by the other run would wait for that.
    with connection.begin():
        return bool(connection.scalar(_TAKE_TURN))


def _persist(connection: Connection, tell: Tell, patience: timedelta) -> None:
    attempts = _Attempts(tell, patience)

    def applied(ctx: MigrationContext, step: MigrationInfo, heads: Collection[str], run_args: object) -> None:
        note_minimum(ctx, heads)
        attempts.end(step)

    while True:
        attempts.begin()
        context.configure(
            connection=connection,
            target_metadata=metadata,
            transactional_ddl=True,
            transaction_per_migration=True,
            compare_type=True,
            on_version_apply=applied,
        )
        try:
            with context.begin_transaction():
                context.run_migrations()
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) not in (_LOCK_NOT_AVAILABLE, _DEADLOCK):
                raise
            connection.rollback()
            (*at,) = context.get_context().get_current_heads()
            connection.rollback()
            stays_at, holders = "".join(at) or "nothing", _holders(connection)
            pause_s = attempts.pause_s(stays_at, holders)
            if pause_s is None:
                raise MigrationBlocked(stays_at, patience, holders) from error
            await_only(asyncio.sleep(pause_s))
        else:
            return


class _Attempts:
    """How long the revision that is next has been tried."""

    def __init__(self, tell: Tell, patience: timedelta) -> None:
        self._tell = tell
        self._patience_s = patience.total_seconds()
        self._failed = 0
        self._first_began = self._began = 0.0

    def begin(self) -> None:
        """One more."""
        self._began = time.monotonic()
        if not self._failed:
            self._first_began = self._began

    def end(self, step: MigrationInfo) -> None:
        """A revision is applied or taken back."""
        took_s = time.monotonic() - self._began
        assert step.up_revision_id is not None, "every step has a revision"
        title = context.script.get_revision(step.up_revision_id).doc.splitlines()[0].rstrip(".")
        self._tell(
            f"{step.up_revision_id} {'applied' if step.is_upgrade else 'taken back'} in {took_s:.1f} s: {title}"
        )
        self._failed = 0
        self.begin()

    def pause_s(self, stays_at: str, holders: str) -> float | None:
        """After a failed attempt, how long to leave the others alone; None where it was tried for long enough."""
        if time.monotonic() - self._first_began >= self._patience_s:
            return None
        pause_s = _PAUSES_S[min(self._failed, len(_PAUSES_S) - 1)] * random.uniform(0.8, 1.2)  # noqa: S311 - no secret
        self._failed += 1
        self._tell(
            f"the step from {stays_at} did not get its locks within {LOCK_WAIT_S:g} s and let go of those it had; again "
            f"in {pause_s:.1f} s. Open transactions: {holders}"
        )
        return pause_s


def _holders(connection: Connection) -> str:
    with connection.begin():
        # The login sees of its own connections, and a superuser of all, since when they are at it.
        connection.execute(text("SET LOCAL ROLE NONE"))
        return ", ".join(connection.scalars(_LONGEST)) or "none any more"


@contextmanager
def _waiting_briefly(connection: Connection) -> Iterator[None]:
    """Within the block no transaction waits for locks longer than ``LOCK_WAIT_S`` in all.

    What runs outside of a transaction, as an index that is built concurrently does, may wait: nobody waits behind it.
    """
    began = time.monotonic()

    def begins(_: Connection) -> None:
        nonlocal began
        began = time.monotonic()

    def bound(connection: Connection, *_: Any) -> None:
        if connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT":
            return
        left_s = max(LOCK_WAIT_S - (time.monotonic() - began), _LEAST_WAIT_S)
        cursor = connection.connection.cursor()
        cursor.execute(f"SET LOCAL lock_timeout = {round(left_s * 1000)}")
        cursor.close()

    event.listen(connection, "begin", begins)
    event.listen(connection, "before_cursor_execute", bound)
    try:
        yield
    finally:
        event.remove(connection, "begin", begins)
        event.remove(connection, "before_cursor_execute", bound)
