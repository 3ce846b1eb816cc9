"""Who is cut off from PostgreSQL at COMMIT answers honestly, does nothing twice when asked again, and loses nothing."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest
from httpx import AsyncClient, Response
from structlog.testing import capture_logs

from qs.application.kernel import crash
from qs.container import Container
from qs.domain.kernel.errors import Unavailable
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.infra.postgres.failures import translate
from qs.infra.redis.client import create_redis
from qs.settings import Settings
from tests.integration.plan.clinic import START
from tests.integration.plan_http.steps import V1, data_of, problem_of
from tests.proof.cutting import Cut, CuttingProxy, in_turn
from tests.support.counting import Ward
from tests.support.events import STREAM
from tests.support.http import app_over, serving
from tests.support.settings import make_settings
from tests.support.waiting import eventually

SWEEP = f"{V1}/plans/tasks/schedule"
SOON = timedelta(milliseconds=1)
anywhere = pytest.mark.parametrize("cut", list(Cut))


@pytest.fixture(autouse=True)
def nobody_is_called() -> Iterator[None]:
    """Being cut off is none of those errors that somebody has to look at."""
    with capture_logs() as logs:
        yield
    assert [entry for entry in logs if entry["log_level"] in ("error", "critical")] == []


@pytest.fixture
async def proxy(database_url: str) -> AsyncIterator[CuttingProxy]:
    async with CuttingProxy(database_url, seed=5) as proxy:
        yield proxy


@pytest.fixture
def settings(proxy: CuttingProxy, database_url: str, redis_url: str, tmp_path: Path) -> Settings:
    """The service reaches its database through the proxy alone."""
    return make_settings(proxy.address(database_url), redis_url, tmp_path)


@pytest.fixture
async def truth(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A superuser's connection that passes no proxy."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture
async def ward(container: Container, truth: asyncpg.Connection) -> Ward:
    return Ward(container, truth)


@pytest.fixture
async def api(container: Container) -> AsyncIterator[AsyncClient]:
    issuing = container.token_issuing()
    issued = await issuing.issue(DEFAULT_TENANT, ["admin"], timedelta(hours=1), actor="test")
    async with serving(app_over(container), token=issued.token) as client:
        yield client


@contextmanager
def cut_at(proxy: CuttingProxy, boundary: str, *cuts: Cut) -> Iterator[None]:
    """The next commits of that boundary are cut so, and all of them were when the block is left."""
    waiting, earlier = list(cuts), len(proxy.cuts)

    async def trap(point: str) -> None:
        if waiting and point == f"{boundary}.before_commit":
            proxy.choose = in_turn([waiting.pop(0)])

    with crash.armed(trap):
        yield
    assert [made.cut for made in proxy.cuts[earlier:]] == list(cuts)


def may_be_repeated(answer: Response) -> None:
    """It says that it is no fault of the request, and when to come again."""
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["Retry-After"]) >= 1


async def enrolling(ward: Ward) -> dict[str, Any]:
    """A request to enroll somebody."""
    plan_id, testee_id = (await ward.plan()).id, await ward.testee()
    return {"plan_id": str(plan_id), "testee_id": str(testee_id), "start_date": START}


@anywhere
async def test_an_enrollment_that_was_cut_off_is_made_once(proxy, api, ward, truth, cut):
    body, key = await enrolling(ward), {"Idempotency-Key": "k1"}

    with cut_at(proxy, "enroll", cut):
        may_be_repeated(await api.post(f"{V1}/plans/enroll", json=body, headers=key))
    with_key = await api.post(f"{V1}/plans/enroll", json=body, headers=key)
    without = await api.post(f"{V1}/plans/enroll", json=body)

    if cut is Cut.BEFORE:
        assert data_of(with_key, 201)["created"] is True
    else:
        problem_of(with_key, 409, "idempotency.answered_once")
    assert data_of(without)["created"] is False
    assert await truth.fetchval("SELECT count(*) FROM enrollment") == 1
    assert await ward.events("EnrollmentJoined") == 1
    await ward.check()


@anywhere
async def test_an_answer_that_was_cut_off_is_taken_once(proxy, api, ward, cut):
    (task,) = await ward.opened()
    body = {"token": await ward.token(task.id), "task_id": str(task.id), "assessment_id": "a-1"}

    with cut_at(proxy, "entry.submit", cut):
        may_be_repeated(await api.post(f"{V1}/entries/submit", json=body))
    again = data_of(await api.post(f"{V1}/entries/submit", json=body))
    other = await api.post(f"{V1}/entries/submit", json=body | {"assessment_id": "a-2"})

    assert again["status"] == "completed"
    problem_of(other, 410, "entry.completed")
    assert (await ward.task(task.id)).assessment_id == "a-1"
    assert await ward.events("TaskCompleted") == 1
    await ward.check()


@anywhere
async def test_a_task_whose_opening_by_hand_was_cut_off_is_opened_once(proxy, api, ward, cut):
    plan = await ward.plan(total_times=1)
    await ward.enroll_many(plan, 1)
    await ward.advance(START)
    (task,) = await ward.tasks(plan)

    with cut_at(proxy, "task.transition", cut):
        may_be_repeated(await api.post(f"{V1}/plans/tasks/{task.id}/open"))
    again = await api.post(f"{V1}/plans/tasks/{task.id}/open")

    if cut is Cut.BEFORE:
        assert data_of(again)["status"] == "opened"
    else:
        problem_of(again, 409, "task.invalid_transition")
    assert (await ward.task(task.id)).generation == 1
    assert await ward.events("TaskOpened") == 1
    await ward.check()


@anywhere
async def test_a_sweep_that_was_cut_off_opens_every_task_once(proxy, api, ward, truth, cut):
    plan = await ward.plan(total_times=1)
    await ward.enroll_many(plan, 5)
    await ward.advance(START)

    with cut_at(proxy, "sweep.batch", cut):
        may_be_repeated(await api.post(SWEEP))

    async def swept() -> bool:
        report = data_of(await api.post(SWEEP))
        return bool(report["failed"] == report["remaining"] == 0)

    await eventually(swept)
    assert {task.status for task in await ward.tasks(plan)} == {"opened"}
    assert await ward.events("TaskOpened") == 5
    assert (
        await truth.fetchval("SELECT count(*) FROM execution WHERE status NOT IN ('succeeded', 'failed')")
        == 0
    )
    await ward.check()


@anywhere
async def test_a_slot_whose_claim_was_cut_off_is_fired_once_and_its_work_done(proxy, container, truth, cut):
    firing, duties = container.duty_firing(), len(container.duties())

    with cut_at(proxy, "slot.claim", cut):
        with pytest.raises(Exception, match="connection") as cut_off:
            await firing.fire_due()
        assert isinstance(translate(cut_off.value), Unavailable)

    await eventually(lambda: arrived(proxy))
    # As if the lease of who was cut off had run out.
    await truth.execute("UPDATE execution SET lease_until = clock_timestamp() - interval '1 s'")

    async def done() -> bool:
        await container.duty_recovery().recover()
        await firing.fire_due()
        succeeded = "SELECT count(DISTINCT name) FROM execution WHERE status = 'succeeded'"
        return bool(await truth.fetchval(succeeded) == duties)

    await eventually(done, within=30)
    doubled = (
        "SELECT FROM execution WHERE status = 'succeeded' GROUP BY name, scheduled_at HAVING count(*) > 1"
    )
    assert await truth.fetch(doubled) == []


@anywhere
async def test_events_whose_subscriber_was_cut_off_are_acted_on_once(proxy, container, ward, truth, cut):
    announcing = container.announcing()
    await announcing.follow(SOON)
    await open_today(ward, 5)
    while await container.publishing().round():
        pass

    with cut_at(proxy, "subscriber.batch", cut):
        assert await announcing.follow(SOON) == 5

    async def acted() -> bool:
        await announcing.retry()
        return bool(
            await truth.fetchval(
                "SELECT count(*) FROM inbox WHERE subscriber = 'notifications' AND state = 'done'"
            )
            == 5
            and await truth.fetchval("SELECT count(*) FROM inbox_attempt") == 0
        )

    await eventually(acted, within=30)
    assert await truth.fetchrow("SELECT count(*), count(DISTINCT event_id) FROM delivery") == (5, 5)


@anywhere
async def test_events_whose_counting_was_cut_off_are_counted_once(proxy, ward, cut):
    await ward.count()
    await open_today(ward, 5)

    with cut_at(proxy, "subscriber.batch", cut):
        await ward.count()

    async def counted() -> bool:
        await ward.count()
        agree: bool = await ward.agrees()
        return agree

    await eventually(counted, within=30)


@anywhere
async def test_events_whose_relay_was_cut_off_keep_one_position_and_come_in_order(
    proxy, container, ward, truth, redis_url, cut
):
    await open_today(ward, 5)
    publishing = container.publishing()

    # The first turn gives positions, the second publishes.
    with cut_at(proxy, "relay.turn", cut, cut):
        for _ in range(2):
            with pytest.raises(Exception, match="connection") as cut_off:
                await publishing.round()
            assert isinstance(translate(cut_off.value), Unavailable)
            await eventually(lambda: arrived(proxy))
    while await publishing.round():
        pass

    redis = create_redis(redis_url)
    seen = [msgspec.json.decode(fields[b"event"]) for _, fields in await redis.xrange(STREAM)]
    await redis.aclose()
    kept = await truth.fetch("SELECT id::text, position FROM outbox ORDER BY position")
    assert [row["position"] for row in kept] == list(range(1, len(kept) + 1))
    assert {(event["id"], int(event["sequence"])) for event in seen} == {tuple(row) for row in kept}


@pytest.mark.parametrize("cut", [Cut.AFTER, Cut.AT_ONCE])
async def test_who_is_cut_off_after_the_commit_is_not_told_that_nothing_was_kept(
    proxy, api, ward, truth, cut
):
    body = await enrolling(ward)

    with cut_at(proxy, "enroll", cut):
        answer = await api.post(f"{V1}/plans/enroll", json=body)
    await eventually(lambda: arrived(proxy))

    assert await truth.fetchval("SELECT count(*) FROM enrollment") == 1
    assert "nothing of it was kept" not in answer.json()["detail"]


@anywhere
async def test_who_is_cut_off_while_claiming_a_key_need_not_wait_for_nobody(proxy, api, ward, cut):
    body, key = await enrolling(ward), {"Idempotency-Key": "k1"}

    with cut_at(proxy, "idempotency.claim", cut):
        first = await api.post(f"{V1}/plans/enroll", json=body, headers=key)
    again = await api.post(f"{V1}/plans/enroll", json=body, headers=key)

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json()["data"] == first.json()["data"]


@anywhere
@pytest.mark.parametrize("boundary", ["idempotency.keep", "idempotency.free"])
async def test_a_key_whose_request_is_over_is_not_said_to_be_worked_on(proxy, api, ward, cut, boundary):
    body, key = await enrolling(ward), {"Idempotency-Key": "k1"}
    if boundary == "idempotency.free":
        body["testee_id"] = body["plan_id"]

    with cut_at(proxy, boundary, cut):
        first = await api.post(f"{V1}/plans/enroll", json=body, headers=key)

    async def told() -> bool:
        again = await api.post(f"{V1}/plans/enroll", json=body, headers=key)
        return bool(again.json().get("error") != "idempotency.in_flight")

    assert first.status_code == (201 if boundary == "idempotency.keep" else 404)
    await eventually(told, within=10)


async def test_an_event_is_not_given_up_because_its_subscriber_was_cut_off(proxy, container, ward, truth):
    announcing = container.announcing()
    await announcing.follow(SOON)
    await open_today(ward, 1)
    while await container.publishing().round():
        pass
    with cut_at(proxy, "subscriber.batch", Cut.BEFORE):
        await announcing.follow(SOON)

    attempts = container.settings().events.max_attempts
    with cut_at(proxy, "subscriber.attempt", *[Cut.BEFORE] * attempts):
        while len(proxy.cuts) < 1 + attempts:
            await truth.execute("UPDATE inbox_attempt SET next_attempt_at = clock_timestamp()")
            await announcing.retry()
    await truth.execute("UPDATE inbox_attempt SET next_attempt_at = clock_timestamp()")
    await announcing.retry()

    assert await truth.fetchval("SELECT error FROM inbox WHERE state = 'dead'") is None
    assert await truth.fetchval("SELECT count(*) FROM delivery") == 1


@pytest.mark.parametrize("path", ["plans/tasks/{task}", "plans/tasks?page_size=1"])
async def test_who_finds_its_connection_ended_is_told_to_come_again(proxy, api, ward, path):
    (task,) = await ward.opened()
    url = f"{V1}/{path.format(task=task.id)}"
    data_of(await api.get(url))

    # The server has said that it ends the connection, and the end itself has not come yet.
    for link in proxy.links:
        link.transport.write(b"E\0\0\0\x1fSFATAL\0C57P01\0Mgoing away\0\0")
    for _ in range(3):
        # The loop reads it in one of its next turns.
        await asyncio.sleep(0)

    first = await api.get(url)
    assert first.status_code in (200, 503), first.text
    data_of(await api.get(url))


async def open_today(ward: Ward, count: int) -> None:
    """That many tasks are opened by the sweep; the clock stays where it is."""
    plan = await ward.plan(total_times=1, trigger_time="00:00:00")
    await ward.enroll_many(plan, count, str(datetime.now(UTC).date() - timedelta(days=1)))
    assert (await ward.sweep()).opened == count


async def arrived(proxy: CuttingProxy) -> bool:
    """Whether every COMMIT that was only late has come."""
    return all(made.answer or made.cut is Cut.BEFORE for made in proxy.cuts)
