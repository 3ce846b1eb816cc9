"""`qs restore`: a backup read back into an empty database, and looked through."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qs.interface.cli.backup import told
from qs.interface.cli.output import Json, emit, fail, note, progress, run_async
from qs.interface.cli.session import current_settings
from qs.settings.sections import LogSettings

if TYPE_CHECKING:
    from qs.container import Container
    from qs.infra.postgres.backup.manifest import Manifest
    from qs.settings import Settings

app = typer.Typer()

_READ = "processing data for table"
_KEYS_OF_QS = ("qs:*", "{qs:*")
_REMOVED_AT_ONCE = 1000


@app.command()
def restore(
    directory: Annotated[Path, typer.Argument(metavar="FOLDER", help="What `qs backup` wrote.")],
    empty_redis: Annotated[
        bool,
        typer.Option(
            "--empty-redis", help="Remove what qs keeps in Redis; it is of another time than the backup."
        ),
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify/--no-verify", help="Verify the audit log and validate the statistics.")
    ] = True,
    json_mode: Json = False,
) -> None:
    """Read a backup into the empty database of the settings: all of it or nothing; exits 1 unless it is as it was.

    Every row of every tenant is counted, the schema is brought up to this release, the audit log is verified and the
    statistics are validated. Let nothing work on the database until this has ended.
    """
    manifest, found = run_async(_restore(directory, empty_redis, verify))
    emit(told(directory, manifest) | found, json_mode)
    if found.get("audit") == "flawed" or found.get("statistics") == "different":
        raise typer.Exit(1)


async def _restore(directory: Path, empty_redis: bool, verify: bool) -> "tuple[Manifest, dict[str, Any]]":
    from qs.container import build_container, close
    from qs.infra.auth.keys import Keyring
    from qs.infra.postgres.backup.manifest import BackupUnusable
    from qs.infra.postgres.backup.programs import ProgramFailed, ProgramMissing
    from qs.infra.postgres.backup.restoring import RestoreIncomplete, restore
    from qs.logs import configure_logging
    from qs.provisioning import ensure_schema, migration_dsn, provisioned

    configure_logging(LogSettings(level="warning"), "cli")
    with provisioned(current_settings()) as settings:
        await _prepare_redis(settings, empty_redis)
        keys = Keyring.parse(settings.secret_key or "").ids
        with progress("writing tables") as advance:
            try:
                manifest = await restore(
                    migration_dsn(settings), directory, keys=keys, tell=lambda line: advance(_READ in line)
                )
            except (BackupUnusable, ProgramFailed, ProgramMissing, RestoreIncomplete) as error:
                fail(str(error))
        if await ensure_schema(settings):
            note("the schema was brought up to this release")
        if not verify:
            return manifest, {}
        container = build_container(settings)
        try:
            return manifest, {
                "audit": await _audit(container),
                "statistics": await _statistics(container),
            }
        finally:
            await close(container)


async def _prepare_redis(settings: "Settings", empty: bool) -> None:
    from qs.infra.redis.client import create_redis

    assert settings.redis.url is not None
    redis = create_redis(settings.redis.url)
    try:
        found = [key for pattern in _KEYS_OF_QS for key in await redis.keys(pattern)]
        if found and not empty:
            fail(
                f"Redis holds {len(found)} keys of qs, which are of another time than the backup; give another Redis "
                "(redis.url), or add --empty-redis to remove them"
            )
        for first in range(0, len(found), _REMOVED_AT_ONCE):
            await redis.unlink(*found[first : first + _REMOVED_AT_ONCE])
    finally:
        await redis.aclose()


async def _audit(container: "Container") -> str:
    from qs.interface.cli.tenancy import tenant_of

    slugs = ["platform", *(each.slug for each in await container.tenant_administration().list())]
    sound = True
    with progress("verifying the audit log", len(slugs)) as advance:
        for slug in slugs:
            verdict = await container.audit_reading().verify(await tenant_of(container, slug), ())
            if verdict.flaw:
                note(
                    f"the audit log of {slug} is not as it was sealed; `qs audit verify --tenant {slug}` says where"
                )
                sound = False
            advance(1)
    return "verified" if sound else "flawed"


async def _statistics(container: "Container") -> str:
    from qs.application.statistics.ports import Kind

    with progress("validating the statistics"):
        await container.statistics_syncing().sync(Kind.DAILY, None)
        found = await container.validation().validate(None)
    if found["status"] != "consistent":
        note(
            "the statistics differ from the tasks; `qs stats validate` lists where, and with --repair puts it right"
        )
    return str(found["status"])
