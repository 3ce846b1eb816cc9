"""Logins that are no superuser, on a server of their own, since roles belong to the whole server."""

import shutil
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import text

from qs.infra.embedded import Lease, discard, ensure
from qs.infra.postgres.engine import create_engine
from qs.infra.postgres.migrate import current_revision, upgrade
from qs.infra.postgres.revisions import head_revision
from qs.infra.postgres.roles import ALL_ROLES, OWNER, RolesUnavailable
from qs.interface.cli.database_findings import database_findings
from tests.support import databases
from tests.support.settings import make_settings

_numbers = count(1)


@pytest.fixture
def own_server() -> Iterator[Lease]:
    """A PostgreSQL that has none of the roles yet."""
    home = Path(tempfile.mkdtemp(prefix="qs-roles-"))
    lease = ensure(home, ephemeral=True)
    try:
        yield lease
    finally:
        lease.close()
        discard(home)
        shutil.rmtree(home, ignore_errors=True)


async def _run(dsn: str, *statements: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def _version(server: Lease) -> int:
    connection = await asyncpg.connect(server.database_url)
    try:
        return int(await connection.fetchval("SHOW server_version_num"))
    finally:
        await connection.close()


async def _database_of(server: Lease, login: str) -> str:
    """The address of a new, empty database as its owner."""
    name = f"r{next(_numbers)}"
    await _run(server.database_url, f"CREATE DATABASE {name} OWNER {login}")
    return databases.address(server.database_url, name).replace("://qs@", f"://{login}@")


async def test_a_login_that_may_create_roles_makes_them_and_acts_as_each(own_server: Lease) -> None:
    await _run(own_server.database_url, "CREATE ROLE maker LOGIN CREATEROLE")
    address = await _database_of(own_server, "maker")

    await upgrade(address)
    await upgrade(address)

    assert await current_revision(address) == head_revision()
    for role in ALL_ROLES:
        engine = create_engine(address, role=role, pooled=False)
        async with engine.connect() as connection:
            assert await connection.scalar(text("SELECT current_user::text")) == role


async def test_roles_that_somebody_else_made_are_not_taken_without_leave(own_server: Lease) -> None:
    if await _version(own_server) < 160000:
        pytest.skip("before PostgreSQL 16 who may create roles may take any")
    await upgrade(own_server.database_url)
    await _run(own_server.database_url, "CREATE ROLE other LOGIN CREATEROLE")
    address = await _database_of(own_server, "other")

    with pytest.raises(RolesUnavailable, match=r"GRANT qs_owner, .* TO other"):
        await upgrade(address)

    # What it is told to ask for is enough, whether or not it may create roles itself.
    granted = f"GRANT {', '.join(ALL_ROLES)} TO other"
    await _run(own_server.database_url, granted, "ALTER ROLE other NOCREATEROLE")
    await upgrade(address)
    assert await current_revision(address) == head_revision()


async def test_the_doctor_tells_a_login_that_may_not_act_as_a_role_it_is_a_member_of(
    own_server: Lease, tmp_path: Path
) -> None:
    if await _version(own_server) < 160000:
        pytest.skip("before PostgreSQL 16 every member may act as the role")
    await upgrade(own_server.database_url)
    needed = ", ".join(role for role in ALL_ROLES if role != OWNER)
    await _run(
        own_server.database_url,
        "CREATE ROLE served LOGIN",
        f"GRANT {needed} TO served",
        "GRANT qs_relay TO served WITH SET FALSE",
    )
    address = own_server.database_url.replace("://qs@", "://served@")

    found = {
        each.subject: each
        async for each in database_findings(make_settings(address, own_server.redis_url, tmp_path))
    }

    assert found["database roles"].code == "roles.unusable"
    assert found["database roles"].what == "served cannot act as qs_relay"
