"""The log files of the keeper and its servers."""

from io import BufferedWriter
from pathlib import Path

_LARGEST_BYTES = 8 * 1024 * 1024
_TELLING = ("FATAL", "PANIC", "ERROR", "error:")


def open_log(path: Path) -> BufferedWriter:
    """The log opened for appending; a large one is put aside first, in the place of the one before it."""
    if path.exists() and path.stat().st_size > _LARGEST_BYTES:
        path.replace(path.with_suffix(".old.log"))
    return open(path, "ab")


def last_words(path: Path, start: int) -> str:
    """The line behind byte ``start`` that best says why its writer ended."""
    try:
        with open(path, "rb") as file:
            file.seek(start)
            written = file.read().decode(errors="replace")
    except OSError:
        written = ""
    lines = [line.strip() for line in written.splitlines() if line.strip()]
    telling = [line for line in lines if any(word in line for word in _TELLING)]
    return (telling or lines or ["it wrote nothing"])[-1]
