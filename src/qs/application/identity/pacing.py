"""Slows down guessing: wrong passwords make the next tries wait, and never lock anybody out."""

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from qs.domain.identity.errors import TooManyAttempts

Attempt = tuple[str, str]
"""Whose tries are counted together: a user name and the address they come from."""

FREE_TRIES = 3
LONGEST_STEP_S = 4.0
LONGEST_QUEUE_S = 8.0
FORGOTTEN_AFTER_S = 900.0
FIRST_STEP_S = 0.25
_MOST_DOUBLINGS = 10


class Pacing(Protocol):
    """Spaces tries out, for one process or for all of them."""

    async def reserve(self, attempt: Attempt) -> float:
        """How many seconds this try has to wait before the password is looked at.

        Raises:
            TooManyAttempts: so many tries wait already that this one would wait too long; it does not count.
        """

    async def succeeded(self, attempt: Attempt) -> None:
        """The password was right: nothing is held against the attempt any more."""


@dataclass(slots=True)
class _Record:
    tries: int = 0
    last_turn: float = -math.inf


class AttemptPacing:
    """Tries that this process saw, spaced out more with each that did not succeed.

    Every try counts as failed until it succeeds, so many sent at once queue behind one another and gain nothing.
    The right password waits its turn like the others; from another address the same user waits for nobody. Of at most
    ``capacity`` attempts is anything remembered, the least recent forgotten first. All in seconds of ``monotonic``.
    """

    def __init__(self, monotonic: Callable[[], float], capacity: int = 10_000) -> None:
        self._monotonic = monotonic
        self._capacity = capacity
        self._records: OrderedDict[Attempt, _Record] = OrderedDict()

    async def reserve(self, attempt: Attempt) -> float:
        now = self._monotonic()
        record = self._record(attempt, now)
        turn = max(now, record.last_turn + _step(record.tries))
        if turn - now > LONGEST_QUEUE_S:
            raise TooManyAttempts(math.ceil(turn - now))
        record.tries += 1
        record.last_turn = turn
        return turn - now

    async def succeeded(self, attempt: Attempt) -> None:
        self._records.pop(attempt, None)

    def _record(self, attempt: Attempt, now: float) -> _Record:
        record = self._records.get(attempt)
        if record is None or now - record.last_turn > FORGOTTEN_AFTER_S:
            record = self._records[attempt] = _Record()
        self._records.move_to_end(attempt)
        while len(self._records) > self._capacity:
            self._records.popitem(last=False)
        return record


def _step(tries: int) -> float:
    if tries < FREE_TRIES:
        return 0.0
    # The exponent is bounded, so that a million failures do not overflow.
    return min(LONGEST_STEP_S, FIRST_STEP_S * 2.0 ** min(tries - FREE_TRIES, _MOST_DOUBLINGS))
