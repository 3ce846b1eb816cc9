"""Waiting for a condition instead of for a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def eventually(check: Callable[[], Awaitable[T]], within: float = 60.0) -> T:
    """The first true answer of ``check``; fails when there is none within that many seconds."""
    deadline = time.monotonic() + within
    while True:
        answer = await check()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"not true within {within} s; the last answer was {answer!r}"
        await asyncio.sleep(0.01)
