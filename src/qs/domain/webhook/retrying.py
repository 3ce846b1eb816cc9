"""When a delivery that failed is tried again, and when an endpoint that fails is spared."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

BROKEN_AFTER = 5
"""So many failures in a row, and an endpoint gets one delivery at a time until it accepts one."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential with jitter, until ``give_up`` after a delivery was queued.

    ``probe_longest`` is the longest pause between two tries of an endpoint that fails; what waits for it is due again as
    soon as it accepts something.
    """

    first: timedelta = timedelta(seconds=5)
    longest: timedelta = timedelta(hours=24)
    give_up: timedelta = timedelta(days=5)
    probe_longest: timedelta = timedelta(minutes=5)

    def delay(
        self, attempt: int, waited: timedelta, jitter: float, asked: timedelta | None
    ) -> timedelta | None:
        """How long to wait after the ``attempt``-th try, counted from 1; None when that was the last.

        ``waited`` is how long ago the delivery was queued; the last try comes when it is ``give_up``. ``jitter`` from 0 to
        1 takes up to half of the delay away, so that what failed together does not come back together. ``asked`` is how
        long the receiver asked us to wait; it is honoured up to the longest delay.
        """
        left = self.give_up - waited
        if left <= timedelta(0):
            return None
        delay = _doubled(self.first, attempt, self.longest) * (1 - jitter / 2)
        return min(max(delay, min(asked or timedelta(0), self.longest)), left)

    def probe_in(self, failures: int, jitter: float) -> timedelta:
        """How long an endpoint is left alone that failed so many times in a row, ``BROKEN_AFTER`` at least."""
        return _doubled(self.first, failures - BROKEN_AFTER + 1, self.probe_longest) * (1 - jitter / 2)


@dataclass(frozen=True, slots=True)
class Result:
    """How one call of an endpoint ended; ``retry_after`` is what it asked for."""

    accepted: bool
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """How an endpoint fares: failures in a row, since when, and until when it is left alone. All of it real time."""

    failures: int = 0
    first_failure_at: datetime | None = None
    paused_until: datetime | None = None

    @property
    def is_broken(self) -> bool:
        return self.failures >= BROKEN_AFTER

    def after(
        self,
        results: Sequence[Result],
        now: datetime,
        policy: RetryPolicy,
        jitter: float,
        *,
        probing: bool,
    ) -> "Health":
        """The health after calls that ended in that order.

        Without ``probing`` they were made as if all was well, several at once, so together they make it no worse than
        just broken.
        """
        failures, first, paused = self.failures, self.first_failure_at, self.paused_until
        for result in results:
            if result.accepted:
                failures, first, paused = 0, None, None
                continue
            failures += 1 if probing or failures < BROKEN_AFTER else 0
            first = first or now
            if failures >= BROKEN_AFTER:
                paused = _later(paused, now + policy.probe_in(failures, jitter))
            if result.retry_after is not None:
                paused = _later(paused, now + min(result.retry_after, policy.longest))
        return Health(failures, first, paused)

    def is_hopeless(self, now: datetime, policy: RetryPolicy) -> bool:
        """Whether it did nothing but fail for as long as a delivery is tried."""
        return self.first_failure_at is not None and now - self.first_failure_at >= policy.give_up


def _doubled(first: timedelta, number: int, longest: timedelta) -> timedelta:
    doubled: timedelta = first * (1 << min(max(number - 1, 0), 30))
    return min(doubled, longest)


def _later(one: datetime | None, other: datetime) -> datetime:
    return other if one is None else max(one, other)
