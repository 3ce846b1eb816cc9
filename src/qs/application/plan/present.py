"""The present of a command that may have waited."""

from collections.abc import Iterable
from datetime import datetime, timedelta

_MOMENT = timedelta(microseconds=1)


def present(began: datetime, lived: Iterable[datetime | None]) -> datetime:
    """The instant of a command that holds its rows: when it began, but after everything it waited for.

    1. A command reads the time and waits for a task. 2. A sweep that began later opens that task and commits.
    3. Ended at the instant of step 1, the task would have ended before it was opened; at that of step 2, nobody could
       tell what came first, nor what an enrollment was made with from what an edit added.
    """
    latest = max((instant for instant in lived if instant is not None), default=began)
    return began if latest <= began else latest + _MOMENT
