"""How many messages may go out now over a channel, over all processes together."""

import asyncio

from qs.application.kernel.limiting import Limit, Limiter
from qs.domain.notification.pacing import spread

_NAME = "notifications"


class Pacing:
    """Without a ``rate`` as many as are wanted. The rate holds for each channel by itself."""

    def __init__(self, limiter: Limiter, rate: Limit | None) -> None:
        self._limiter = limiter
        self._rate = None if rate is None else Limit(_NAME, *spread(rate.calls, rate.period_ms))

    async def permits(self, channel: str, wanted: int) -> int:
        """How many of the ``wanted`` messages may go out; those count from now on."""
        if self._rate is None or wanted == 0:
            return wanted
        rate = self._rate
        verdicts = await asyncio.gather(*(self._limiter.spend(channel, rate) for _ in range(wanted)))
        return sum(verdict.allowed for verdict in verdicts)
