"""Files that verbs are given."""

import sys
from pathlib import Path

from qs.interface.cli.output import misuse

STDIN = "-"


def read_bytes(file: Path) -> bytes:
    """What the file holds, `-` being stdin; one that cannot be read is misuse."""
    try:
        return sys.stdin.buffer.read() if str(file) == STDIN else file.read_bytes()
    except OSError as error:
        misuse(f"{file} cannot be read: {error.strerror}")
