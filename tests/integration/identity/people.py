"""Who logs in during these tests, and how their passwords are compared."""

import time
from collections.abc import Awaitable, Callable

from argon2 import PasswordHasher

from qs.infra.auth.passwords import Argon2Passwords

PASSWORD = "correct horse battery"

Issue = Callable[..., Awaitable[dict[str, str]]]


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


class RecordingPasswords(Argon2Passwords):
    """The real thing at a hundredth of its cost, which notes what it was asked to compare."""

    def __init__(self, time_cost: int = 1) -> None:
        super().__init__(PasswordHasher(time_cost=time_cost, memory_cost=1024, parallelism=1))
        self.compared: list[str] = []

    def _verify(self, password: str, stored: str) -> bool:
        self.compared.append(stored)
        return super()._verify(password, stored)


class MovableTime:
    """Seconds of a clock that a test moves on."""

    def __init__(self) -> None:
        self._passed = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self._passed

    def by(self, seconds: float) -> None:
        self._passed += seconds
