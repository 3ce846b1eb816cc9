"""What is thrown away is not forgotten to be told."""

import structlog

from qs.infra.notification.channels.null import NullChannel
from tests.integration.notification.channels.conformance import SECRETS, a_message


async def test_the_null_channel_says_that_it_discards_and_warns_once():
    channel = NullChannel()

    with structlog.testing.capture_logs() as entries:
        answers = [await channel.send(a_message()) for _ in range(3)]

    assert answers == ["discarded"] * 3
    [entry] = entries
    assert (entry["event"], entry["log_level"]) == ("notifications_discarded", "warning")
    assert [secret for secret in SECRETS if secret in str(entry)] == []
