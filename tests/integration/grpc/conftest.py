from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg
import grpc
import pytest
from litestar import Litestar
from msgspec.structs import replace

from qs.container import Container
from qs.interface.grpc.starting import grpc_beside
from qs.interface.grpc.v1.plan_duties_pb2_grpc import PlanDutiesStub
from qs.interface.rest.app import create_app
from qs.settings import Settings
from tests.integration.grpc.steps import Caller, Metadata
from tests.integration.identity.conftest import provider, provider_process
from tests.integration.plan_http.conftest import api, caller, neighbour, platform, stranger

__all__ = ["api", "caller", "neighbour", "platform", "provider", "provider_process", "stranger"]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Those of a test installation, with gRPC on a port that is free."""
    return replace(settings, server=replace(settings.server, grpc_port=0))


@pytest.fixture
def app(container: Container) -> Litestar:
    """The application as it is served, gRPC included."""
    return create_app(container, beside=grpc_beside(container.settings()))


@pytest.fixture
def address(app: Litestar, stranger: Any) -> str:
    """Where the running application serves gRPC."""
    return f"127.0.0.1:{app.state.grpc_port}"


@pytest.fixture
async def channel(address: str) -> AsyncIterator[Any]:
    async with grpc.aio.insecure_channel(address) as channel:
        yield channel


@pytest.fixture
def duties(channel: Any) -> PlanDutiesStub:
    """The client that was made with the messages."""
    return PlanDutiesStub(channel)


@pytest.fixture
def holding(caller: Caller) -> Callable[..., Awaitable[Metadata]]:
    """Metadata of somebody with these scopes: ``await holding("tasks:schedule", tenant_id=…)``."""

    async def metadata(*scopes: str, **options: Any) -> Metadata:
        return tuple((name.lower(), value) for name, value in (await caller(*scopes, **options)).items())

    return metadata


@pytest.fixture
async def truth(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A superuser's connection, which sees every row."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()
