"""`qs job import`: the jobs of another system as a job file, with a draft of the commands they need."""

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qs.interface.cli.files import read_bytes
from qs.interface.cli.output import Json, emit, misuse, note

if TYPE_CHECKING:
    from qs.infra.scheduler.importing.imported import Imported


class System(StrEnum):
    CRONTAB = "crontab"
    GOCRON = "gocron"
    SYS_CRONTAB = "sys-crontab"
    ECRON = "ecron"


class Form(StrEnum):
    AUTO = "auto"
    USER = "user"
    SYSTEM = "system"


def import_jobs(
    system: Annotated[System, typer.Argument(metavar="crontab|gocron|sys-crontab|ecron")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What to import; - for stdin.")],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Where the jobs go; without it to stdout.")
    ] = None,
    commands_out: Annotated[
        Path | None,
        typer.Option("--commands-out", metavar="FILE", help="Where the draft of the commands goes."),
    ] = None,
    form: Annotated[
        Form, typer.Option(help="Whether the entries of a crontab name a user (system) or not (user).")
    ] = Form.AUTO,
    json_mode: Json = False,
) -> None:
    """Turn the jobs of another system into a job file for `qs job apply -f`; nothing is run or changed.

    Exits 0 when all was carried over, 1 when a note asks for a person, 2 when the file cannot be read.
    """
    from qs.infra.scheduler.importing.imported import ImportRefused
    from qs.infra.scheduler.importing.systems import import_jobs as import_from

    try:
        imported = import_from(system.value, read_bytes(file), form.value)
    except ImportRefused as refused:
        misuse(f"{file}: {refused.sentence}")
    if out is not None:
        write_new(out, _job_file(imported))
    if commands_out is not None:
        write_new(commands_out, _commands_file(imported))
    _tell(imported, out, commands_out)
    if json_mode:
        emit(_data(imported), json_mode=True)
    elif out is None:
        typer.echo(_job_file(imported), nl=False)
    if not imported.complete:
        raise typer.Exit(1)


def write_new(path: Path, text: str) -> None:
    """Writes a file that only its owner may read; one that is there already is left alone, which is misuse."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        misuse(f"{path} exists already and is not written over; name another file, or move it away")
    except OSError as error:
        misuse(f"{path} cannot be written ({error.strerror}); check the directory and who may write there")
    with open(fd, "w", encoding="utf-8") as file:
        file.write(text)


def _job_file(imported: "Imported") -> str:
    from qs.infra.scheduler.files.yaml_text import yaml_text

    return yaml_text({"jobs": list(imported.jobs)})


def _commands_file(imported: "Imported") -> str:
    """The draft of the allow-list, and as comments the scripts that are to be created."""
    from qs.infra.scheduler.files.yaml_text import yaml_text

    lines = ["# A draft: look through every entry before you name this file in scheduler.commands_file."]
    for path, content in imported.scripts.items():
        lines += [
            "#",
            f"# Create {path} (mode 0755) with:",
            *(f"#     {line}" for line in content.splitlines()),
        ]
    return "\n".join(lines) + "\n" + yaml_text(dict(imported.commands))


def _tell(imported: "Imported", out: Path | None, commands_out: Path | None) -> None:
    for each in imported.notes:
        note(f"{'!' if each.needs_person else ' '} {each}")
    needed = sum(each.needs_person for each in imported.notes)
    note(
        f"{len(imported.jobs)} jobs, {len(imported.commands)} commands drafted, {needed} notes (!) need a person"
    )
    if imported.commands and commands_out is None:
        note(
            "the jobs run commands that must be on the allow-list; --commands-out FILE writes the draft of it"
        )
    if out is not None:
        note(f"next: qs job diff -f {out}, then qs job apply -f {out}")


def _data(imported: "Imported") -> dict[str, Any]:
    return {
        "complete": imported.complete,
        "jobs": imported.jobs,
        "commands": imported.commands,
        "scripts": imported.scripts,
        "notes": imported.notes,
    }
