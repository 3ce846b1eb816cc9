"""Named points at the boundaries of the work, where a test can make a process die, fail or hang.

Nothing in the service arms them and no setting does: there a point is one call that returns at once. The names are
``{boundary}.{moment}``, such as ``sweep.after_outbox``; every commit of a unit of work has two of its own,
``{boundary}.before_commit`` and ``{boundary}.after_commit``.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

Trap = Callable[[str], Awaitable[None]]

_trap: Trap | None = None


async def hit(point: str) -> None:
    """Passes the point; whoever armed the points decides what happens there."""
    if _trap is not None:
        await _trap(point)


@contextmanager
def armed(trap: Trap) -> Iterator[None]:
    """Has every point of this process call ``trap`` with its name until the block is left; for tests alone."""
    global _trap  # noqa: PLW0603 - one process, one set of points
    before, _trap = _trap, trap
    try:
        yield
    finally:
        _trap = before
