"""Bringing a schema up in two phases around the exchange of the processes that use it.

Expanding comes before the new release: code of the release before goes on working on what comes of it. Contracting
comes when the last process of an earlier release has ended; what it takes away only those needed.
"""

import asyncio
import time
from collections.abc import Iterable, Sequence
from datetime import timedelta
from enum import StrEnum
from itertools import zip_longest
from typing import Literal, NamedTuple

from alembic.script import ScriptDirectory
from sqlalchemy import text

from qs.infra.postgres.migrate import (
    SchemaNewer,
    Tell,
    alembic_config,
    current_standing,
    migration_engine,
    upgrade,
)

_LOOK_AGAIN_S = 0.5

# What a connection is called is seen by every login. Before releases told theirs, all of them were called alike.
_AT_WORK = text(
    "SELECT nullif(substring(application_name FROM '^qs ([0-9]{4})$'), '') AS revision, count(*) AS connections"
    " FROM pg_stat_activity WHERE datname = current_database() AND application_name ~ '^qs( [0-9]{4})?$' GROUP BY 1"
)


class Phase(StrEnum):
    """What of the pending revisions is to be applied."""

    EXPAND = "expand"
    CONTRACT = "contract"


class Revision(NamedTuple):
    """One step of the schema. A contract one serves code from ``needs`` on; an expand one, all that was served before."""

    number: str
    phase: Literal["expand", "contract"]
    needs: str | None
    title: str


class OldProcessesAtWork(Exception):
    """Processes of a release that a contract revision would break are connected."""

    def __init__(self, revision: Revision, found: str) -> None:
        super().__init__(
            f"revision {revision.number} needs every process to be of {revision.needs} or later, and the database still "
            f"has {found}, so it was not applied; end them, or run `qs db upgrade` with --wait for as long as they may take "
            "to end, or with --force where you know that the connections are dead"
        )


def revisions() -> list[Revision]:
    """All that this code knows, the oldest first."""
    scripts = ScriptDirectory.from_config(alembic_config())
    return [
        Revision(
            script.revision,
            script.module.phase,
            getattr(script.module, "needs", None),
            (script.doc or "").splitlines()[0].rstrip("."),
        )
        for script in reversed(list(scripts.walk_revisions()))
    ]


async def pending(dsn: str, phase: Phase | None = None) -> list[Revision]:
    """What would be applied, the oldest first; without a phase all there is, and so where there is no schema yet.

    Contract revisions that an expand one stands behind belong to an earlier release, so expanding applies them too.

    Nothing is where a later release made the schema and it still serves this one.

    Raises:
        SchemaNewer: a later release made the schema, and it does not serve this one.
    """
    standing = await current_standing(dsn)
    at = standing.revision
    if at is not None and standing.is_newer and not standing.serves:
        raise SchemaNewer(at)
    left = [each for each in revisions() if at is None or each.number > at]
    if phase is Phase.EXPAND and at is not None:
        while left and left[-1].phase == "contract":
            left.pop()
    return left


async def upgrade_in_phase(
    dsn: str,
    phase: Phase | None,
    *,
    tell: Tell,
    force: bool = False,
    wait: timedelta = timedelta(0),
) -> list[Revision]:
    """Applies what is pending and returns it.

    Before a contract revision it waits for up to ``wait`` for processes that it would break to end; with ``force`` it
    does not look for them. A database without a schema has none.

    Raises:
        OldProcessesAtWork: they have not ended; the revisions before are applied.
        SchemaNewer, RolesUnavailable, MigrationBlocked: as for ``upgrade``.
    """
    left = await pending(dsn, phase)
    is_empty = (await current_standing(dsn)).revision is None
    for revision, following in zip_longest(left, left[1:]):
        must_look = not force and not is_empty
        if must_look and revision.phase == "contract":
            await _old_ones_end(dsn, revision, wait, tell)
        if following is None or (must_look and following.phase == "contract"):
            await upgrade(dsn, revision.number, tell=tell)
    return left


async def _old_ones_end(dsn: str, revision: Revision, wait: timedelta, tell: Tell) -> None:
    assert revision.needs is not None, f"the contract revision {revision.number} does not say what it needs"
    gives_up_at, told = time.monotonic() + wait.total_seconds(), ""
    while found := _told(await _at_work_before(dsn, revision.needs)):
        if time.monotonic() >= gives_up_at:
            raise OldProcessesAtWork(revision, found)
        if found != told:
            tell(f"{revision.number} waits for the end of {found}")
            told = found
        await asyncio.sleep(_LOOK_AGAIN_S)


async def _at_work_before(dsn: str, needs: str) -> Sequence[tuple[str | None, int]]:
    engine = migration_engine(dsn)
    try:
        async with engine.connect() as connection:
            rows = await connection.execute(_AT_WORK)
            return [(name, count) for name, count in rows if name is None or name < needs]
    finally:
        await engine.dispose()


def _told(found: Iterable[tuple[str | None, int]]) -> str:
    return ", ".join(
        f"{count} connections of {f'a release of {name}' if name else 'a release that does not tell its revision'}"
        for name, count in sorted(found, key=lambda each: each[0] or "")
    )
