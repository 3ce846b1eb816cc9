from collections.abc import AsyncIterator
from uuid import UUID

import asyncpg
import pytest

from qs.container import Container

from .clinic import ACTOR, Clinic


@pytest.fixture
async def admin(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """The database as its superuser, whom row-level security does not bind."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture
async def clinic(container: Container, admin: asyncpg.Connection) -> AsyncIterator[Clinic]:
    """The default tenant, of which every invariant holds when the test is over and nobody was deadlocked."""
    clinic = Clinic(container)
    yield clinic
    await clinic.check()
    await admin.execute("SELECT pg_stat_force_next_flush()")
    deadlocks = await admin.fetchval(
        "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    )
    assert deadlocks == 0


@pytest.fixture
async def neighbour(container: Container) -> Clinic:
    """Another tenant in the same database."""
    tenant = await container.tenant_administration().create("north", "North", "Europe/London", actor=ACTOR)
    assert isinstance(tenant.id, UUID)
    return Clinic(container, tenant.id)
