"""How a call fails, what is told of it, and what bounds it: its size, its deadline, the patience of its caller."""

import asyncio
from typing import Any

import grpc
import pytest
from dependency_injector import providers
from msgspec.structs import replace
from structlog.testing import capture_logs

from qs.container import build_container, close
from qs.interface.grpc.serving import MESSAGE_BYTES, METADATA_BYTES
from qs.interface.grpc.starting import grpc_beside
from qs.interface.grpc.v1 import plan_duties_pb2 as messages
from qs.interface.grpc.v1.plan_duties_pb2_grpc import PlanDutiesStub
from qs.interface.rest.app import create_app
from tests.integration.grpc.steps import details_of, error_of, failure, trailing
from tests.integration.plan_http.steps import ABSENT_ID, V1, data_of, make_opened, pointers_of, task_of
from tests.support.http import serving
from tests.support.waiting import eventually

SWEEP = messages.SchedulePendingTasksRequest()
ABSENT = messages.ExpireTaskRequest(task_id=ABSENT_ID)
EXPIRE_TASK = "/qs.plan.v1.PlanDuties/ExpireTask"


@pytest.fixture
async def admin(holding):
    return await holding("admin")


UNMEANT: list[dict[str, Any]] = [
    {"limit": 0},
    {"limit": -1},
    {"before": "yesterday"},
    {"before": "2099-01-01"},
    {"before": "1" * 65},
    {"before": "2026-02-30", "limit": 0},
]


async def test_input_that_cannot_be_meant_is_refused_as_over_http_before_anything_is_done(api, duties, admin):
    for given in UNMEANT:
        over_http = await api.post(f"{V1}/plans/tasks/schedule", params=given)
        over_grpc = await failure(
            duties.SchedulePendingTasks(messages.SchedulePendingTasksRequest(**given), metadata=admin)
        )

        assert over_grpc.code() is grpc.StatusCode.INVALID_ARGUMENT
        violations = details_of(over_grpc)["BadRequest"].field_violations
        assert sorted(f"/{each.field}" for each in violations) == pointers_of(
            over_http, trailing(over_grpc, "qs-error")
        )
        assert over_grpc.details() == over_http.json()["detail"]
    assert data_of(await api.get(f"{V1}/scheduler/executions"))["items"] == []


async def test_a_failure_says_why_in_codes_and_in_the_callers_language(duties, admin):
    english = await failure(duties.ExpireTask(ABSENT, metadata=admin))
    chinese = await failure(
        duties.ExpireTask(ABSENT, metadata=(*admin, ("accept-language", "fr, zh-CN;q=0.8, en;q=0.2")))
    )

    told = details_of(english)
    assert (told["ErrorInfo"].reason, told["ErrorInfo"].domain) == ("TASK_ABSENT", "qs")
    assert told["ErrorInfo"].metadata["code"] == trailing(english, "qs-error") == "task.absent"
    assert (told["LocalizedMessage"].locale, told["LocalizedMessage"].message) == ("en", "Task not found")
    localized = details_of(chinese)["LocalizedMessage"]
    assert (localized.locale, localized.message) == ("zh-CN", "未找到任务")
    assert english.details() == chinese.details()


async def test_every_call_has_an_id_the_callers_if_it_is_one(duties, admin):
    async def id_of(*given: tuple[str, str]) -> str:
        error = await failure(duties.ExpireTask(ABSENT, metadata=(*admin, *given)))
        return str(trailing(error, "x-request-id"))

    assert await id_of(("x-request-id", "ours-1")) == "ours-1"
    for unfit in ("with blanks in it", "x" * 129, ""):
        assert len(await id_of(("x-request-id", unfit))) == 36
    call = duties.SchedulePendingTasks(SWEEP, metadata=(*admin, ("x-request-id", "ours-2")))
    await call
    assert dict(await call.trailing_metadata())["x-request-id"] == "ours-2"


