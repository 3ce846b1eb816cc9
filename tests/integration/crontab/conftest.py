import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.integration.crontab.kit import Kit, StubServer, left_behind


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The kit needs curl and flock; where they are not, its tests are those that need Debian's programs."""
    if not (shutil.which("curl") and shutil.which("flock")):
        here = Path(__file__).parent
        for item in items:
            if here in item.path.parents:
                item.add_marker(pytest.mark.system)


@pytest.fixture
def kit(tmp_path: Path) -> Iterator[Kit]:
    with closing(Kit(tmp_path)) as kit:
        yield kit
    assert left_behind(tmp_path) == []


@pytest.fixture(params=["jq", "bash alone"])
def either_kit(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kit]:
    """The kit on a host with jq, and on one without."""
    if request.param == "jq" and not shutil.which("jq"):
        pytest.skip("jq is not installed here")
    with closing(Kit(tmp_path, jq=request.param == "jq")) as kit:
        yield kit
    assert left_behind(tmp_path) == []


@pytest.fixture
def stub() -> Iterator[StubServer]:
    server = StubServer()
    yield server
    server.close()
