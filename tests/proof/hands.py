"""One client's hands in one tenant: what all its moves are made with."""

import random
from collections.abc import Callable
from datetime import datetime
from typing import Any

from tests.proof.calls import Calls
from tests.proof.wards import Ward


class Hands:
    """A move is False where there was nothing to do it to."""

    def __init__(self, calls: Calls, ward: Ward, rng: random.Random, now: Callable[[], datetime]) -> None:
        self._calls = calls
        self._ward = ward
        self._rng = rng
        self._now = now

    async def _found(self, what: str, path: str, **query: Any) -> Any:
        """The data of a reading, None where there is no such thing."""
        answer = await self._calls.look(f"read_{what}", self._ward.tenant, path, **query)
        return answer.data if answer.is_success else None

    def _new_key(self) -> str:
        return f"{self._rng.getrandbits(64):016x}"
