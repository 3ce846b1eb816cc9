from collections.abc import AsyncIterator

import asyncpg
import msgspec
import pytest

from qs.container import Container
from qs.settings import Settings
from qs.settings.sections import EndpointSettings, OutboundSettings
from tests.integration.webhooks.desk import Desk
from tests.support.receivers import WebReceiver


@pytest.fixture
async def web() -> AsyncIterator[WebReceiver]:
    receiver = WebReceiver()
    await receiver.start()
    yield receiver
    await receiver.close()


@pytest.fixture
async def other_web() -> AsyncIterator[WebReceiver]:
    receiver = WebReceiver()
    await receiver.start()
    yield receiver
    await receiver.close()


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Webhooks may go to the test's own servers."""
    return msgspec.structs.replace(
        settings,
        webhooks=EndpointSettings(timeout_s=30.0),
        outbound=OutboundSettings(allow_networks=("127.0.0.0/8",)),
    )


@pytest.fixture
async def truth(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A superuser's connection, which sees every row."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture
async def desk(container: Container, truth: asyncpg.Connection) -> Desk:
    return Desk(container, truth)
