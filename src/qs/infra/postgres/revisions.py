"""Which revisions of the schema this code knows, and whether it can work on the one that is there."""

import re
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import TextClause, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

SCRIPTS = Path(str(files("qs.infra.postgres"))) / "migrations"
"""Where the migrations are, in the repository and in the installed package."""

_FILE = re.compile(r"\d{4}_\w+\.py")
_SAYS = re.compile(r'^(phase|needs) = "(\w+)"$', re.MULTILINE)
_UNDEFINED_TABLE = "42P01"

_REVISION = text("SELECT version_num FROM alembic_version")
_MINIMUM = text("SELECT minimum FROM schema_compatibility")


def known_revisions() -> tuple[str, ...]:
    """All revisions this code knows, the newest first; from the names of their files, so that nothing is imported."""
    return tuple(_files())


@cache
def _files() -> dict[str, Path]:
    found = {path.name[:4]: path for path in (SCRIPTS / "versions").iterdir() if _FILE.fullmatch(path.name)}
    return dict(sorted(found.items(), reverse=True))


def head_revision() -> str:
    """The newest revision this code knows."""
    return known_revisions()[0]


@cache
def needed_revision() -> str:
    """The oldest revision this code can work on: contract revisions after it may still be to come.

    One that needs itself, though, took away in one step what this code does without.
    """
    for revision, path in _files().items():
        says = dict(_SAYS.findall(path.read_text(encoding="utf-8")))
        if says["phase"] == "expand" or says["needs"] == revision:
            return revision
    raise AssertionError("the first revision expands")


def forget_files() -> None:
    """The files are looked at anew; for who puts other ones there."""
    _files.cache_clear()
    needed_revision.cache_clear()


def application_name() -> str:
    """How connections of this code are called, so that a migration sees which releases are still at work."""
    return f"qs {head_revision()}"


class Standing(NamedTuple):
    """Where a schema is. ``minimum`` is the head of the oldest release whose processes it still serves.

    Both are None for a schema that does not say: an empty database, or one from before there was a minimum.
    """

    revision: str | None
    minimum: str | None

    @property
    def is_newer(self) -> bool:
        """Whether a later release made it."""
        return self.revision is not None and self.revision not in known_revisions()

    @property
    def serves(self) -> bool:
        """Whether this code can work on it.

        It is at this code's head, or only contract revisions are missing, or it is later and still serves this code.
        """
        if self.is_newer:
            return self.minimum in known_revisions()
        return self.revision is not None and self.revision >= needed_revision()

    @property
    def complaint(self) -> str | None:
        """Why this code cannot work on it and what to do, in a sentence; None when it can."""
        if self.serves:
            return None
        if not self.is_newer:
            return (
                f"the schema is at {self.revision or 'nothing'}, this version needs {needed_revision()}; "
                "run `qs db upgrade`"
            )
        served = (
            f"serves releases from {self.minimum} on"
            if self.minimum
            else "does not say which releases it serves"
        )
        return (
            f"the schema is newer than this process: it is at {self.revision} and {served}, this one is of "
            f"{head_revision()}; start the new release"
        )


async def read_standing(connection: AsyncConnection) -> Standing:
    """Where the schema is, in one or two reads; ends the transaction it was asked in."""
    revision = await _read(connection, _REVISION)
    if revision is None or revision in known_revisions():
        return Standing(revision, None)
    return Standing(revision, await _read(connection, _MINIMUM))


async def _read(connection: AsyncConnection, query: TextClause) -> str | None:
    try:
        found: str | None = await connection.scalar(query)
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != _UNDEFINED_TABLE:
            raise
        found = None
    await connection.rollback()
    return found
