from collections.abc import AsyncIterator

import asyncpg
import msgspec
import pytest

from qs.settings.sections import (
    NotificationSettings,
    OutboundSettings,
    SchedulerDefaults,
    SchedulerSettings,
    SmtpSettings,
    WebhookSettings,
)
from tests.support.receivers import MailReceiver, WebReceiver

from .desk import SECRET, Desk


@pytest.fixture
async def mail() -> AsyncIterator[MailReceiver]:
    receiver = MailReceiver()
    await receiver.start()
    yield receiver
    await receiver.close()


@pytest.fixture
async def web() -> AsyncIterator[WebReceiver]:
    receiver = WebReceiver()
    await receiver.start()
    yield receiver
    await receiver.close()


@pytest.fixture
def settings(settings, mail, web):
    """Mail and webhooks go to the test's own servers; jobs that name no webhook have one."""
    return msgspec.structs.replace(
        settings,
        smtp=SmtpSettings(host="127.0.0.1", port=mail.port, tls="none", sender="qs@clinic.example.org"),
        notification=NotificationSettings(webhook=WebhookSettings(secrets=(SECRET,)), timeout_s=30.0),
        outbound=OutboundSettings(allow_networks=("127.0.0.0/8",)),
        scheduler=SchedulerSettings(defaults=SchedulerDefaults(webhook=f"{web.url}/default")),
    )


@pytest.fixture
async def truth(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A superuser's connection, which sees every row."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture
async def desk(container, engine, truth, mail, web) -> AsyncIterator[Desk]:
    desk = Desk(container, engine, truth, mail, web)
    yield desk
    await desk.close()
