"""One trace from a call over HTTP to whoever hears of it in the end, through every process that has a part in it."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from secrets import token_hex
from typing import Any, get_args

import httpx
import pytest

from qs.application.kernel.tracing import Attribute
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.settings import Settings
from tests.integration.webhooks.desk import Desk
from tests.support.collector import Collector, Kept
from tests.support.notifying import Clinic
from tests.support.processes import clean_environment, running
from tests.support.receivers import WebReceiver
from tests.support.waiting import eventually

SWEEP = "/api/v1/plans/tasks/schedule"


@pytest.fixture
def environment(settings: Settings, collector: Collector) -> Mapping[str, str]:
    return clean_environment(
        QS_ENV="test",
        QS_HOME=str(settings.home),
        QS_SECRET_KEY=str(settings.secret_key),
        QS_DATABASE_URL=str(settings.database.url),
        QS_REDIS_URL=str(settings.redis.url),
        QS_ENTRY_BASE_URL=str(settings.entry.base_url),
        QS_LOG_FORMAT="json",
        QS_LOG__CONSOLE="false",
        QS_LOG__PATH=str(settings.home / "qs.log"),
        QS_NOTIFICATION__CHANNELS="webhook",
        QS_NOTIFICATION__WEBHOOK__URL=str(settings.notification.webhook.url),
        QS_NOTIFICATION__WEBHOOK__SECRETS=json.dumps(settings.notification.webhook.secrets),
        QS_OUTBOUND__ALLOW_NETWORKS="127.0.0.0/8",
        QS_TRACING__ENDPOINT=collector.url,
        QS_TRACING__SERVICE_NAME="qs-of-the-test",
    )


@asynccontextmanager
async def _at_work(environment: Mapping[str, str], home: Path) -> AsyncIterator[str]:
    """The address of an API beside which relay and notifications are at work; all of them end well."""
    port = home / "port"
    programs = [
        ("-m", "qs", "api", "--port", "0", "--port-file", str(port)),
        ("-m", "workers", "relay"),
        ("-m", "workers", "notifications"),
    ]
    async with AsyncExitStack() as stack:
        processes = [
            await stack.enter_async_context(
                running(sys.executable, "-P", *words, env=environment, stdout=asyncio.subprocess.DEVNULL)
            )
            for words in programs
        ]

        async def listens() -> bool:
            assert processes[0].returncode is None
            return port.exists()

        await eventually(listens, within=120)
        yield f"http://127.0.0.1:{port.read_text().strip()}"
        for process in processes:
            process.terminate()
        for process in processes:
            assert await asyncio.wait_for(process.wait(), 60) == 0


@pytest.mark.timeout(300)
async def test_a_call_and_all_that_follows_from_it_in_every_process_is_one_trace(
    clinic: Clinic,
    desk: Desk,
    web: WebReceiver,
    study: WebReceiver,
    collector: Collector,
    environment: Mapping[str, str],
    settings: Settings,
) -> None:
    await desk.endpoint(study.url, ["TaskOpened"])
    await clinic.task(await clinic.testee(name="Anna of the traces"), await clinic.plan(scale_code="GAD-7"))
    issued = await clinic.container.token_issuing().issue(
        DEFAULT_TENANT, ["tasks:schedule"], timedelta(hours=1), actor="test"
    )
    trace_id, caller = token_hex(16), token_hex(8)
    headers = {
        "Authorization": f"Bearer {issued.token}",
        "traceparent": f"00-{trace_id}-{caller}-01",
        "X-Request-Id": "asked-once",
    }

    async def at_work() -> bool:
        return bool(await clinic.truth.fetchval("SELECT count(DISTINCT role) = 2 FROM worker_heartbeat"))

    async def both_heard() -> bool:
        return bool(web.received and study.received)

    async def all_came() -> bool:
        return len(collector.of_trace(trace_id)) >= 9

    async with _at_work(environment, settings.home) as address:
        # What nobody acts on within some seconds is published again, and that is another span.
        await eventually(at_work, within=120)
        async with httpx.AsyncClient(base_url=address, timeout=60, trust_env=False) as client:
            answer = await client.post(SWEEP, headers=headers)
        assert answer.json()["data"]["opened"] == 1, answer.text
        await eventually(both_heard, within=120)
        # At its end a process has two seconds for what it has not sent.
        await eventually(all_came, within=120)

    spans = collector.of_trace(trace_id)
    by_name = {span.name: span for span in spans}
    assert sorted((span.process, span.name) for span in spans) == [
        ("api", f"POST {SWEEP}"),
        ("api", "duty sweep"),
        ("notifications", "POST"),
        ("notifications", "POST"),
        ("notifications", "deliver event"),
        ("notifications", "process notifications"),
        ("notifications", "process webhooks"),
        ("notifications", "send notification"),
        ("relay", "publish events"),
    ]
    duty = by_name["duty sweep"]
    assert by_name[f"POST {SWEEP}"].parent_id == caller
    assert duty.parent_id == by_name[f"POST {SWEEP}"].span_id
    for name in (
        "publish events",
        "process notifications",
        "process webhooks",
        "send notification",
        "deliver event",
    ):
        assert by_name[name].parent_id == duty.span_id, name
    calls = {span.parent_id: span for span in spans if span.name == "POST"}
    for receiver, name in ((web, "send notification"), (study, "deliver event")):
        span = calls[by_name[name].span_id]
        assert receiver.received[0].headers["traceparent"] == f"00-{trace_id}-{span.span_id}-01"
    assert study.received[0].json["traceparent"] == f"00-{trace_id}-{duty.span_id}-01"
    assert [span for span in spans if span.failed] == []
    assert {span.service for span in spans} == {"qs-of-the-test"}
    assert by_name[f"POST {SWEEP}"].attributes["qs.request_id"] == "asked-once"

    _tells_nothing_of_anybody(collector, [*web.received, *study.received], issued.token)
    _logs_name_the_trace(settings.home / "qs.log", trace_id, by_name[f"POST {SWEEP}"])


def _tells_nothing_of_anybody(collector: Collector, received: list[Any], token: str) -> None:
    """Every span there was, of this trace and of all others."""
    allowed = set(get_args(Attribute))
    for span in collector.spans:
        assert set(span.attributes) <= allowed
        assert span.said == ""
    exported = b"".join(collector.raw)
    link = received[0].json["link"]
    for secret in (link, link.rpartition("=")[2], token, "Anna of the traces", "GAD-7", "127.0.0.1"):
        assert secret.encode() not in exported, secret


def _logs_name_the_trace(file: Path, trace_id: str, request: Kept) -> None:
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    (served,) = [line for line in lines if line["event"] == "request_served" and line["route"] == SWEEP]
    assert (served["trace_id"], served["span_id"]) == (trace_id, request.span_id)
    outside = [line for line in lines if "trace_id" not in line]
    assert outside, "what is done in no trace names none"
