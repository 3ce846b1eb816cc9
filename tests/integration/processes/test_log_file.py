"""The log file is rotated by size and by day, kept for its days, and shared by processes without losing a line."""

import gzip
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from qs.logs.rotation import RotatingFile
from tests.support.processes import ending, wait_until

DAY = 86400

Opener = Callable[..., logging.Logger]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "qs.log"


@pytest.fixture
def logger_of(path: Path) -> Iterator[Opener]:
    """Makes a logger that writes to the file alone."""
    handlers = []

    def make(max_bytes: int = 1_000_000, days: int = 30, compress: bool = False) -> logging.Logger:
        handler = RotatingFile(path, max_bytes=max_bytes, days=days, compress=compress)
        handlers.append(handler)
        logger = logging.Logger("test")
        logger.addHandler(handler)
        return logger

    yield make
    for handler in handlers:
        handler.close()


def old_files(path: Path) -> list[Path]:
    return sorted(each for each in path.parent.glob("qs-*.log*") if each.suffix in (".log", ".gz"))


def all_lines(path: Path) -> list[str]:
    texts = [
        gzip.decompress(each.read_bytes()) if each.suffix == ".gz" else each.read_bytes()
        for each in old_files(path)
    ]
    return b"".join([*texts, path.read_bytes()]).decode().splitlines()


def test_a_file_that_would_grow_too_large_is_put_aside_and_a_new_one_begun(
    path: Path, logger_of: Opener
) -> None:
    logger = logger_of(max_bytes=100)

    for number in range(10):
        logger.warning("%030d", number)

    assert len(old_files(path)) == 3
    assert all(each.stat().st_size <= 100 for each in [*old_files(path), path])
    assert all_lines(path) == [f"{number:030d}" for number in range(10)]


def test_a_line_that_is_larger_than_a_file_may_be_is_still_written(path: Path, logger_of: Opener) -> None:
    logger_of(max_bytes=10).warning("x" * 50)

    assert all_lines(path) == ["x" * 50]


def test_the_first_line_of_a_new_day_begins_a_new_file(path: Path, logger_of: Opener) -> None:
    logger = logger_of()
    logger.warning("yesterday")
    os.utime(path, (time.time() - DAY, time.time() - DAY))

    logger.warning("today")

    assert path.read_text() == "today\n"
    assert [each.read_text() for each in old_files(path)] == ["yesterday\n"]


def test_old_files_are_compressed_and_keep_their_lines(path: Path, logger_of: Opener) -> None:
    logger = logger_of(max_bytes=100, compress=True)

    for number in range(10):
        logger.warning("%030d", number)

    logger.warning("%050d", 10)
    logger.warning("%050d", 11)
    wait_until(lambda: any(each.suffix == ".gz" for each in old_files(path)), "a file is compressed")

    def every_line_once() -> bool:
        # For a moment a file is there beside what it was compressed to, and then it is gone.
        with suppress(FileNotFoundError):
            return [int(line) for line in all_lines(path)] == list(range(12))
        return False

    wait_until(every_line_once, "each line is there, and once")


def test_files_older_than_their_days_are_dropped_and_nobody_elses(path: Path, logger_of: Opener) -> None:
    path.parent.mkdir(parents=True)
    stale, recent, foreign = (path.parent / name for name in ("qs-1.log.gz", "qs-2.log.gz", "other-1.log.gz"))
    for file, age in ((stale, 8), (recent, 6), (foreign, 80)):
        file.write_bytes(gzip.compress(b""))
        os.utime(file, (time.time() - age * DAY, time.time() - age * DAY))
    logger = logger_of(max_bytes=10, days=7)

    logger.warning("first")
    logger.warning("second, which rotates")

    wait_until(lambda: not stale.exists(), "the stale file is dropped")
    assert recent.exists()
    assert foreign.exists()


def test_a_file_that_somebody_else_moved_is_begun_anew(path: Path, logger_of: Opener) -> None:
    logger = logger_of()
    logger.warning("before")
    path.rename(path.with_name("elsewhere"))

    logger.warning("after")

    assert path.read_text() == "after\n"


WRITER = """
import logging, sys
from pathlib import Path
from qs.logs.rotation import RotatingFile
handler = RotatingFile(Path(sys.argv[1]), max_bytes=5_000, days=1, compress=True)
logger = logging.Logger("writer")
logger.addHandler(handler)
for number in range(500):
    logger.warning("%s %04d %s", sys.argv[2], number, "x" * 30)
handler.close()
"""


def test_processes_that_share_a_file_lose_no_line_over_many_rotations(path: Path) -> None:
    with ExitStack() as stack:
        commands = [[sys.executable, "-c", WRITER, str(path), name] for name in "abcd"]
        writers = [stack.enter_context(ending(subprocess.Popen(command))) for command in commands]
        assert [writer.wait(60) for writer in writers] == [0, 0, 0, 0]

    lines = all_lines(path)

    assert sorted(line[:6] for line in lines) == sorted(
        f"{name} {n:04d}" for name in "abcd" for n in range(500)
    )
    assert len(old_files(path)) > 10


def test_a_log_that_cannot_be_written_does_not_end_the_program(
    path: Path, logger_of: Opener, capsys: pytest.CaptureFixture[str]
) -> None:
    logger = logger_of()
    for file in path.parent.iterdir():
        file.unlink()
    path.parent.rmdir()

    logger.warning("nowhere")

    assert "Logging error" in capsys.readouterr().err
