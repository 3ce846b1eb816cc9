"""What every test may ask for: real servers, a database of its own, an engine that acts as the application."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import hypothesis
import pytest
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from qs.container import Container, build_container, close
from qs.infra.embedded import Lease, discard, ensure
from qs.infra.postgres.engine import create_engine
from qs.settings import Settings
from tests.support import databases
from tests.support.settings import make_settings

# What takes long because the machine is busy is no fault of an example, nor of what makes it.
hypothesis.settings.register_profile(
    "patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("patient")


@pytest.fixture(scope="session")
def servers() -> Iterator[Lease]:
    """PostgreSQL and Valkey of this test process alone, so that a test may flush or restart what it likes."""
    # The path is short because a socket's address is bounded.
    home = Path(tempfile.mkdtemp(prefix="qs-test-"))
    lease = ensure(home, ephemeral=True)
    try:
        yield lease
    finally:
        lease.close()
        discard(home)
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def template_database(servers: Lease) -> str:
    """The name of a migrated database that others are cloned from."""
    return asyncio.run(databases.make_template(servers.database_url))


@pytest.fixture(scope="session")
def clones(servers: Lease, template_database: str) -> databases.Clones:
    return databases.Clones(servers.database_url, template_database)


@pytest.fixture
async def database_url(servers: Lease, clones: databases.Clones) -> AsyncIterator[str]:
    """The address of a fresh, migrated database that goes with the test."""
    clone = await clones.take()
    yield databases.address(servers.database_url, clone.name)
    await clones.give_back(clone)


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """Connections to the test's database as the application role."""
    engine = create_engine(database_url, pool_size=10, max_overflow=30)
    yield engine
    await engine.dispose()


@pytest.fixture
async def redis_url(servers: Lease) -> AsyncIterator[str]:
    """The address of an empty Redis."""
    client = Redis.from_url(servers.redis_url)
    await client.flushall()
    yield servers.redis_url
    await client.flushall()
    await client.aclose()


@pytest.fixture
def settings(database_url: str, redis_url: str, tmp_path: Path) -> Settings:
    """Settings of a test installation on the test's database and Redis."""
    return make_settings(database_url, redis_url, tmp_path)


@pytest.fixture
async def container(settings: Settings) -> AsyncIterator[Container]:
    """Everything wired as in production, on the test's servers."""
    container = build_container(settings)
    yield container
    await close(container)
