"""One consistent copy of every tenant's rows, in a folder."""

import os
import shutil
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

from sqlalchemy import text

from qs.infra.postgres.backup.counting import rows_by_tenant
from qs.infra.postgres.backup.manifest import DUMP, BackupUnusable, Manifest, digests, write_manifest
from qs.infra.postgres.backup.programs import find_program, run
from qs.infra.postgres.engine import create_engine
from qs.infra.postgres.migrate import require_known
from qs.infra.postgres.roles import OWNER

_SNAPSHOT = text(
    "SELECT pg_export_snapshot() AS snapshot, transaction_timestamp() AS taken_at,"
    " current_setting('server_version') AS server, (SELECT version_num FROM alembic_version) AS revision"
)


async def back_up(
    dsn: str,
    directory: Path,
    *,
    keys: Sequence[str],
    jobs: int = 2,
    tell: Callable[[str], None] = lambda line: None,
) -> Manifest:
    """Writes a copy of the database into a new ``directory``, which appears when it is whole.

    Dump and counts are of one snapshot, taken as the owner: row-level security hides no tenant. Writers go on.
    ``keys`` are the ids of the secret keys that the rows may be encrypted with; the keys themselves are not written.

    Raises:
        BackupUnusable: there is something at ``directory``.
        ProgramMissing, ProgramFailed: pg_dump.
        SchemaNewer: the database is of a later release.
    """
    program = find_program("pg_dump")
    unfinished = _make_beside(directory)
    engine = create_engine(dsn, role=OWNER, pooled=False, application_name="qs-backup")
    try:
        async with engine.connect() as connection:
            await connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))
            # It idles as long as pg_dump works, and pg_dump needs its snapshot until then.
            await connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
            taken = (await connection.execute(_SNAPSHOT)).one()
            require_known(taken.revision)
            rows = await rows_by_tenant(connection)
            arguments = [
                "--format=directory",
                f"--jobs={jobs}",
                f"--snapshot={taken.snapshot}",
                f"--role={OWNER}",
                "--enable-row-security",
                "--no-owner",
                "--no-password",
                "--lock-wait-timeout=60s",
                "--verbose",
                f"--file={unfinished / DUMP}",
            ]
            await run(program, arguments, dsn, tell)
        manifest = Manifest(
            release=version("qs"),
            revision=taken.revision,
            taken_at=taken.taken_at,
            server=taken.server,
            keys=list(keys),
            rows=rows,
            files=digests(unfinished),
        )
        write_manifest(manifest, unfinished)
        unfinished.rename(directory)
    finally:
        await engine.dispose()
        shutil.rmtree(unfinished, ignore_errors=True)
    return manifest


def _make_beside(directory: Path) -> Path:
    if directory.exists():
        raise BackupUnusable(f"{directory} is there already; name a folder that is not, which is then made")
    directory.parent.mkdir(parents=True, exist_ok=True)
    unfinished = directory.with_name(f".{directory.name}.{os.getpid()}.part")
    unfinished.mkdir(mode=0o700)
    return unfinished
