"""How often the tasks of a plan are read to say how people stayed."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from qs.application.statistics import following
from qs.application.statistics.following import Followed, PlanFollowing
from qs.domain.statistics.followup import Occasion
from qs.infra.statistics.survival import ScipyEstimator

NOW = datetime(2026, 6, 1, tzinfo=UTC)
TENANT, PLAN = UUID(int=1), UUID(int=2)
SECOND = timedelta(seconds=1)


class Tasks:
    """A plan whose only testee has answered so many of its weekly occasions; to read it takes ``seconds``."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.answered = 1
        self.readings: list[UUID] = []
        self.failure: Exception | None = None

    async def occasions(self, tenant_id: UUID, plan_id: UUID) -> Mapping[UUID, Sequence[Occasion]]:
        self.readings.append(tenant_id)
        await asyncio.sleep(self.seconds)
        if self.failure:
            raise self.failure
        planned = [NOW - timedelta(weeks=9 - n) for n in range(self.answered)]
        hour = timedelta(hours=1)
        return {uuid4(): [Occasion(at, "UTC", "completed", at, at + 9 * hour, at + hour) for at in planned]}


def reading(tasks: Any) -> PlanFollowing:
    return PlanFollowing(tasks, ScipyEstimator())


async def answers(plan: PlanFollowing, now: datetime = NOW, tenant_id: UUID = TENANT) -> tuple[int, datetime]:
    """Of how many tasks it knows how long the answer took, and as of when."""
    followed: Followed = await plan.of(tenant_id, PLAN, now)
    return followed.latency.n, followed.at


async def test_a_small_plan_is_read_whenever_it_is_asked_for(monkeypatch):
    monkeypatch.setattr(following, "_WORTH_KEEPING_S", 60.0)
    tasks = Tasks()
    plan = reading(tasks)

    assert await answers(plan) == (1, NOW)
    tasks.answered = 2
    assert await answers(plan) == (2, NOW)


async def test_what_took_long_is_handed_out_again_for_a_while_of_business_time():
    tasks = Tasks(seconds=0.2)
    plan = reading(tasks)
    began = time.monotonic()
    await answers(plan)
    at_most = timedelta(seconds=20 * (time.monotonic() - began))
    tasks.answered = 2

    assert await answers(plan, NOW + 3 * SECOND) == (1, NOW)
    assert await answers(plan, NOW + at_most) == (2, NOW + at_most)
    # A clock that is set back has not seen what is kept.
    tasks.answered = 3
    assert await answers(plan, NOW - SECOND) == (3, NOW - SECOND)


async def test_nothing_is_kept_for_another_tenant():
    tasks = Tasks(seconds=0.2)
    plan = reading(tasks)
    other = UUID(int=3)

    await answers(plan)
    tasks.answered = 2

    assert await answers(plan, tenant_id=other) == (2, NOW)
    assert tasks.readings == [TENANT, other]


async def test_those_who_ask_at_once_wait_for_one_reading_whoever_of_them_goes():
    tasks = Tasks(seconds=0.3)
    plan = reading(tasks)
    asking = [asyncio.create_task(answers(plan)) for _ in range(5)]
    await asyncio.sleep(0.1)
    asking[0].cancel()

    assert await asyncio.gather(*asking[1:]) == [(1, NOW)] * 4
    assert len(tasks.readings) == 1
    with pytest.raises(asyncio.CancelledError):
        await asking[0]


async def test_lags_of_openings_are_told_in_the_middle_of_most_and_at_most():
    class Late(Tasks):
        async def occasions(self, tenant_id: UUID, plan_id: UUID) -> Mapping[UUID, Sequence[Occasion]]:
            return {
                uuid4(): [Occasion(NOW, "UTC", "opened", NOW + n * SECOND, None, None)]
                for n in range(100, 0, -1)
            }

    class Nobody(Tasks):
        async def occasions(self, tenant_id: UUID, plan_id: UUID) -> Mapping[UUID, Sequence[Occasion]]:
            return {}

    found = (await reading(Late()).of(TENANT, PLAN, NOW)).opening
    assert found == following.LagView(100, 50.0, 95.0, 100.0)
    nothing = (await reading(Nobody()).of(TENANT, PLAN, NOW)).opening
    assert nothing == following.LagView(0, None, None, None)


async def test_a_reading_that_failed_is_tried_again():
    tasks = Tasks(seconds=0.15)
    plan = reading(tasks)
    tasks.failure = ConnectionError("away")

    for failed in await asyncio.gather(answers(plan), answers(plan), return_exceptions=True):
        assert failed is tasks.failure
    tasks.failure = None
    assert await answers(plan) == (1, NOW)


async def test_few_plans_are_kept(monkeypatch):
    monkeypatch.setattr(following, "_MOST_KEPT", 2)
    tasks = Tasks(seconds=0.11)
    plan = reading(tasks)
    tenants = [UUID(int=10 + n) for n in range(3)]
    for each in tenants:
        await answers(plan, tenant_id=each)
    tasks.readings.clear()

    for each in reversed(tenants):
        await answers(plan, tenant_id=each)

    assert tasks.readings == [tenants[0]]
