"""A collector that is away, slow or refuses keeps nobody from anything."""

import asyncio
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing
from functools import partial
from pathlib import Path

import pytest
from httpx import AsyncClient
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from structlog.testing import capture_logs

from qs.infra.telemetry.queueing import SpanQueue
from qs.settings import Settings
from tests.integration.plan_http.conftest import api, app, caller, stranger
from tests.integration.plan_http.steps import V1, data_of
from tests.support.collector import Collector
from tests.support.processes import clean_environment, running, wait_until
from tests.support.waiting import eventually

__all__ = ["api", "app", "caller", "stranger"]

Traced = Callable[..., AbstractContextManager[None]]


class Held(SpanExporter):
    """Takes nothing before it is told to, and then as it is told; ``batches`` are the sizes of what came."""

    def __init__(self) -> None:
        self.goes_on, self.asked = threading.Event(), threading.Event()
        self.result = SpanExportResult.SUCCESS
        self.batches: list[int] = []
        self.is_shut_down = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.asked.set()
        self.goes_on.wait()
        self.batches.append(len(spans))
        return self.result

    def has_taken(self, spans: int, since: int) -> bool:
        return sum(self.batches[since:]) == spans

    def shutdown(self) -> None:
        self.is_shut_down = True
        self.goes_on.set()


@pytest.fixture
def held() -> Iterator[Held]:
    exporter = Held()
    yield exporter
    exporter.goes_on.set()


def end_spans(queue: SpanQueue, count: int) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(queue)
    tracer = provider.get_tracer("test")
    for _ in range(count):
        tracer.start_span("x").end()


def test_no_more_spans_wait_than_may_and_the_others_are_counted_as_lost(held: Held) -> None:
    with capture_logs() as logs:
        queue = SpanQueue(held, waiting=10, every_s=0.01, ends_within_s=60.0)
        end_spans(queue, 1)
        assert held.asked.wait(60)
        end_spans(queue, 25)
        held.goes_on.set()
        queue.shutdown()

    assert held.batches == [1, 10]
    assert [(line["event"], line["spans"]) for line in logs] == [("spans_lost", 15)]


def test_that_spans_are_lost_is_said_once_a_minute_for_all_of_them(held: Held) -> None:
    held.result = SpanExportResult.FAILURE
    held.goes_on.set()
    now, looks = [0.0], [0]

    def monotonic() -> float:
        at = now[0]
        looks[0] += 1
        return at

    def is_over(before: int) -> bool:
        # After each batch it looks at the clock, which must not go on before it has.
        return held.has_taken(3, before) and looks[0] == len(held.batches)

    with capture_logs() as logs:
        queue = SpanQueue(held, every_s=0.001, ends_within_s=60.0, monotonic=monotonic)
        for at in (0.0, 1.0, 59.0, 60.5, 61.0):
            now[0] = at
            before = len(held.batches)
            end_spans(queue, 3)
            wait_until(partial(is_over, before), "the batch was tried")
        queue.shutdown()

    told = [line["spans"] for line in logs if line["event"] == "spans_lost"]
    assert len(told) == 2
    # The first may be told of before all three of its spans were tried.
    assert sum(told) in range(10, 13)


def test_an_exporter_that_never_answers_does_not_keep_a_process_from_ending(held: Held) -> None:
    queue = SpanQueue(held, every_s=0.001, ends_within_s=0.2)
    end_spans(queue, 1)
    assert held.asked.wait(60)

    queue.shutdown()

    assert held.is_shut_down


async def test_requests_are_served_while_the_collector_hangs_or_refuses_and_it_gets_what_comes_later(
    api: AsyncClient, traced: Traced, collector: Collector
) -> None:
    with traced():
        collector.hangs.set()
        data_of(await api.get(f"{V1}/plans"))
        await eventually(lambda: asyncio.sleep(0, collector.requests >= 1))
        for _ in range(20):
            data_of(await api.get(f"{V1}/plans"))
        assert collector.raw == []
        collector.hangs.clear()
        collector.goes_on.set()
        await eventually(lambda: asyncio.sleep(0, len(collector.spans) == 21))

        collector.status = 400
        before = collector.requests
        data_of(await api.get(f"{V1}/plans"))
        await eventually(lambda: asyncio.sleep(0, collector.requests > before))
        collector.status = 200
        data_of(await api.get(f"{V1}/scales"))
        await eventually(lambda: asyncio.sleep(0, collector.named(f"GET {V1}/scales") != []))

    assert len(collector.spans) == 22


@pytest.mark.parametrize("collector_is", ["away", "silent"])
async def test_a_service_without_its_collector_serves_ends_well_and_says_so_once(
    settings: Settings, collector: Collector, tmp_path: Path, collector_is: str
) -> None:
    collector.hangs.set()
    port, log = tmp_path / "port", tmp_path / "qs.log"
    with closing(socket.socket()) as nobody:
        # Bound and not listened on: whoever connects is refused.
        nobody.bind(("127.0.0.1", 0))
        away = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        environment = clean_environment(
            QS_ENV="test",
            QS_HOME=str(tmp_path),
            QS_SECRET_KEY=str(settings.secret_key),
            QS_DATABASE_URL=str(settings.database.url),
            QS_REDIS_URL=str(settings.redis.url),
            QS_LOG_FORMAT="json",
            QS_LOG__CONSOLE="false",
            QS_LOG__PATH=str(log),
            QS_TRACING__ENDPOINT=away if collector_is == "away" else collector.url,
        )
        words = ("-P", "-m", "qs", "api", "--port", "0", "--port-file", str(port))
        async with running(
            sys.executable, *words, env=environment, stdout=asyncio.subprocess.DEVNULL
        ) as process:

            async def listens() -> bool:
                assert process.returncode is None
                return port.exists()

            await eventually(listens, within=120)
            async with AsyncClient(
                base_url=f"http://127.0.0.1:{port.read_text().strip()}", timeout=60
            ) as client:
                for _ in range(3):
                    assert (await client.get("/schema/events.json")).status_code == 200
            if collector_is == "away":
                await eventually(lambda: asyncio.sleep(0, "spans_lost" in log.read_text()), within=120)
            process.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(process.wait(), 60) == 0

    said = log.read_text()
    assert said.count("spans_lost") == (1 if collector_is == "away" else 0)
    # OpenTelemetry's own words are not for the log: it has some for every try.
    assert "opentelemetry" not in said.lower()
    assert "Traceback" not in said
