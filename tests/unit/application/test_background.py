import asyncio
from contextlib import suppress
from datetime import timedelta

from structlog.testing import capture_logs

from qs.application.kernel import background as background_module
from qs.application.kernel.background import BackgroundWork
from qs.application.kernel.idempotency import joins_commit


async def test_work_that_began_is_over_once_the_process_has_drained():
    background, may_end, ended = BackgroundWork(), asyncio.Event(), []

    async def work() -> None:
        await may_end.wait()
        ended.append(True)

    background.spawn(work(), "some work")
    asyncio.get_running_loop().call_soon(may_end.set)
    await background.drain(timedelta(seconds=10))

    assert ended == [True]
    assert len(background) == 0
    assert background.draining


async def test_work_that_does_not_end_in_time_is_canceled_and_told_of():
    background, canceled = BackgroundWork(), []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            canceled.append(True)
            raise

    background.spawn(work(), "endless")
    with capture_logs() as lines:
        await background.drain(timedelta(0))

    assert canceled == [True]
    assert [(line["event"], line["tasks"]) for line in lines] == [("background_work_cut_short", ["endless"])]


async def test_work_whose_cancellation_was_lost_is_canceled_again(monkeypatch):
    monkeypatch.setattr(background_module, "_CANCEL_EVERY_S", 0.01)
    background, canceled = BackgroundWork(), list[bool]()

    async def work() -> None:
        while len(canceled) < 3:
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            canceled.append(True)

    background.spawn(work(), "unlucky")
    await asyncio.wait_for(background.drain(timedelta(0)), 60)

    assert canceled == [True] * 3


async def test_a_failure_is_told_of_since_nobody_waits_for_it():
    background = BackgroundWork()

    async def work() -> None:
        raise LookupError

    with capture_logs() as lines:
        background.spawn(work(), "doomed")
        await background.drain(timedelta(seconds=10))

    assert [(line["event"], line["task"]) for line in lines] == [("background_work_failed", "doomed")]


async def test_what_goes_on_afterwards_does_not_count_as_the_answer_to_the_request():
    background, seen = BackgroundWork(), []

    async def join(connection: object, tenant_id: object) -> None:
        raise AssertionError

    async def work() -> None:
        seen.append(joins_commit.get())

    token = joins_commit.set(join)
    background.spawn(work(), "some work")
    joins_commit.reset(token)
    await background.drain(timedelta(seconds=10))

    assert seen == [None]
