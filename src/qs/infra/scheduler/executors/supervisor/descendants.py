"""All processes below this one: counted, frozen and killed."""

import contextlib
import os
import signal
from dataclasses import dataclass

_LOWEST_REAL_TIME = 1


@dataclass(frozen=True, slots=True)
class Seen:
    """A process as /proc showed it; number and start together are its own for ever."""

    pid: int
    parent: int
    threads: int
    started: str


def descendants() -> list[Seen]:
    """Every living or dead process that descends from this one, parents first.

    One whose parent dies while we look may be missed; it is our child by the next look.
    """
    below: dict[int, list[Seen]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (seen := _look(int(name))) is not None:
            below.setdefault(seen.parent, []).append(seen)
    found: list[Seen] = []
    level = [os.getpid()]
    while level:
        children = [child for pid in level for child in below.pop(pid, ())]
        found += children
        level = [child.pid for child in children]
    return found


def all_threads() -> int:
    """How many threads the whole machine has, at the price of one read."""
    with open("/proc/loadavg", "rb") as file:
        return int(file.read().split()[3].partition(b"/")[2])


def threads_of_user() -> int:
    """How many threads this user has, as far as we can see."""
    found = 0
    for name in os.listdir("/proc"):
        with contextlib.suppress(OSError):
            if name.isdigit() and os.stat(f"/proc/{name}").st_uid == os.getuid():
                found += seen.threads if (seen := _look(int(name))) else 0
    return found


def freeze_and_kill() -> int:
    """Stops every descendant, then kills them all; how many that were.

    Stopped first, since one that lives on could replace those that were killed before it.
    """
    frozen: set[tuple[int, str]] = set()
    found = descendants()
    while fresh := [one for one in found if (one.pid, one.started) not in frozen]:
        for one in fresh:
            _send(one, signal.SIGSTOP)
            frozen.add((one.pid, one.started))
        found = descendants()
    for one in found:
        _send(one, signal.SIGKILL)
    return len(found)


def hurry() -> None:
    """Root cannot be limited in its processes, so whoever ends them must come before them."""
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(_LOWEST_REAL_TIME))


def _look(pid: int) -> Seen | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The name in brackets may hold anything, brackets and blanks too.
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return Seen(pid, int(fields[1]), int(fields[17]), fields[19].decode()) if len(fields) > 19 else None


def _send(one: Seen, number: int) -> None:
    """Signals that very process, not one that got its number since."""
    with contextlib.suppress(OSError):
        handle = os.pidfd_open(one.pid)
        try:
            now = _look(one.pid)
            if now is not None and now.started == one.started:
                signal.pidfd_send_signal(handle, number)
        finally:
            os.close(handle)
