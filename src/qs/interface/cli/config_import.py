"""`qs config import`: the settings of another system as a qs.yaml."""

import os
import tempfile
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qs.interface.cli.files import read_bytes
from qs.interface.cli.job_import import write_new
from qs.interface.cli.output import Json, emit, misuse, note
from qs.settings.errors import SettingsError
from qs.settings.loading import load_settings

if TYPE_CHECKING:
    from qs.infra.scheduler.importing.imported import Note


class SettingsSystem(StrEnum):
    BINGO = "bingo"
    ECRON = "ecron"
    GOCRON = "gocron"


def import_config(
    system: Annotated[SettingsSystem, typer.Argument(metavar="bingo|ecron|gocron")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Its settings file; - for stdin.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE",
            help="Where the qs.yaml goes, secrets included; without it to stdout, masked.",
        ),
    ] = None,
    json_mode: Json = False,
) -> None:
    """Turn the settings of another system into a qs.yaml; what has no counterpart is listed.

    Exits 0 when all was carried over, 1 when a note asks for a person, 2 when the file cannot be read.
    """
    from qs.infra.scheduler.files.showing import masked
    from qs.infra.scheduler.files.yaml_text import yaml_text
    from qs.infra.scheduler.importing.imported import ImportRefused
    from qs.infra.scheduler.importing.systems import import_settings

    try:
        imported = import_settings(system.value, read_bytes(file))
    except ImportRefused as refused:
        misuse(f"{file}: {refused.sentence}")
    text, on_screen = yaml_text(dict(imported.document)), masked(dict(imported.document))
    if out is not None:
        write_new(out, text)
    notes = [*imported.notes, *_of_settings(text)]
    for each in notes:
        note(f"{'!' if each.needs_person else ' '} {each}")
    needed = sum(each.needs_person for each in notes)
    note(f"{needed} notes (!) need a person")
    if json_mode:
        emit({"complete": not needed, "settings": on_screen, "notes": notes}, json_mode=True)
    elif out is None:
        typer.echo(yaml_text(on_screen), nl=False)
        if on_screen != imported.document:
            note("secrets are masked above; --out FILE writes them into a file that only you may read")
    if needed:
        raise typer.Exit(1)


def _of_settings(text: str) -> "Iterator[Note]":
    """What would stop a start with these settings on this machine."""
    from qs.infra.scheduler.importing.imported import Note

    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "qs.yaml"
        fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(fd, "w", encoding="utf-8") as written:
            written.write(text)
        try:
            load_settings(file, {})
        except SettingsError as error:
            for problem in error.problems:
                # The file it names is gone as soon as this is read.
                why = problem.detail.replace(f" ({file})", "")
                yield Note(
                    line=None,
                    what=f"qs.yaml {problem.pointer}",
                    why=why,
                    what_to_do="correct it before the first start",
                )