async def test_a_bug_ends_its_call_and_tells_nothing_of_itself(container, duties, admin):
    class Broken:
        async def expire(self, *_: Any, **__: Any) -> None:
            raise ValueError("hunter2")

    with container.task_operating.override(providers.Object(Broken())), capture_logs() as logs:
        bug = await failure(duties.ExpireTask(ABSENT, metadata=admin))

    assert (bug.code(), trailing(bug, "qs-error")) == (grpc.StatusCode.INTERNAL, "internal")
    assert "hunter2" not in str(bug)
    (told,) = [line for line in logs if line["event"] == "request_failed"]
    assert told["error"] == "ValueError"
    assert (await error_of(duties.ExpireTask(ABSENT, metadata=admin)))[1] == "task.absent"


async def test_while_postgresql_is_away_a_call_is_to_be_tried_again(settings, admin):
    away = replace(settings, database=replace(settings.database, url="postgresql://qs@127.0.0.1:1/nowhere"))
    container = build_container(away)
    app = create_app(container, beside=grpc_beside(away))
    try:
        async with serving(app), grpc.aio.insecure_channel(f"127.0.0.1:{app.state.grpc_port}") as channel:
            refused = await failure(PlanDutiesStub(channel).SchedulePendingTasks(SWEEP, metadata=admin))
    finally:
        await close(container)

    assert refused.code() is grpc.StatusCode.UNAVAILABLE
    assert details_of(refused)["RetryInfo"].retry_delay.seconds > 0
    assert "127.0.0.1" not in refused.details()


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
async def test_a_message_that_is_too_large_is_not_read(duties, admin, compression):
    largest = MESSAGE_BYTES - 16
    fits = messages.ExpireTaskRequest(task_id="x" * largest)
    for size in (MESSAGE_BYTES, 100 * MESSAGE_BYTES):
        large = messages.ExpireTaskRequest(task_id="x" * size)
        refused = await failure(duties.ExpireTask(large, metadata=admin, compression=compression))
        assert refused.code() is grpc.StatusCode.RESOURCE_EXHAUSTED, size

    assert (await error_of(duties.ExpireTask(fits, metadata=admin, compression=compression)))[
        1
    ] == "task.absent"


async def test_metadata_that_are_too_large_are_not_read(duties, admin):
    filler = ("x-filler", "x" * 3 * METADATA_BYTES)

    refused = await failure(duties.ExpireTask(ABSENT, metadata=(*admin, filler)))

    assert refused.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert (await error_of(duties.ExpireTask(ABSENT, metadata=admin)))[1] == "task.absent"


@pytest.fixture
async def held(api, container, truth):
    """A task that somebody else's transaction holds until the test says ``await held.release()``."""
    opened = await make_opened(api, container)
    transaction = truth.transaction()
    await transaction.start()
    await truth.execute("SELECT FROM task WHERE id = $1 FOR UPDATE", opened["id"])

    class Held:
        task = opened
        request = messages.ExpireTaskRequest(task_id=opened["id"])
        release = transaction.rollback

    return Held()


