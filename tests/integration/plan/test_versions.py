"""Every write names the version it was decided on; of two that saw the same one, the second writes nothing."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import pytest

from qs.domain.plan.entry import Entry
from qs.domain.plan.errors import StaleVersion

from .clinic import START


@pytest.fixture
async def two_at_once(clinic):
    """Two units of work at the same time, the first of which commits in between."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(clinic.uow(clinic.tenant_id)) for _ in range(2)]


async def test_of_two_writes_that_saw_the_same_version_the_second_is_refused(clinic, two_at_once):
    plan, testee = await clinic.plan(), await clinic.testee()
    joined = await clinic.enroll(plan, testee=testee)
    task_id, enrollment_id = joined.tasks[0].id, joined.enrollment.id
    first, second = two_at_once
    reads: Sequence[Callable[[Any], Awaitable[Any]]] = (
        lambda uow: uow.plans.get(plan.id),
        lambda uow: uow.testees.get(testee),
        lambda uow: uow.enrollments.get(enrollment_id),
        lambda uow: uow.tasks.get(task_id),
    )
    writes: Sequence[Callable[[Any, Any], Awaitable[None]]] = (
        lambda uow, found: uow.plans.save(found),
        lambda uow, found: uow.testees.save(found),
        lambda uow, found: uow.enrollments.save_many([found]),
        lambda uow, found: uow.tasks.save_many([found]),
    )
    stale = [await read(second) for read in reads]
    for read, write in zip(reads, writes, strict=True):
        await write(first, await read(first))
    await first.commit("test")

    for write, found in zip(writes, stale, strict=True):
        with pytest.raises(StaleVersion):
            await write(second, found)

    assert [found.version for found in stale] == [1, 1, 1, 1]


async def test_a_sweep_that_saw_an_older_version_opens_and_expires_nothing(clinic, two_at_once):
    joined = await clinic.enroll(await clinic.plan())
    await clinic.advance(START)
    task_id = joined.tasks[0].id
    uow, _ = two_at_once
    opening, missing = await uow.tasks.get(task_id), await uow.tasks.get(task_id)
    await clinic.sweep()
    now = opening.planned_at
    entry = Entry(task_id, "test", 1, now + timedelta(days=7), lambda _: task_id, lambda *_: "")

    opening.open(entry, now)
    with pytest.raises(StaleVersion):
        await uow.due.save_opened([opening])
    missing.miss(now)
    with pytest.raises(StaleVersion):
        await uow.due.save_expired([missing])

    assert (await clinic.task(task_id)).status == "opened"
