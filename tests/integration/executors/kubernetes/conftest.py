from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import pytest

from qs.infra.scheduler.executors.kubernetes import KubernetesExecutor
from tests.integration.executors.kubernetes.clusters import (
    ClusterAddress,
    Making,
    Space,
    Written,
    running_api_server,
)
from tests.support.waiting import eventually


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterAddress]:
    """An API server that all tests of this process share."""
    with running_api_server(tmp_path_factory.mktemp("cluster")) as address:
        yield address


@pytest.fixture
async def space(cluster: ClusterAddress, tmp_path: Path) -> AsyncIterator[Space]:
    """A namespace of the test's own."""
    space = Space(cluster, tmp_path)
    await space.make()
    yield space
    await space.close()

    async def parted() -> bool:
        return not any(
            getattr(connection.raddr, "port", None) == cluster.port
            for connection in psutil.Process().net_connections("tcp4")
        )

    # TLS takes its time to part, longer than the loop of a test may last.
    await eventually(parted, within=20)


@pytest.fixture
async def make_executor(space: Space) -> AsyncIterator[Making]:
    made: list[KubernetesExecutor] = []

    def make(**changed: object) -> KubernetesExecutor:
        made.append(KubernetesExecutor(space.rules(**changed)))
        return made[-1]

    yield make
    for executor in made:
        await executor.aclose()


@pytest.fixture
def executor(make_executor: Making) -> KubernetesExecutor:
    return make_executor()


@pytest.fixture
def output() -> Written:
    return Written()
