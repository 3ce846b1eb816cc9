"""Moving business time, which trials and tests do so as not to wait for weeks."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from qs.domain.kernel.errors import Forbidden, Refused

_MOVABLE_IN = ("development", "test", "demo")


@dataclass(frozen=True, slots=True)
class ClockReading:
    """Business time ``now`` (aware UTC) and how far it is ahead of system time."""

    now: datetime
    offset: timedelta


class ClockIsReal(Forbidden):
    """In production business time is system time."""

    code = "clock.real"

    def __init__(self, env: str) -> None:
        super().__init__(
            f"this is {env}, where business time is real time and real people wait for their links; "
            f"the clock is advanced only where QS_ENV is {', '.join(_MOVABLE_IN)}"
        )


class ClockMovesForward(Refused):
    """The instant asked for lies before business now, or past what any plan can reach."""

    code = "clock.moves_forward"

    def __init__(self, now: datetime) -> None:
        super().__init__(
            f"business time is {now.isoformat(timespec='seconds')}; it only moves forward, and not past the year 2199, "
            "since what was opened and expired cannot be undone; give a later instant"
        )


class BusinessClock(Protocol):
    """Business time as the database keeps it. Moving it is atomic and audited."""

    async def read(self) -> ClockReading: ...

    async def advance_to(self, instant: datetime, *, actor: str) -> ClockReading | None:
        """The reading after the move; None, and nothing moved, when ``instant`` is not ahead."""
        ...

    async def advance_by(self, step: timedelta, *, actor: str) -> ClockReading | None:
        """The reading after the move; None, and nothing moved, when that is out of range."""
        ...


class ClockAdvancing:
    """Reads business time, and moves it forward where that is allowed."""

    def __init__(self, clock: BusinessClock, env: str) -> None:
        self._clock = clock
        self._env = env

    async def read(self) -> ClockReading:
        return await self._clock.read()

    async def advance_to(self, instant: datetime, *, actor: str) -> ClockReading:
        """Business time is ``instant`` (aware) from now on. Raises ClockIsReal, ClockMovesForward."""
        self._refuse_in_production()
        return await self._clock.advance_to(instant, actor=actor) or await self._explain()

    async def advance_by(self, step: timedelta, *, actor: str) -> ClockReading:
        """Business time is ``step`` later from now on. Raises ClockIsReal, ClockMovesForward."""
        self._refuse_in_production()
        if step < timedelta(0):
            await self._explain()
        return await self._clock.advance_by(step, actor=actor) or await self._explain()

    def _refuse_in_production(self) -> None:
        if self._env not in _MOVABLE_IN:
            raise ClockIsReal(self._env)

    async def _explain(self) -> ClockReading:
        raise ClockMovesForward((await self._clock.read()).now)
