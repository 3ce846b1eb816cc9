from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial

import asyncpg
import pytest
from msgspec.structs import replace

from qs.container import Container
from qs.infra.telemetry import tracer
from qs.infra.telemetry.queueing import SpanQueue
from qs.making_tracing import begin_tracing
from qs.settings import Settings
from qs.settings.sections import NotificationSettings, OutboundSettings, TracingSettings, WebhookSettings
from tests.integration.webhooks.desk import Desk
from tests.support.collector import Collector, collecting
from tests.support.notifying import Clinic
from tests.support.receivers import WebReceiver

Traced = Callable[..., AbstractContextManager[None]]


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


@pytest.fixture
async def web() -> AsyncIterator[WebReceiver]:
    """Where messages are posted."""
    receiver = WebReceiver()
    await receiver.start()
    yield receiver
    await receiver.close()


@pytest.fixture
async def study() -> AsyncIterator[WebReceiver]:
    """Where a tenant has its events posted, and where its jobs call."""
    receiver = WebReceiver()
    await receiver.start()
    yield receiver
    await receiver.close()


@pytest.fixture
def settings(settings: Settings, web: WebReceiver, collector: Collector) -> Settings:
    webhook = WebhookSettings(url=web.url, secrets=("whsec_" + "bmV3" * 8,))
    return replace(
        settings,
        notification=NotificationSettings(channels=("webhook",), webhook=webhook, timeout_s=30.0),
        outbound=OutboundSettings(allow_networks=("127.0.0.0/8",)),
        tracing=TracingSettings(endpoint=collector.url),
    )


@pytest.fixture
async def truth(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A superuser's connection, which sees every row."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture
def clinic(container: Container, truth: asyncpg.Connection) -> Clinic:
    return Clinic(container, truth)


@pytest.fixture
def desk(container: Container, truth: asyncpg.Connection) -> Desk:
    return Desk(container, truth)


@pytest.fixture
def traced(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Traced:
    """Keeps the spans of this process for the length of a block, after which the collector has them."""
    # However long a machine that is busy takes to hand them over.
    monkeypatch.setattr(tracer, "SpanQueue", partial(SpanQueue, ends_within_s=60.0))
    monkeypatch.setattr(tracer, "_EXPORT_WITHIN_S", 60.0)

    @contextmanager
    def begun(**tracing: object) -> Iterator[None]:
        end = begin_tracing(replace(settings, tracing=replace(settings.tracing, **tracing)), "test")
        try:
            yield
        finally:
            end()

    return begun
