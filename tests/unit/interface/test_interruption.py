import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import suppress

import pytest

from qs.interface.cli.interruption import ended_by_interrupt


@pytest.fixture(autouse=True)
def interrupts_ignored() -> Iterator[None]:
    """As they are in what a script starts in the background."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGINT, before)


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


async def test_an_interrupt_ends_the_block_that_waits():
    with ended_by_interrupt() as interrupted:
        asyncio.get_running_loop().call_soon(interrupt)
        await asyncio.wait_for(asyncio.Event().wait(), 60)

    assert interrupted.is_set()


async def test_an_interrupt_whose_cancellation_is_lost_is_seen_by_the_block():
    answers = 0

    async def answer_though_canceled() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    async def follow() -> None:
        nonlocal answers
        with ended_by_interrupt() as interrupted:
            while not interrupted.is_set():
                asyncio.get_running_loop().call_soon(interrupt)
                await answer_though_canceled()
                answers += 1

    await asyncio.wait_for(follow(), 60)

    assert answers == 1


async def test_a_cancellation_that_is_no_interrupt_goes_on():
    async def wait() -> None:
        with ended_by_interrupt():
            await asyncio.Event().wait()

    waiting = asyncio.create_task(wait())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])

    assert waiting.cancelled()
