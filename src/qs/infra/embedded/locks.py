"""Kernel locks: the only thing here that is believed about who is alive.

A ``flock`` belongs to an open file and goes with the last process that has it open, however that one ended.
A number in a file outlives its process and may name an innocent one; a lock cannot.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from qs.infra.embedded.errors import NotInTime

POLL_SECONDS = 0.02


def open_lock(path: Path) -> int:
    """A descriptor of the lock file, made when absent; a program started later has it only when handed it."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def take(descriptor: int, *, shared: bool = False) -> bool:
    """Whether the lock could be had at once; it is held until the last copy of the descriptor is closed."""
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def take_within(descriptor: int, seconds: float) -> bool:
    """Whether the lock could be had alone before so much time was over."""
    deadline = time.monotonic() + seconds
    while not take(descriptor):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def give_back(descriptor: int) -> None:
    """The lock is free again while the descriptor stays open."""
    fcntl.flock(descriptor, fcntl.LOCK_UN)


def is_free(path: Path) -> bool:
    """Whether nobody holds the lock alone at this moment; a lock file that does not exist is free."""
    if not path.exists():
        return True
    descriptor = open_lock(path)
    try:
        # Shared, so that two who look do not take each other for the holder.
        return take(descriptor, shared=True)
    finally:
        os.close(descriptor)


def still_names(path: Path, descriptor: int) -> bool:
    """Whether the path still leads to the open file; a removed home leaves locks nobody else can see."""
    try:
        there = os.stat(path, follow_symlinks=False)
    except OSError:
        return False
    mine = os.fstat(descriptor)
    return (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino)


def wait_for(path: Path, deadline: float, *, shared: bool = False) -> int:
    """A descriptor that holds the lock of the file now at ``path``.

    ``deadline`` is in seconds of ``time.monotonic``; past it ``NotInTime`` is raised.
    """
    while True:
        descriptor = open_lock(path)
        # What was locked may have been removed meanwhile, and another file be there for everybody else.
        if take(descriptor, shared=shared) and still_names(path, descriptor):
            return descriptor
        os.close(descriptor)
        if time.monotonic() > deadline:
            raise NotInTime(f"{path} is held by another process and was not given back in time; try again")
        time.sleep(POLL_SECONDS)


@contextlib.contextmanager
def held(path: Path, deadline: float) -> Iterator[None]:
    """The lock is held alone inside the block."""
    descriptor = wait_for(path, deadline)
    try:
        yield
    finally:
        os.close(descriptor)
