"""When a delivery that failed is tried again."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential, with jitter, up to a number of attempts."""

    max_attempts: int
    first: timedelta
    longest: timedelta

    def delay(self, attempt: int, jitter: float, asked: timedelta | None = None) -> timedelta | None:
        """How long to wait after the ``attempt``-th try, counted from 1; None when that was the last.

        ``jitter`` from 0 to 1 takes up to half of the delay away, so that what failed together does not come back
        together. ``asked`` is how long the receiver asked us to wait; it is honoured up to the longest delay.
        """
        if attempt >= self.max_attempts:
            return None
        doubled: timedelta = self.first * (1 << min(attempt - 1, 30))
        delay = min(doubled, self.longest) * (1 - jitter / 2)
        return max(delay, min(asked, self.longest)) if asked is not None else delay
