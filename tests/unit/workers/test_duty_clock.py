import asyncio
from typing import Any

import pytest

from workers import cron
from workers.cron import DutyClock, tick


class FakeFiring:
    def __init__(self) -> None:
        self.looks = 0
        self.fails = False

    async def fire_due(self) -> None:
        self.looks += 1
        if self.fails:
            raise ConnectionError


@pytest.fixture
def firing() -> FakeFiring:
    return FakeFiring()


@pytest.fixture
def clock(firing: Any, monkeypatch: pytest.MonkeyPatch) -> DutyClock:
    monkeypatch.setattr(cron, "_LISTEN_S", 0.01)
    return DutyClock(firing)


async def test_it_looks_once_by_itself_and_then_waits_to_be_woken(clock, firing):
    for _ in range(3):
        await clock.listen()

    assert firing.looks == 1


async def test_a_wake_up_is_over_at_once_and_makes_it_look(clock, firing):
    await clock.listen()

    await tick({"clock": clock})
    looks_of_the_wake_up = firing.looks
    await clock.listen()
    await clock.listen()

    assert (looks_of_the_wake_up, firing.looks) == (1, 2)


async def test_a_wake_up_that_comes_while_it_listens_is_heard_at_once(clock, firing, monkeypatch):
    await clock.listen()
    monkeypatch.setattr(cron, "_LISTEN_S", 3600.0)
    listening = asyncio.create_task(clock.listen())
    await asyncio.sleep(0)

    clock.wake()
    await asyncio.wait_for(listening, 30)

    assert firing.looks == 2


async def test_a_look_that_failed_is_made_again_without_a_wake_up(clock, firing):
    firing.fails = True
    with pytest.raises(ConnectionError):
        await clock.listen()

    firing.fails = False
    await clock.listen()

    assert firing.looks == 2


async def test_it_looks_by_itself_when_nobody_has_woken_it_for_two_periods(firing, monkeypatch):
    monkeypatch.setattr(cron, "TICK_EVERY_S", 0.01)
    clock = DutyClock(firing)

    for _ in range(3):
        await clock.listen()

    assert firing.looks == 3
