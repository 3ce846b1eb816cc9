"""Output followed while it is written, as server-sent events (HTML Living Standard §9.2).

::

    id: 1371                                     where to go on: the offset after this event
    event: output
    data: {"offset": 1200, "attempt": 1, "stream": "stdout", "text": "…"}

    : still there                                every 15 s without output
    event: end                                   when the execution is over; then close, or the browser asks again
    data: {"status": "succeeded"}
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from msgspec import Struct, json

from qs.application.identity.authenticating import Authentication
from qs.application.scheduler.job_reading import JobReading
from qs.domain.identity.errors import TokenInvalid
from qs.domain.kernel.errors import Absent, QsError, Unavailable
from qs.interface.rest.scheduler.output import end_of, gather, shown, whole_characters

MOST_FOLLOWERS = 100
HEARTBEAT_S = 15.0
_FASTEST_S, _SLOWEST_S = 0.25, 1.0
_MOST_AT_ONCE = 256 * 1024
# Within that time whoever may no longer come in sees nothing more either.
_LET_IN_FOR_S = 5.0


class TooManyFollowers(Unavailable):
    code = "execution.too_many_followers"
    sentence = (
        "too many callers follow output in this process already, so no more are served; ask again in a moment, "
        "or read it piece by piece without follow"
    )


class Followers:
    """Those who follow output in this process; each costs a question to the database once or more a second."""

    def __init__(self, most: int = MOST_FOLLOWERS) -> None:
        self._most = most
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def refuse_more(self) -> None:
        """Raises TooManyFollowers where there is no room."""
        if self._count >= self._most:
            raise TooManyFollowers

    def __enter__(self) -> None:
        self.refuse_more()
        self._count += 1

    def __exit__(self, *_: object) -> None:
        self._count -= 1


FOLLOWERS = Followers()


class End(Struct):
    """Why nothing more comes: the execution is over."""

    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Following:
    """One caller who follows the output of one execution.

    ``goes_on`` is whether this process still serves; ``translate`` tells failures of the database from our own.
    """

    reading: JobReading
    authentication: Authentication
    tenant_id: UUID
    execution_id: UUID
    token: str
    goes_on: Callable[[], bool]
    translate: Callable[[BaseException], QsError | None]

    async def events(self, offset: int) -> AsyncIterator[bytes]:
        """What is written from ``offset`` on, to the end of the execution.

        Whatever cuts it short, the caller's next request goes on where the last event said.
        """
        try:
            with FOLLOWERS:
                # At once, so that the caller knows it is heard; also how soon a browser asks again.
                yield b"retry: 1000\n: following\n\n"
                async for event in self._events(offset):
                    yield event
        except (TokenInvalid, TooManyFollowers, Absent):
            return
        except Exception as error:
            # The answer has begun, so that there is nobody to tell of it any more.
            if self.translate(error) is None:
                raise

    async def _events(self, offset: int) -> AsyncIterator[bytes]:
        pause = _FASTEST_S
        heard = let_in = time.monotonic()
        while self.goes_on():
            if time.monotonic() - let_in > _LET_IN_FOR_S:
                await self.authentication.authenticate(self.token)
                let_in = time.monotonic()
            gathered = await gather(self.reading, self.tenant_id, self.execution_id, offset, _MOST_AT_ONCE)
            pieces = whole_characters(gathered)
            for piece in pieces:
                offset = end_of(piece)
                yield _event("output", shown(piece), offset)
            if gathered.is_over:
                execution, _ = await self.reading.execution(self.tenant_id, self.execution_id)
                yield _event("end", End(execution.status.value), offset)
                return
            pause = _FASTEST_S if pieces else min(pause * 1.5, _SLOWEST_S)
            if pieces:
                heard = time.monotonic()
            elif time.monotonic() - heard >= HEARTBEAT_S:
                heard = time.monotonic()
                yield b": still there\n\n"
            await asyncio.sleep(pause)


def _event(kind: str, data: Any, offset: int) -> bytes:
    # JSON holds no line break, which would part an event.
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (offset, kind.encode(), json.encode(data))
