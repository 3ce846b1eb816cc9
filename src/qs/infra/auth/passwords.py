"""Passwords by Argon2id (RFC 9106)."""

import asyncio
import secrets
import unicodedata
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

_AT_ONCE = 4
_T = TypeVar("_T")


class Argon2Passwords:
    """Hashes and verifies off the event loop, few at once, because each takes 64 MiB for its time.

    The parameters are RFC 9106's second recommendation, argon2-cffi's default.
    """

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="argon2")
        self._nobody = _matches_nothing(self._hasher)

    async def hash(self, password: str) -> str:
        """What is stored in the password's place, with its own random salt."""
        return await self._run(lambda: self._hasher.hash(_bytes(password)))

    async def verify(self, password: str, stored: str | None) -> bool:
        """Whether the password is the stored one's; without a stored one it is not, after the same time."""
        return await self._run(lambda: self._verify(password, stored or self._nobody))

    def is_outdated(self, stored: str) -> bool:
        """Whether it was hashed with other parameters than new ones are."""
        return self._hasher.check_needs_rehash(stored)

    def _verify(self, password: str, stored: str) -> bool:
        try:
            return self._hasher.verify(stored, _bytes(password))
        except (Argon2Error, InvalidHashError):
            return False

    async def _run(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def _bytes(password: str) -> bytes:
    # Keyboards differ in how they compose an accented letter; the person typed the same one (RFC 8265 §4.2).
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")


def _matches_nothing(hasher: PasswordHasher) -> str:
    salt, digest = (
        b64encode(secrets.token_bytes(length)).rstrip(b"=").decode("ascii")
        for length in (hasher.salt_len, hasher.hash_len)
    )
    costs = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    return f"$argon2id$v=19${costs}${salt}${digest}"