async def is_waiting(truth) -> bool:
    """Whether a transaction waits for a lock."""
    return bool(await truth.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"))


async def test_a_deadline_ends_the_call_and_what_it_had_begun(api, container, duties, admin, held, truth):
    with capture_logs() as logs:
        late = await failure(duties.ExpireTask(held.request, metadata=admin, timeout=1))

        async def told() -> Any:
            return [line for line in logs if line.get("method") == EXPIRE_TASK]

        (line,) = await eventually(told)

    assert late.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert line["code"] == "DEADLINE_EXCEEDED"

    async def nobody_waits() -> bool:
        return not await is_waiting(truth)

    await eventually(nobody_waits)
    await held.release()
    assert (await task_of(api, held.task))["status"] == "opened"
    assert container.engine().pool.checkedout() == 0
    assert (
        f'qs_grpc_requests_total{{code="DEADLINE_EXCEEDED",method="{EXPIRE_TASK}"}}'
        in (await api.get("/metrics")).text
    )


async def test_a_caller_who_goes_away_ends_the_call_and_what_it_had_begun(
    api, container, duties, admin, held, truth
):
    with capture_logs() as logs:
        call = asyncio.ensure_future(duties.ExpireTask(held.request, metadata=admin))

        async def waits() -> bool:
            return await is_waiting(truth)

        await eventually(waits)
        call.cancel()

        async def told() -> Any:
            return [line for line in logs if line.get("method") == EXPIRE_TASK]

        (line,) = await eventually(told)

    assert line["code"] == "CANCELLED"
    await held.release()
    assert (await task_of(api, held.task))["status"] == "opened"
    assert container.engine().pool.checkedout() == 0


async def test_a_sweep_that_is_cut_off_is_given_up_and_the_next_one_does_its_work(
    api, container, duties, admin, truth
):
    opened = await make_opened(api, container)
    async with truth.transaction():
        # The sweep passes rows by that others hold; the writing of its end is what waits.
        await truth.execute("LOCK TABLE audit IN ACCESS EXCLUSIVE MODE")
        cut_off = asyncio.create_task(
            failure(
                duties.ExpireOverdueTasks(messages.ExpireOverdueTasksRequest(), metadata=admin, timeout=1)
            )
        )
        late = await cut_off
    swept = await duties.SchedulePendingTasks(SWEEP, metadata=admin)

    assert late.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert swept.status == "done"
    assert (await task_of(api, opened))["status"] == "opened"


async def test_each_call_is_told_of_once_and_never_its_token(duties, admin):
    with capture_logs() as logs:

        async def told():
            return any(each["event"] == "call_served" for each in logs)

        await failure(duties.ExpireTask(ABSENT, metadata=admin))
        # It is written when the answer is on its way.
        await eventually(told)

    (line,) = [each for each in logs if each["event"] == "call_served"]
    assert (line["method"], line["code"]) == (EXPIRE_TASK, "NOT_FOUND")
    assert line["principal"].startswith("token:")
    assert admin[0][1].removeprefix("Bearer ") not in str(logs)


class TestLimits:
    """A caller who calls too often has to wait, whichever way the calls come."""

    @pytest.fixture
    def settings(self, settings):
        return replace(
            settings,
            limits=replace(settings.limits, duties="3/1h", writing="5/1h"),
            server=replace(settings.server, trusted_proxies=("127.0.0.1",)),
        )

    async def test_calls_of_both_ways_count_together(self, stranger, duties, admin, caller):
        headers = {"Authorization": admin[0][1]}
        swept = [
            (await stranger.post(f"{V1}/plans/tasks/schedule", headers=headers)).status_code,
            (await duties.SchedulePendingTasks(SWEEP, metadata=admin)).status,
            (await duties.ExpireOverdueTasks(messages.ExpireOverdueTasksRequest(), metadata=admin)).status,
        ]

        refused = await failure(duties.SchedulePendingTasks(SWEEP, metadata=admin))
        over_http = await stranger.post(f"{V1}/plans/tasks/schedule", headers=headers)
        one_task = await error_of(duties.ExpireTask(ABSENT, metadata=admin))

        assert swept == [200, "done", "done"]
        assert (refused.code(), trailing(refused, "qs-error")) == (
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "too_many_requests",
        )
        assert details_of(refused)["RetryInfo"].retry_delay.seconds > 0
        assert over_http.status_code == 429
        assert one_task[1] == "task.absent"

    async def test_of_those_who_are_not_known_the_address_counts(self, duties):
        def call(address: str) -> Any:
            metadata = (("x-forwarded-for", address), ("authorization", "Bearer wrong"))
            return error_of(duties.SchedulePendingTasks(SWEEP, metadata=metadata))

        first = [(await call("192.0.2.1"))[0] for _ in range(4)]
        other = (await call("192.0.2.2"))[0]

        unknown = grpc.StatusCode.UNAUTHENTICATED
        assert first == [unknown, unknown, unknown, grpc.StatusCode.RESOURCE_EXHAUSTED]
        assert other is unknown
