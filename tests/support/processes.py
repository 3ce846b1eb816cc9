"""Looking at processes from outside, and waiting for what they do."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import psutil

PATIENCE_S = 30.0


def wait_until(condition: Callable[[], object], what: str, within: float = PATIENCE_S) -> None:
    """Returns once the condition holds; fails with ``what`` when it does not in time."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, f"within {within:g} s not: {what}"
        time.sleep(0.02)


def marked(mark: str) -> list[psutil.Process]:
    """Every living process whose environment holds this mark, whoever its parent is by now."""
    return list(_marked(mark))


def _marked(mark: str) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        try:
            environment = Path(f"/proc/{process.pid}/environ").read_bytes()
            if mark.encode() in environment and process.status() != psutil.STATUS_ZOMBIE:
                yield process
        except (OSError, psutil.NoSuchProcess):
            continue


def clean_environment(**variables: str) -> Mapping[str, str]:
    """This process's environment without any setting of qs but the ones given and the servers' programs."""
    kept = ("QS_PG_BIN", "QS_REDIS_BIN")
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith("QS_") or name in kept
    }
    return inherited | variables
