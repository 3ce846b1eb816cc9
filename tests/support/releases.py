"""Releases of qs that are not this one: they know fewer revisions of the schema, or more."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from qs.infra.postgres import revisions

_MORE = """'''{title}.'''

from alembic import op

revision = "{number}"
down_revision = "{before}"
branch_labels = None
depends_on = None
{phase}


def upgrade() -> None:
{up}


def downgrade() -> None:
{down}
"""


def more(number: str, before: str, up: str, down: str = "    pass", phase: str = 'phase = "expand"') -> str:
    """The text of a revision that no release has; ``up`` and ``down`` are indented bodies."""
    title = f"What comes after {before}"
    return _MORE.format(number=number, before=before, up=up, down=down, phase=phase, title=title)


def previous(number: str | None = None) -> str:
    """The revision before ``number``, of all that this release knows; of the head, where none is given."""
    known = revisions.known_revisions()
    return known[known.index(number or known[0]) + 1]


@contextmanager
def of_another_release(*, head: str | None = None, more: Mapping[str, str] | None = None) -> Iterator[None]:
    """Within the block this process knows no revision after ``head``, and ``more`` besides, by number."""
    before, directory = revisions.SCRIPTS, Path(tempfile.mkdtemp(prefix="qs-release-")) / "migrations"
    shutil.copytree(before, directory, ignore=shutil.ignore_patterns("__pycache__", "schema_*"))
    for file in (directory / "versions").glob("[0-9]*.py"):
        if head is not None and file.name[:4] > head:
            file.unlink()
    for number, text in (more or {}).items():
        (directory / "versions" / f"{number}_more.py").write_text(text)
    revisions.SCRIPTS = directory
    revisions.forget_files()
    try:
        yield
    finally:
        revisions.SCRIPTS = before
        revisions.forget_files()
        shutil.rmtree(directory.parent)
