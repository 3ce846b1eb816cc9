"""Reading a backup back into an empty database: all of it or nothing."""

from collections.abc import Callable, Collection
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from qs.infra.postgres.backup.counting import rows_by_tenant, tables
from qs.infra.postgres.backup.manifest import DUMP, BackupUnusable, Manifest, read_manifest
from qs.infra.postgres.backup.programs import find_program, run
from qs.infra.postgres.committing import commit
from qs.infra.postgres.engine import create_engine
from qs.infra.postgres.revisions import known_revisions
from qs.infra.postgres.roles import OWNER, prepare_roles

# Counters are good under an epoch only. Those that a Redis still has are of a time that is not, so they get another.
_FORGET_COUNTERS = text("UPDATE stat_epoch SET epoch = gen_random_uuid() WHERE tenant_id = tenant_id")


class RestoreIncomplete(Exception):
    """What was read back is not what was backed up."""


async def restore(
    dsn: str,
    directory: Path,
    *,
    keys: Collection[str],
    tell: Callable[[str], None] = lambda line: None,
) -> Manifest:
    """Reads the backup in ``directory`` into the empty database at ``dsn``; all in one transaction.

    Every row of every tenant is counted afterwards. ``keys`` are the ids of the secret keys there are. The schema is
    then that of the backup, which `qs db upgrade` brings to this release.

    Raises:
        BackupUnusable: the backup, its keys or the database are not as they must be; nothing was written.
        ProgramMissing, ProgramFailed: pg_restore; nothing was written.
        RestoreIncomplete: the counts are not those of the backup.
        RolesUnavailable: the login may not have the roles that rows are kept apart by.
    """
    manifest = read_manifest(directory)
    if manifest.revision not in known_revisions():
        raise BackupUnusable(
            f"the backup is of release {manifest.release} with schema {manifest.revision}, which this release of qs "
            "does not know; install that release or a later one"
        )
    missing = sorted(set(manifest.keys) - set(keys))
    if missing:
        raise BackupUnusable(
            f"names and contacts in the backup are encrypted with keys that are not given here: {', '.join(missing)}; "
            "put them into QS_SECRET_KEY behind the current one"
        )
    program = find_program("pg_restore")
    plain = create_engine(dsn, role=None, pooled=False, application_name="qs-restore")
    owning = create_engine(dsn, role=OWNER, pooled=False, application_name="qs-restore")
    try:
        await _prepare(plain)
        arguments = [
            f"--role={OWNER}",
            "--no-owner",
            "--enable-row-security",
            "--single-transaction",
            "--exit-on-error",
            "--no-password",
            "--verbose",
            "--dbname=",
            str(directory / DUMP),
        ]
        await run(program, arguments, dsn, tell)
        await _check(owning, manifest)
    finally:
        await plain.dispose()
        await owning.dispose()
    return manifest


async def _prepare(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        if found := await tables(connection):
            raise BackupUnusable(
                f"the database holds {len(found)} tables already; give an empty one (database.url), since a restore "
                "never overwrites anything"
            )
        await connection.run_sync(prepare_roles)
        await commit(connection, "restore.prepare")


async def _check(engine: AsyncEngine, manifest: Manifest) -> None:
    async with engine.connect() as connection:
        found = await rows_by_tenant(connection)
        wrong = sorted(
            name for name in {*found, *manifest.rows} if found.get(name) != manifest.rows.get(name)
        )
        if wrong:
            raise RestoreIncomplete(
                f"the rows of {', '.join(wrong[:5])} are not those of the backup; do not use this database, and read "
                "the backup into another"
            )
        await connection.execute(_FORGET_COUNTERS)
        await connection.execute(text("ANALYZE"))
        await commit(connection, "restore.end")
