import asyncpg
import msgspec
import pytest

from qs.settings.sections import NotificationSettings, OutboundSettings, SmtpSettings, WebhookSettings
from tests.support.notifying import Clinic
from tests.support.receivers import MailReceiver, WebReceiver


@pytest.fixture
async def mail():
    receiver = MailReceiver()
    await receiver.start()
    yield receiver
    await receiver.close()


@pytest.fixture
async def web():
    receiver = WebReceiver()
    await receiver.start()
    yield receiver
    await receiver.close()


@pytest.fixture
def settings(settings, mail, web):
    """Mail and webhook go to the test's own servers; failures are tried again at once."""
    return msgspec.structs.replace(
        settings,
        smtp=SmtpSettings(host="127.0.0.1", port=mail.port, tls="none", sender="qs@clinic.example.org"),
        notification=NotificationSettings(
            webhook=WebhookSettings(url=web.url, secrets=("whsec_" + "bmV3" * 8,)),
            max_attempts=4,
            backoff_s=0.01,
            backoff_max_s=0.05,
            timeout_s=30.0,
        ),
        outbound=OutboundSettings(allow_networks=("127.0.0.0/8",)),
    )


@pytest.fixture
async def truth(database_url: str):
    """A superuser's connection, which sees every row."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture
async def clinic(container, truth):
    """A tenant with a plan whose first occasion is due."""
    return Clinic(container, truth)
