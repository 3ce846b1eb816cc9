"""What is left of a command whose supervisor was killed: found by its environment, and killed."""

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Mapping

_LOOKED_FOR_S = 5.0
_PAUSE_S = 0.02
_MARKS = ("QS_EXECUTION_ID", "QS_ATTEMPT")


def kill(environment: Mapping[str, str], place: str | None) -> None:
    """Kills every process that still has the command's execution id and attempt, and removes its directory.

    This is the second line of defence. A process that has emptied its environment is not found; on Linux 6.12 and
    later no isolated command can kill its supervisor in the first place.
    """
    marks = [f"{name}={environment[name]}".encode() for name in _MARKS]
    until = time.monotonic() + _LOOKED_FOR_S
    while _kill_carriers(marks) and time.monotonic() < until:
        time.sleep(_PAUSE_S)
    if place is not None:
        shutil.rmtree(place, ignore_errors=True)


def _kill_carriers(marks: list[bytes]) -> int:
    """How many processes with these marks there were."""
    found = 0
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            with contextlib.suppress(OSError):
                found += _kill_carrier(int(name), marks)
    return found


def _kill_carrier(pid: int, marks: list[bytes]) -> bool:
    # Held by its handle, so that nobody who gets the number in between is hit.
    handle = os.pidfd_open(pid)
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            carried = file.read().split(b"\0")
        if not all(mark in carried for mark in marks):
            return False
        signal.pidfd_send_signal(handle, signal.SIGKILL)
        return True
    finally:
        os.close(handle)
