"""What a job wants to happen when a slot was missed, a run overlaps, an attempt fails, or an execution ends."""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

SECOND = timedelta(seconds=1)


class MisfirePolicy(StrEnum):
    """What becomes of slots that nobody claimed in time."""

    FIRE_ONCE = "fire_once"
    SKIP = "skip"
    FIRE_ALL = "fire_all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Misfire:
    """A slot is late by up to ``grace`` and normal; later, the policy decides what is fired.

    Nothing older than ``catchup_window`` is ever fired, and ``fire_all`` fires at most ``max_catchup`` slots, the
    newest. Every other one leaves a row that says it was missed.
    """

    policy: MisfirePolicy = MisfirePolicy.FIRE_ONCE
    grace: timedelta = timedelta(seconds=60)
    catchup_window: timedelta = timedelta(hours=24)
    max_catchup: int = 100


class OverlapPolicy(StrEnum):
    """What becomes of a run whose job is active already."""

    SKIP = "skip"
    ALLOW = "allow"
    QUEUE_ONE = "queue_one"
    QUEUE_ALL = "queue_all"
    REPLACE = "replace"


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """``max`` is how many may be active at once (``allow``), or how many may wait (``queue_all``)."""

    policy: OverlapPolicy = OverlapPolicy.SKIP
    max: int = 1

    @property
    def side_by_side(self) -> int:
        """How many executions of the job may work at the same time."""
        return self.max if self.policy is OverlapPolicy.ALLOW else 1

    @property
    def may_wait(self) -> int:
        """How many may wait behind those that work; for ``replace`` the newest takes the place of what waits."""
        return {OverlapPolicy.QUEUE_ONE: 1, OverlapPolicy.QUEUE_ALL: self.max, OverlapPolicy.REPLACE: 1}.get(
            self.policy, 0
        )


class Backoff(StrEnum):
    FIXED = "fixed"
    LINEAR = "linear"
    EXPONENTIAL = "exponential"


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How often an execution is attempted, and how long is waited between.

    ``jitter`` is the share of the delay that chance may take away. ``retry_on`` names what is worth another attempt:
    ``timeout``, ``exit:75``, ``http:503`` or ``5xx``, ``error``; empty means every failure that is not permanent.
    """

    max_attempts: int = 3
    backoff: Backoff = Backoff.EXPONENTIAL
    delay: timedelta = timedelta(seconds=10)
    max_delay: timedelta = timedelta(hours=1)
    jitter: float = 0.2
    retry_on: tuple[str, ...] = ()

    def next_delay(
        self, attempt: int, code: str | None, *, permanent: bool, chance: float
    ) -> timedelta | None:
        """How long to wait after the ``attempt``-th attempt, counted from 1; None when that was the last.

        ``chance`` from 0 to 1 is where in the jitter the delay lies.
        """
        if permanent or attempt >= self.max_attempts or not self._worth(code):
            return None
        growth = {
            Backoff.FIXED: 1,
            Backoff.LINEAR: attempt,
            Backoff.EXPONENTIAL: 1 << min(attempt - 1, 40),
        }[self.backoff]
        # Compared as numbers first: a long delay doubled forty times is no timedelta any more.
        steps = self.max_delay / self.delay if self.delay else 0.0
        delay = self.max_delay if growth > steps and self.delay else self.delay * growth
        return delay * (1 - self.jitter * chance)

    def _worth(self, code: str | None) -> bool:
        if not self.retry_on:
            return True
        if code is None:
            return False
        known = {code, code.partition(":")[0]}
        if code.startswith("http:") and len(code) == 8:
            known |= {code[5:], f"{code[5]}xx"}
        return not known.isdisjoint(self.retry_on)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """``attempt`` ends one attempt, ``total`` all of them with the waits between, ``start`` whatever has not begun."""

    attempt: timedelta = timedelta(hours=1)
    total: timedelta | None = None
    start: timedelta | None = None


class ChainOn(StrEnum):
    """Which ends of an execution start the next job."""

    SUCCESS = "success"
    FAILURE = "failure"
    COMPLETION = "completion"


@dataclass(frozen=True, slots=True)
class ChainLink:
    """When an execution ends so, the job of that name (of the same tenant) is run."""

    on: ChainOn
    job: str


class NoticeOn(StrEnum):
    """What people and systems are told of."""

    SUCCESS = "success"
    FAILURE = "failure"
    RECOVERY = "recovery"
    MISSED = "missed"
    TIMEOUT = "timeout"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notify:
    """Who is told how executions end: a signed webhook gets every kind in ``on``, the addresses as well."""

    webhook: str | None = None
    email: tuple[str, ...] = ()
    on: frozenset[NoticeOn] = frozenset(
        {NoticeOn.FAILURE, NoticeOn.RECOVERY, NoticeOn.MISSED, NoticeOn.TIMEOUT}
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """All of them together, each with what holds when nothing was said."""

    misfire: Misfire = field(default_factory=Misfire)
    overlap: Overlap = field(default_factory=Overlap)
    retry: Retry = field(default_factory=Retry)
    timeouts: Timeouts = field(default_factory=Timeouts)
    chain: tuple[ChainLink, ...] = ()
    notify: Notify = field(default_factory=Notify)
