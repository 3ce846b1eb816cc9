"""What is a span, whose child it is, and what it says."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from secrets import token_hex
from typing import Any

import asyncpg
import grpc
import pytest
from httpx import AsyncClient
from litestar import Litestar, get
from msgspec.structs import replace

from qs.application.kernel import tracing
from qs.container import Container
from qs.domain.kernel.errors import Unavailable
from qs.interface.grpc.starting import grpc_beside
from qs.interface.grpc.v1 import plan_duties_pb2 as messages
from qs.interface.grpc.v1.plan_duties_pb2_grpc import PlanDutiesStub
from qs.interface.rest.app import create_app
from qs.settings import Settings
from tests.integration.plan_http.conftest import api, caller, stranger
from tests.integration.plan_http.steps import ABSENT_ID, V1, data_of, problem_of
from tests.integration.webhooks.desk import Desk
from tests.support.collector import Collector
from tests.support.http import serving
from tests.support.notifying import Clinic
from tests.support.receivers import WebReceiver
from tests.support.waiting import eventually
from workers import executions

__all__ = ["api", "caller", "stranger"]

Traced = Callable[..., AbstractContextManager[None]]
JOBS, EXECUTIONS = f"{V1}/scheduler/jobs", f"{V1}/scheduler/executions"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """gRPC is served as well, and what opens in one minute is one message."""
    return replace(
        settings,
        server=replace(settings.server, grpc_port=0),
        notification=replace(settings.notification, digest=True),
    )


@get("/broken", opt={"public": True})
async def broken() -> None:
    raise Unavailable


@pytest.fixture
def app(container: Container) -> Litestar:
    """The application as it is served."""
    return create_app(container)


@pytest.fixture
async def traceparents(truth: asyncpg.Connection) -> Callable[[], Any]:
    """Those of all events, the oldest first."""

    async def read() -> list[str | None]:
        return [row["traceparent"] for row in await truth.fetch("SELECT * FROM outbox ORDER BY ordinal")]

    return read


async def test_a_request_is_named_by_its_route_and_never_by_what_was_in_it(
    api: AsyncClient, traced: Traced, collector: Collector
) -> None:
    secret = token_hex(12)
    asked = [
        ("GET", f"/entry?token={secret}"),
        ("GET", f"{V1}/testees/ext:{secret}"),
        ("GET", f"/{secret}/nothing-here"),
        ("HEAD", f"{V1}/plans?status=active"),
        (f"X{secret.upper()}", f"{V1}/plans"),
        ("GET", "/health/alive"),
        ("GET", "/metrics"),
    ]

    with traced():
        answers = [await api.request(method, path) for method, path in asked]

    told = {(span.name, span.attributes.get("http.route")) for span in collector.spans}
    assert told == {
        ("GET /entry", "/entry"),
        (f"GET {V1}/testees/{{testee_id}}", f"{V1}/testees/{{testee_id}}"),
        ("GET", None),
        (f"HEAD {V1}/plans", f"{V1}/plans"),
        ("_OTHER", None),
    }
    assert {span.kind for span in collector.spans} == {"server"}
    for span, answer in zip(collector.spans, answers, strict=False):
        assert span.attributes["http.response.status_code"] == answer.status_code
        assert span.attributes["qs.request_id"] == answer.headers["x-request-id"]
        assert span.parent_id == ""
    assert secret not in repr(collector.spans).lower()


async def test_a_problem_is_told_by_its_code_and_only_a_failure_of_ours_fails_the_span(
    container: Container, api: AsyncClient, traced: Traced, collector: Collector
) -> None:
    with traced():
        problem_of(await api.get(f"{V1}/plans/{ABSENT_ID}"), 404, "plan.absent")
        async with serving(create_app(container, controllers=[broken])) as another:
            problem_of(await another.get(f"{V1}/broken"), 503, "unavailable")

    absent, unavailable = collector.spans
    assert (absent.failed, absent.attributes["qs.problem"]) == (False, "plan.absent")
    assert "error.type" not in absent.attributes
    assert (unavailable.failed, unavailable.attributes["error.type"]) == (True, "unavailable")
    assert absent.said + unavailable.said == ""


async def test_a_caller_with_a_trace_is_followed_and_one_that_is_not_clear_begins_a_new_one(
    api: AsyncClient, traced: Traced, collector: Collector
) -> None:
    trace_id, span_id = token_hex(16), token_hex(8)
    given = f"00-{trace_id}-{span_id}-01"

    with traced():
        await api.get(f"{V1}/plans", headers={"traceparent": given})
        await api.get(f"{V1}/plans", headers=[("traceparent", given), ("traceparent", given)])
        await api.get(f"{V1}/plans", headers={"traceparent": given.upper()})
        await api.get(f"{V1}/plans", headers={"traceparent": f"00-{trace_id}-{span_id}-00"})

    followed, *others = collector.spans
    assert (followed.trace_id, followed.parent_id) == (trace_id, span_id)
    assert len(others) == 2, "a trace that its caller does not keep is not kept here either"
    assert all(span.trace_id != trace_id and span.parent_id == "" for span in others)


async def test_of_the_traces_that_begin_here_the_share_is_kept_that_was_asked_for(
    api: AsyncClient, traced: Traced, collector: Collector, traceparents: Any
) -> None:
    plan = {"name": "x", "scale_code": "PHQ-9", "schedule_type": "by_day", "interval": 1, "total_times": 1}
    sampled = {"traceparent": f"00-{token_hex(16)}-{token_hex(8)}-01"}

    with traced(sample_ratio=0.0):
        data_of(await api.post(f"{V1}/plans", json=plan), 201)
        data_of(await api.post(f"{V1}/plans", json=plan, headers=sampled), 201)
    with traced(sample_ratio=0.5):
        for _ in range(200):
            await api.get("/schema/events.json")

    by_name = [span.name for span in collector.spans]
    dropped, kept = await traceparents()
    assert by_name.count(f"POST {V1}/plans") == 1
    # What follows from a trace that is not kept knows that, and begins none of its own.
    assert (dropped[-2:], kept[3:35]) == ("02", sampled["traceparent"][3:35])
    assert tracing.is_sampled(kept)
    assert 50 < by_name.count("GET /schema/events.json") < 150


async def test_what_the_clock_fires_is_a_trace_by_the_executions_id_and_its_events_carry_it(
    container: Container, clinic: Clinic, traced: Traced, collector: Collector, traceparents: Any
) -> None:
    await clinic.task(await clinic.testee(), await clinic.plan())
    before = len(await traceparents())

    with traced():
        fired = await container.duty_firing().fire_due()
        await container.background().drain(timedelta(seconds=60))

    (sweep,) = collector.named("duty sweep")
    (execution_id,) = [str(each.execution_id) for each in fired if each.name == "sweep"]
    assert sweep.trace_id == execution_id.replace("-", "")
    assert sweep.parent_id == ""
    assert sweep.attributes == {
        "qs.duty": "sweep",
        "qs.execution_id": execution_id,
        "qs.fired_by": "clock",
        "qs.attempt": 1,
    }
    (opened,) = (await traceparents())[before:]
    assert opened.startswith(f"00-{sweep.trace_id}-{sweep.span_id}-")
    assert {span.name for span in collector.spans} == {f"duty {each.name}" for each in fired}


async def test_a_job_is_a_trace_by_its_executions_id_and_whom_it_calls_is_told_of_the_call(
    container: Container,
    api: AsyncClient,
    study: WebReceiver,
    web: WebReceiver,
    traced: Traced,
    collector: Collector,
) -> None:
    secret = token_hex(12)
    job = {
        "name": f"tell {secret}",
        "type": "cron",
        "schedule": "0 0 1 1 *",
        "target": {"http": {"url": f"{study.url}?q={secret}", "method": "PUT"}},
        "retry": {"max_attempts": 1},
        "notify": {"on": ["failure"], "webhook": f"{web.url}?{secret}"},
    }
    study.answers = [200, 500]
    made = data_of(await api.post(JOBS, json=job), 201)
    runs = [data_of(await api.post(f"{JOBS}/{made['id']}/run?force=true"))["id"] for _ in range(2)]
    stop = asyncio.Event()

    async def done() -> bool:
        states = [data_of(await api.get(f"{EXECUTIONS}/{run}"))["status"] for run in runs]
        return sorted(states) == ["failed", "succeeded"] and bool(web.received)

    with traced():
        working = asyncio.create_task(executions.run(container, stop))
        await eventually(done)
        stop.set()
        await working

    attempts, calls = collector.named("run job"), collector.named("PUT")
    assert {span.trace_id for span in attempts} == {run.replace("-", "") for run in runs}
    assert {span.parent_id for span in calls} == {span.span_id for span in attempts}
    assert {request.headers["traceparent"] for request in study.received} == {
        f"00-{call.trace_id}-{call.span_id}-03" for call in calls
    }
    assert sorted((span.failed, span.attributes.get("error.type")) for span in calls) == [
        (False, None),
        (True, "500"),
    ]
    assert sorted(str(span.attributes.get("error.type")) for span in attempts) == ["None", "http:500"]
    (notice,) = collector.named("send notice")
    (failed,) = [span for span in attempts if span.failed]
    assert notice.trace_id == failed.trace_id
    assert web.received[0].headers["traceparent"].startswith(f"00-{notice.trace_id}-")
    assert secret not in repr(collector.spans)


async def test_a_batch_out_of_several_traces_is_a_span_in_each(
    desk: Desk, traced: Traced, collector: Collector, study: WebReceiver, traceparents: Any
) -> None:
    await desk.endpoint(study.url)
    with traced():
        await desk.plan()
        for work in ("first", "second"):
            with tracing.span(work, {}):
                await desk.plans(2)
        await desk.fan_out()
        await desk.send()

    (first,), (second,) = collector.named("first"), collector.named("second")
    for name in ("publish events", "process webhooks"):
        spans = collector.named(name)
        assert {span.parent_id for span in spans} == {first.span_id, second.span_id}, name
        assert [span.attributes["messaging.batch.message_count"] for span in spans] == [2, 2], name
    delivered = collector.named("deliver event")
    # What was recorded outside of any trace begins one where it leaves.
    assert sorted(span.parent_id for span in delivered) == sorted(["", *2 * [first.span_id, second.span_id]])
    assert len(study.received) == len(delivered) == 5
    assert (await traceparents()).count(None) == 1


async def test_a_digest_belongs_to_one_of_its_traces_and_links_to_the_others(
    traced: Traced, collector: Collector, container: Container, clinic: Clinic, web: WebReceiver
) -> None:
    testee_id, clock = await clinic.testee(), container.clock_advancing()
    with traced():
        for _ in range(3):
            with tracing.span("open", {}):
                await clinic.opened(testee_id)
        await clinic.announce()
        now = (await clock.read()).now
        await clock.advance_to(now + timedelta(minutes=1), actor="test")
        await clinic.send()

    opened, (sent,) = collector.named("open"), collector.named("send notification")
    assert (sent.trace_id, sent.parent_id) in {(span.trace_id, span.span_id) for span in opened}
    assert {sent.trace_id, *sent.links} == {span.trace_id for span in opened}
    assert len(web.received) == 1


@pytest.fixture
async def duties(container: Container) -> AsyncIterator[PlanDutiesStub]:
    app = create_app(container, beside=grpc_beside(container.settings()))
    async with serving(app), grpc.aio.insecure_channel(f"127.0.0.1:{app.state.grpc_port}") as channel:
        yield PlanDutiesStub(channel)


async def test_a_call_over_grpc_is_a_span_in_its_callers_trace(
    duties: PlanDutiesStub, caller: Any, traced: Traced, collector: Collector
) -> None:
    trace_id, span_id = token_hex(16), token_hex(8)
    token = (await caller("tasks:schedule"))["Authorization"]
    metadata = (("authorization", token), ("traceparent", f"00-{trace_id}-{span_id}-01"))

    with traced():
        await duties.SchedulePendingTasks(messages.SchedulePendingTasksRequest(), metadata=metadata)
        with pytest.raises(grpc.aio.AioRpcError):
            await duties.SchedulePendingTasks(messages.SchedulePendingTasksRequest())
        # Whoever is refused hears of it before the span ends.
        await eventually(lambda: asyncio.sleep(0, len(collector.spans) >= 3))

    duty, call, refused = collector.spans
    assert (call.name, call.kind) == ("qs.plan.v1.PlanDuties/SchedulePendingTasks", "server")
    assert (call.trace_id, call.parent_id) == (trace_id, span_id)
    assert (duty.name, duty.parent_id) == ("duty sweep", call.span_id)
    assert call.attributes["rpc.response.status_code"] == "OK"
    assert refused.attributes["rpc.response.status_code"] == "UNAUTHENTICATED"
    assert not refused.failed


async def test_a_traceparent_of_another_length_does_not_get_into_the_outbox(
    truth: asyncpg.Connection, desk: Desk
) -> None:
    await desk.plan()

    with pytest.raises(asyncpg.CheckViolationError):
        await truth.execute("UPDATE outbox SET traceparent = $1", "00-" + "1" * 51)
