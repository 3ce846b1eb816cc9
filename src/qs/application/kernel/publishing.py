"""The relay's round: heal what Redis lost, publish what is new, publish again what nobody acted on."""

import time
from collections.abc import Callable
from datetime import timedelta

from qs.application.kernel.relaying import Relay
from qs.application.kernel.republishing import Republishing
from qs.application.kernel.streams import StreamsUnavailable

_CHECK_EVERY_S = 0.5
_REPUBLISH_EVERY_S = 1.0


class Publishing:
    """One round after the other, by any number of processes.

    ``monotonic`` is the clock of the process, in seconds.
    """

    def __init__(
        self,
        relay: Relay,
        republishing: Republishing,
        *,
        after: timedelta,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._relay = relay
        self._republishing = republishing
        self._after_s = after.total_seconds()
        self._monotonic = monotonic
        self._check_at = self._republish_at = monotonic()

    async def round(self) -> bool:
        """Does what is due; True when there may be more to publish at once.

        Raises:
            StreamsUnavailable: Redis is away; positions were given all the same.
        """
        failure = await self._heal()
        more = await self._relay.cycle()
        if failure is not None:
            raise failure
        if self._monotonic() >= self._republish_at:
            await self._republishing.republish_overdue()
            self._republish_at = self._monotonic() + _REPUBLISH_EVERY_S
        return more

    async def _heal(self) -> StreamsUnavailable | None:
        if self._monotonic() < self._check_at:
            return None
        try:
            await self._republishing.heal()
        except StreamsUnavailable as failure:
            # What waits since Redis went away is published when it is back, and only overdue some time after that.
            self._republish_at = self._monotonic() + self._after_s
            return failure
        self._check_at = self._monotonic() + _CHECK_EVERY_S
        return None
