"""What a process needs before it can work: servers, a schema where they are its own, and a secret key."""

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from qs.infra.postgres.upgrading import upgrade_in_phase
from qs.settings import Settings, SettingsError
from qs.settings.keys import all_keys
from qs.settings.sources import SHORT_FORMS

_LETTING_GO_S = 1.0


def is_embedded(settings: Settings) -> bool:
    """Whether these settings leave it to qs to bring a server of its own."""
    return settings.database.url is None or settings.redis.url is None


@contextmanager
def with_servers(settings: Settings, *, ephemeral: bool = False) -> Iterator[Settings]:
    """Inside the block every server has an address in the settings given.

    Servers the settings do not name are embedded ones, kept running until the block ends.

    Raises:
        EmbeddedUnavailable: a server is needed and cannot be had.
    """
    if not is_embedded(settings):
        yield settings
        return
    from qs.infra.embedded import ensure

    _name_programs(settings)
    with ensure(settings.home, ephemeral=ephemeral) as lease:
        database = settings.database
        if database.url is None:
            database = msgspec.structs.replace(
                database, url=lease.database_url, migration_url=lease.database_url
            )
        redis = msgspec.structs.replace(settings.redis, url=settings.redis.url or lease.redis_url)
        yield msgspec.structs.replace(settings, database=database, redis=redis)


@contextmanager
def provisioned(settings: Settings, *, ephemeral: bool = False) -> Iterator[Settings]:
    """Like ``with_servers``, and there is a secret key besides.

    Raises:
        EmbeddedUnavailable: a server is needed and cannot be had.
        SettingsError: there is no secret key, and none may be made.
    """
    with with_servers(settings, ephemeral=ephemeral) as ready:
        yield ready if ready.secret_key else msgspec.structs.replace(ready, secret_key=_own_key(settings))


def stop_unused_servers(settings: Settings) -> None:
    """The embedded servers of these settings have ended, unless another process still uses them."""
    if not is_embedded(settings):
        return
    from qs.infra.embedded import locks, stop
    from qs.infra.embedded.layout import Control

    lease = locks.open_lock(Control.of(settings.home).lease)
    try:
        # Held alone it keeps new clients waiting, so that none comes by servers that are about to stop. The keeper,
        # too, takes it for a moment to see whether anybody has it.
        if locks.take_within(lease, _LETTING_GO_S):
            stop(settings.home)
    finally:
        os.close(lease)


def migration_dsn(settings: Settings) -> str:
    """The address that migrations use; ``settings`` are provisioned ones."""
    dsn = settings.database.migration_url or settings.database.url
    assert dsn is not None
    return dsn


async def ensure_schema(settings: Settings) -> bool:
    """Brings the schema to this release's; whether there was anything to do. A later one that serves it may stay.

    Raises:
        SchemaNewer: a later release made the schema, and it does not serve this one.
        OldProcessesAtWork: processes of an earlier release are connected that would not go on with it.
    """
    return bool(await upgrade_in_phase(migration_dsn(settings), None, tell=lambda line: None))


def secret_key_file(settings: Settings) -> Path:
    """Where the secret key is kept that is made once for embedded servers outside production."""
    return settings.home.expanduser() / "secret_key"


def _own_key(settings: Settings) -> str:
    # Real data outlive a home, so a key that only a home holds is for embedded servers and trials.
    if settings.env == "production" or not is_embedded(settings):
        raise SettingsError([("secret_key", "is missing; set QS_SECRET_KEY or QS_SECRET_KEY_FILE to id:key")])
    path = secret_key_file(settings)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        _make_key(path)
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise SettingsError(
            [
                (
                    "secret_key",
                    f"{path} can be read by others, so its key is no secret; chmod 600 it, or remove it",
                )
            ]
        )
    return path.read_text(encoding="utf-8").strip()


def _make_key(path: Path) -> None:
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(f"k1:{secrets.token_urlsafe(32)}\n")
            file.flush()
            os.fsync(file.fileno())
        # A link is made whole or not at all and never replaces the key another process made first.
        os.link(scratch, path)
    except FileExistsError:
        pass
    finally:
        scratch.unlink()


def _name_programs(settings: Settings) -> None:
    # The keeper of the embedded servers outlives this process and reads these from its own environment.
    named = {
        "QS_PG_BIN": settings.embedded.pg_bin,
        "QS_REDIS_BIN": settings.embedded.redis_bin,
        "QS_EMBEDDED_DIR": settings.embedded.dir,
    }
    os.environ.update({variable: str(path) for variable, path in named.items() if path is not None})


def environment_of(given: Settings, ready: Settings, **overrides: str) -> dict[str, str]:
    """The environment in which another process of qs loads ``ready``, where this one loaded ``given``.

    ``overrides`` are short forms (``QS_PORT="8081"``). A secret key goes by the file that keeps it, since the
    environment of a process is easier to read than the file.
    """
    environment = dict(os.environ)
    found: dict[str, str | None] = dict(overrides)
    if given.database.url is None:
        found["QS_DATABASE_URL"] = ready.database.url
        found["QS_MIGRATION_DATABASE_URL"] = ready.database.migration_url
    if given.redis.url is None:
        found["QS_REDIS_URL"] = ready.redis.url
    if given.secret_key is None:
        found["QS_SECRET_KEY_FILE"] = str(secret_key_file(ready))
    for variable, value in found.items():
        if value is not None:
            # A key must not be given twice.
            long_form = all_keys()[SHORT_FORMS[variable.removesuffix("_FILE")]].variable
            environment.pop(long_form, None)
            environment[variable] = value
    return environment
