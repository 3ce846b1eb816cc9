"""A log file that several processes write and rotate together."""

import contextlib
import fcntl
import gzip
import logging
import os
import shutil
import threading
import time
from datetime import UTC, datetime
from pathlib import Path


class RotatingFile(logging.Handler):
    """Appends to ``path``; begins a new file at ``max_bytes`` and every UTC day, keeps old ones ``days`` days.

    Old files are named ``<stem>-<time of rotation>.log``, with ``.gz`` when compressed. Every write holds the lock of
    the file beside it, so that API and workers can share one log and no line is lost at a rotation.
    """

    def __init__(self, path: Path, *, max_bytes: int, days: int, compress: bool) -> None:
        super().__init__()
        self._path = path
        self._max_bytes = max_bytes
        self._days = days
        self._compress = compress
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock_file = os.open(
            path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        self._file = -1
        self._tidying: threading.Thread | None = None

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = (self.format(record) + "\n").encode("utf-8", "backslashreplace")
            fcntl.flock(self._lock_file, fcntl.LOCK_EX)
            try:
                rotated = self._make_room(len(line))
                # A regular file takes a line whole; only a full disk cuts it short.
                os.write(self._file, line)
            finally:
                fcntl.flock(self._lock_file, fcntl.LOCK_UN)
            if rotated:
                self._tidy_up()
        except Exception:  # noqa: BLE001 - a log that cannot be written must not end what it tells of
            self.handleError(record)

    def close(self) -> None:
        if self._tidying is not None:
            self._tidying.join()
        with self.lock or contextlib.nullcontext():
            for descriptor in (self._file, self._lock_file):
                if descriptor >= 0:
                    os.close(descriptor)
            self._file = self._lock_file = -1
        super().close()

    def _make_room(self, size: int) -> bool:
        self._reopen_if_moved()
        found = os.fstat(self._file)
        is_old = _utc_day(found.st_mtime) != _utc_day(time.time())
        if found.st_size == 0 or not (is_old or found.st_size + size > self._max_bytes):
            return False
        self._path.rename(self._name_of_old())
        self._reopen_if_moved()
        return True

    def _reopen_if_moved(self) -> None:
        try:
            there = self._path.stat()
            if self._file >= 0 and os.path.samestat(there, os.fstat(self._file)):
                return
        except FileNotFoundError:
            pass
        if self._file >= 0:
            os.close(self._file)
        self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)

    def _name_of_old(self) -> Path:
        moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")
        return self._path.with_name(f"{self._path.stem}-{moment}.log")

    def _tidy_up(self) -> None:
        if self._tidying is not None and self._tidying.is_alive():
            return
        # Compressing takes seconds, which no writer should wait for.
        self._tidying = threading.Thread(target=self._compress_and_drop, name="qs-log-tidying", daemon=True)
        self._tidying.start()

    def _compress_and_drop(self) -> None:
        oldest = time.time() - self._days * 86400
        with (
            contextlib.suppress(OSError),
            open(self._path.with_name(f".{self._path.name}.tidy"), "w") as alone,
        ):
            # One process at a time; nobody writes to a file once it has been renamed.
            fcntl.flock(alone, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for old in sorted(self._path.parent.glob(f"{self._path.stem}-*.log*")):
                if old.stat().st_mtime < oldest:
                    old.unlink()
                elif self._compress and old.suffix == ".log":
                    _compress(old)


def _compress(path: Path) -> None:
    packed = path.with_name(path.name + ".gz")
    scratch = path.with_name(path.name + ".part")
    found = path.stat()
    with path.open("rb") as plain, gzip.open(scratch, "wb", compresslevel=6) as target:
        shutil.copyfileobj(plain, target, 1 << 20)
    os.utime(scratch, (found.st_atime, found.st_mtime))
    scratch.chmod(0o640)
    scratch.rename(packed)
    path.unlink()


def _utc_day(seconds: float) -> int:
    return int(seconds // 86400)
