"""Of an installation that runs as it should the doctor has nothing to say."""

import pytest

from tests.integration.doctor.conftest import told_by_doctor
from tests.integration.processes.test_up import Installation, installation
from tests.support.processes import wait_until

__all__ = ["installation"]

pytestmark = pytest.mark.timeout(400)


def test_of_qs_up_it_finds_only_that_it_brought_its_own_servers(installation: Installation) -> None:
    installation.start_and_wait()
    given = {"QS_HOME": str(installation.home), "QS_EMBEDDED_LINGER": "0.1"}

    # Each worker says that it is there a moment after it was started.
    wait_until(lambda: "worker.missing" not in told_by_doctor(given), "every worker was seen", 120)
    told = told_by_doctor(given)

    assert told.keys() == {"embedded.in_use"}
    assert installation.stop() == 0
