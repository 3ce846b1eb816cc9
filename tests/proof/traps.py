"""What happens to a process at a crash point."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from qs.application.kernel import crash

Action = Literal["kill", "raise", "hang", "freeze"]


class Fault(Exception):
    """What a trap raises: no error the service knows."""


@dataclass(frozen=True, slots=True)
class Trap:
    """At the point, or the first that fits the pattern, on its ``nth`` passing, once: the action.

    ``hang`` lets the task wait for ``hang_s``; without, for ever, as all that come there after it. ``freeze`` stops
    the whole process. With ``every`` each point that fits has its own count, and so its own turn. Those in ``but``
    fit no pattern.
    """

    point: str
    nth: int = 1
    action: Action = "kill"
    hang_s: float | None = None
    every: bool = False
    but: frozenset[str] = frozenset()

    def fits(self, point: str) -> bool:
        return fnmatchcase(point, self.point) and point not in self.but


def springing(trap: Trap | None, report: Callable[[str], None]) -> crash.Trap:
    """Reports ``passed POINT`` for the first passing of each point, and ``sprung POINT`` when the trap is sprung."""
    passings: Counter[str] = Counter()

    async def spring(point: str) -> None:
        passings[point] += 1
        if passings[point] == 1:
            report(f"passed {point}")
        if trap is None or not trap.fits(point):
            return
        count = passings[point] if trap.every else sum(passings[each] for each in passings if trap.fits(each))
        if count == trap.nth:
            report(f"sprung {point}")
            await _act(trap, point)
        elif count > trap.nth and trap.action == "hang" and trap.hang_s is None:
            await asyncio.Event().wait()

    return spring


async def _act(trap: Trap, point: str) -> None:
    if trap.action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif trap.action == "freeze":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif trap.action == "raise":
        raise Fault(point)
    elif trap.hang_s is None:
        await asyncio.Event().wait()
    else:
        await asyncio.sleep(trap.hang_s)
