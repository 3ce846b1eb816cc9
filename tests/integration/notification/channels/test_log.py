"""Messages to the log."""

import pytest
import structlog

from qs.infra.notification.channels.log import LogChannel
from tests.integration.notification.channels.conformance import ChannelConformance, Rig, a_message


class TestLog(ChannelConformance):
    @pytest.fixture
    def rig(self, request: pytest.FixtureRequest) -> Rig:
        capture = structlog.testing.LogCapture()

        def make(_deadline):
            if "logged" not in request.fixturenames:
                structlog.configure(processors=[capture])
                request.addfinalizer(structlog.reset_defaults)
            return LogChannel()

        return Rig(make, a_message(), lambda: [str(entry["notification_id"]) for entry in capture.entries])


async def test_the_log_names_the_template_and_whom_it_was_for():
    message = a_message()

    with structlog.testing.capture_logs() as entries:
        await LogChannel().send(message)

    [entry] = entries
    assert (entry["template"], entry["recipient"]) == ("task_opened", message.recipient)
