import pytest

from qs.infra.http.guarded import GuardedClient
from qs.infra.scheduler.executors.http import HttpExecutor
from qs.infra.scheduler.executors.secrets import SettingsSecrets
from tests.integration.executors.http.canary import Canary, Dialled, Names
from tests.support.receivers import WebReceiver


@pytest.fixture
async def canary():
    canary = Canary()
    await canary.start()
    yield canary
    await canary.close()


@pytest.fixture
async def web():
    receiver = WebReceiver()
    await receiver.start()
    yield receiver
    await receiver.close()


@pytest.fixture
def dialled(monkeypatch):
    return Dialled(monkeypatch)


@pytest.fixture
async def names(monkeypatch):
    return Names(monkeypatch)


@pytest.fixture
def secrets():
    return SettingsSecrets(
        {"token": "s3cr3t&#@/+ value", "odd": "line\r\nX-Evil: 1", "host": "127.0.0.1"}, {}
    )


@pytest.fixture
async def make_executor(secrets):
    """An executor that may call the networks given, and the public ones."""
    clients = []

    def make(*networks: str) -> HttpExecutor:
        clients.append(GuardedClient(networks, keep_alive=False))
        return HttpExecutor(clients[-1], secrets)

    yield make
    for client in clients:
        await client.aclose()


@pytest.fixture
def executor(make_executor):
    return make_executor("127.0.0.1/32")
