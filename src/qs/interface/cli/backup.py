"""`qs backup`: a consistent copy of everything, in a folder."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qs.interface.cli.output import Json, emit, fail, note, progress, run_async
from qs.interface.cli.session import open_container

if TYPE_CHECKING:
    from qs.infra.postgres.backup.manifest import Manifest

app = typer.Typer()

_DUMPED = "dumping contents of table"


@app.command()
def backup(
    directory: Annotated[
        Path,
        typer.Argument(metavar="FOLDER", help="A folder that is not there yet; it appears when it is whole."),
    ],
    jobs: Annotated[int, typer.Option(min=1, max=64, help="Tables that are read at a time.")] = 2,
    json_mode: Json = False,
) -> None:
    """Copy the whole database, every tenant's rows in one snapshot, while the service works.

    The secret keys are not in it: keep them, and keep them apart. `qs restore` reads it back.
    """
    manifest = run_async(_back_up(directory, jobs))
    if manifest.keys:
        note(
            f"names, contacts and links of this backup need the secret keys {', '.join(manifest.keys)}; keep them "
            "apart from it"
        )
    emit(told(directory, manifest), json_mode)


def told(directory: Path, manifest: "Manifest") -> dict[str, Any]:
    """A backup in a few lines."""
    return {
        "folder": directory,
        "bytes": sum(each.stat().st_size for each in directory.rglob("*") if each.is_file()),
        "taken_at": manifest.taken_at,
        "release": manifest.release,
        "revision": manifest.revision,
        "tables": len(manifest.rows),
        "tenants": manifest.tenants,
        "rows": manifest.total,
        "keys": list(manifest.keys),
    }


async def _back_up(directory: Path, jobs: int) -> "Manifest":
    from qs.infra.postgres.backup.backing_up import back_up
    from qs.infra.postgres.backup.manifest import BackupUnusable
    from qs.infra.postgres.backup.programs import ProgramFailed, ProgramMissing
    from qs.provisioning import migration_dsn

    async with open_container() as container:
        rotation = container.key_rotation()
        standings = (await rotation.standing(), await rotation.links())
        keys = sorted({key for each in standings for by_key in each.rows.values() for key in by_key})
        dsn = migration_dsn(container.settings())
        with progress("reading tables") as advance:
            try:
                return await back_up(
                    dsn, directory, keys=keys, jobs=jobs, tell=lambda line: advance(_DUMPED in line)
                )
            except (BackupUnusable, ProgramFailed, ProgramMissing) as error:
                fail(str(error))
