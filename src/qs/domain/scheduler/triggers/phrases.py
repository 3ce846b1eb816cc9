"""What can be said of a trigger; the package ``wording`` says it in each language."""

from datetime import datetime, timedelta
from typing import Protocol

from qs.domain.scheduler.triggers.days import Days
from qs.domain.scheduler.triggers.times import Times


class Phrases(Protocol):
    """One language's way to say when a job runs; each phrase is true of every instant it is about."""

    def every(self, period: timedelta) -> str:
        """At each multiple of a length of elapsed time."""
        ...

    def after_end(self, delay: timedelta) -> str:
        """So long after the last execution ended."""
        ...

    def once(self, at: datetime) -> str:
        """At one instant, told in the zone of ``at``."""
        ...

    def recurring(self, days: Days, times: Times, timezone: str) -> str:
        """At these times of these days by the clocks of the zone, with the calendar of ``days``."""
        ...

    def resting(self, text: str, calendar: str) -> str:
        """``text``, and never on the holidays of the calendar of that name."""
        ...

    def bounded(self, text: str, start: datetime | None, end: datetime | None) -> str:
        """``text``, from one instant on and before another, each told in its own zone."""
        ...
