"""``qs embedded``: look at, stop and open the embedded servers of a home."""

import csv
import io
import os
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from qs.infra.embedded import Lease, ensure, status, stop
from qs.infra.embedded.binaries import find_psql
from qs.interface.cli.output import Json, emit, failing_plainly, misuse

app = typer.Typer(
    name="embedded",
    help="The PostgreSQL and Valkey that qs runs by itself where no URLs are set.",
    no_args_is_help=True,
)

# How a missing value is told from an empty one in what psql writes; the sign COPY uses.
_NULL = r"\N"


def default_home() -> Path:
    """The directory of qs's own files: ``QS_HOME``, else ``~/.qs``."""
    return Path(os.environ.get("QS_HOME") or "~/.qs").expanduser()


Home = Annotated[
    Path,
    typer.Option(
        "--home",
        help="The home whose servers are meant.",
        default_factory=default_home,
        show_default="QS_HOME, else ~/.qs",
    ),
]
Command = Annotated[
    str | None, typer.Option("--command", "-c", help="Run this SQL statement instead of a shell.")
]
Timeout = Annotated[float, typer.Option(min=0.0, help="Seconds to wait for their end.")]


@app.command("status")
def show_status(home: Home, json_mode: Json = False) -> None:
    """Show whether the servers run, where, and where they log."""
    with failing_plainly():
        emit(asdict(status(home)), json_mode)


@app.command("stop")
def stop_servers(home: Home, timeout: Timeout = 60.0, json_mode: Json = False) -> None:
    """Stop the servers, even while something uses them, and wait until they have ended."""
    with failing_plainly():
        emit({"stopped": stop(home, timeout=timeout)}, json_mode)


@app.command("psql")
def open_psql(home: Home, command: Command = None, json_mode: Json = False) -> None:
    """Open psql as the superuser, starting the servers if need be; they run at least until it ends.

    With --json a --command is needed, and its rows come as a list of objects with texts as values.
    """
    if json_mode and command is None:
        misuse("--json needs a --command, since a shell has no data to write; add one or leave --json out")
    with failing_plainly():
        program = find_psql()
        lease = ensure(home)
    if json_mode and command is not None:
        emit({"rows": _rows(program, lease, command)}, json_mode)
    else:
        _become_psql(program, lease, [] if command is None else ["--command", command])


def _psql(program: Path, lease: Lease, options: list[str]) -> list[str]:
    return [str(program), f"--dbname={lease.database_url}", "--set=ON_ERROR_STOP=1", *options]


def _psql_environment() -> dict[str, str]:
    # libpq reads a whole connection from PG… variables, which are meant for another server.
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}


def _become_psql(program: Path, lease: Lease, options: list[str]) -> NoReturn:
    lease.survive_exec()
    os.execve(program, _psql(program, lease, options), _psql_environment())  # noqa: S606


def _rows(program: Path, lease: Lease, command: str) -> list[dict[str, str | None]]:
    options = ["--no-psqlrc", "--quiet", "--csv", f"--pset=null={_NULL}", "--command", command]
    with lease:
        done = subprocess.run(  # noqa: S603
            _psql(program, lease, options),
            env=_psql_environment(),
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
    if done.returncode != 0:
        raise typer.Exit(1)
    names, *lines = list(csv.reader(io.StringIO(done.stdout, newline=""))) or [[]]
    # An empty line is the empty text in the only column.
    values = [[None if value == _NULL else value for value in line or [""]] for line in lines]
    return [dict(zip(names, line, strict=True)) for line in values]
