from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from dependency_injector import providers
from httpx import AsyncClient
from litestar import Controller, Request, get, post

from qs.container import Container
from qs.domain.identity.accounts import User
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.interface.rest.app import create_app
from tests.integration.identity.people import PASSWORD, Issue, MovableTime, RecordingPasswords, bearer
from tests.support.http import app_over, serving
from tests.support.provider_process import Provider


class Probes(Controller):
    """Routes of every kind of declaration, which say who was let in."""

    path = "/probe"

    @get("/public", opt={"public": True})
    async def public(self) -> str:
        return "anybody"

    @get("/plans", opt={"scope": "plans:read"})
    async def plans(self, request: Request[Any, Any, Any]) -> str:
        return str(request.user.actor)

    @get("/either", opt={"scope": ("audit:read", "plans:read")})
    async def either(self, request: Request[Any, Any, Any]) -> str:
        return str(request.user.actor)

    @post("/duty", opt={"scope": "tasks:schedule", "platform": True}, status_code=200)
    async def duty(self, request: Request[Any, Any, Any]) -> str:
        return str(request.user.actor)

    @post("/tenant-duty", opt={"scope": "tasks:schedule"}, status_code=200)
    async def tenant_duty(self, request: Request[Any, Any, Any]) -> str:
        return str(request.user.actor)


@pytest.fixture
def passwords() -> RecordingPasswords:
    return RecordingPasswords()


@pytest.fixture
def container(container: Container, passwords: RecordingPasswords) -> Container:
    """Everything wired as in production, but for the cost of a password."""
    container.passwords.override(providers.Object(passwords))
    return container


@pytest.fixture
async def truth(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A superuser's connection, which sees every row."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture
async def probes(container: Container) -> AsyncIterator[AsyncClient]:
    """The application with nothing but probes under ``/api/v1/probe``."""
    async with serving(create_app(container, controllers=[Probes])) as client:
        yield client


@pytest.fixture
async def client(container: Container) -> AsyncIterator[AsyncClient]:
    """The application as it is served."""
    async with serving(app_over(container)) as client:
        yield client


@pytest.fixture
def issue(container: Container) -> Issue:
    """Headers of somebody with these scopes: ``await issue("admin", tenant_id=…)``."""

    async def headers(*scopes: str, tenant_id: UUID = DEFAULT_TENANT) -> dict[str, str]:
        issued = await container.token_issuing().issue(tenant_id, scopes, timedelta(hours=1), actor="test")
        return bearer(issued.token)

    return headers


@pytest.fixture
async def alice(container: Container) -> User:
    """A coordinator of the default tenant."""
    return await container.user_administration().create(
        DEFAULT_TENANT, "alice", PASSWORD, ["coordinator"], actor="test"
    )


@pytest.fixture(scope="session")
def provider_process() -> Iterator[Provider]:
    provider = Provider()
    yield provider
    provider.close()


@pytest.fixture
def provider(provider_process: Provider) -> Iterator[Provider]:
    """An identity provider in a process of its own, as it is at first."""
    provider_process.reset()
    yield provider_process
    provider_process.start()


@pytest.fixture
def time_goes_on(container: Container) -> MovableTime:
    """The time by which answers are kept, which a test moves on."""
    moved = MovableTime()
    container.monotonic_time.override(providers.Object(moved))
    return moved
