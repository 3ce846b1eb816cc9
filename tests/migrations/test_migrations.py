"""The schema comes and goes as a whole, by our own verb and by Alembic's own."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from qs.infra.postgres.drift import find_drift
from qs.infra.postgres.engine import create_engine
from qs.infra.postgres.migrate import current_revision, downgrade, upgrade
from qs.infra.postgres.revisions import head_revision
from qs.infra.postgres.roles import RolesUnavailable
from tests.support.waiting import eventually

ROOT = Path(__file__).parents[2]


async def test_alembic_itself_brings_the_schema_up_from_the_root_of_the_repository(empty_database) -> None:
    done = await _alembic_upgrade(empty_database)

    assert done.returncode == 0, done.stderr
    assert await current_revision(empty_database) == head_revision()


async def test_the_schema_can_be_taken_back_and_made_again_without_a_difference(empty_database) -> None:
    await upgrade(empty_database)
    await downgrade(empty_database, "base")
    left = await _names(empty_database)
    await upgrade(empty_database)

    assert left == {"alembic_version"}
    assert await _drift(empty_database) == []


async def test_upgrades_that_start_at_once_wait_for_one_another(empty_database) -> None:
    done = await asyncio.gather(*(_alembic_upgrade(empty_database) for _ in range(3)))

    assert [each.returncode for each in done] == [0, 0, 0], [each.stderr for each in done]
    assert await current_revision(empty_database) == head_revision()


async def test_an_upgrade_waits_for_another_one_longer_than_it_waits_for_a_table(empty_database) -> None:
    other = await asyncpg.connect(empty_database)
    await other.execute("SELECT pg_advisory_lock(hashtextextended('qs.migrations', 0))")
    told: list[str] = []
    upgrading = asyncio.create_task(upgrade(empty_database, tell=told.append))

    async def has_waited() -> bool:
        assert not upgrading.done(), upgrading.exception()
        found = await other.fetchval(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name = 'qs-migrate' AND clock_timestamp() - backend_start > interval '2.5 s')"
        )
        return bool(found)

    await eventually(has_waited, within=60)
    # Whoever builds an index concurrently would wait for its end.
    holds_a_snapshot = await other.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'qs-migrate' AND backend_xmin IS NOT NULL"
        " AND datname = current_database() AND clock_timestamp() - query_start > interval '0.1 s'"
    )
    await other.close()
    await upgrading

    assert await current_revision(empty_database) == head_revision()
    assert holds_a_snapshot == 0
    assert told[0] == "another run of the migrations is at work; this one waits for it"


async def test_a_login_that_may_neither_create_nor_become_the_roles_is_told_what_to_do(
    empty_database, servers
) -> None:
    login = f"poor_{os.getpid()}"
    await _run(servers.database_url, f"CREATE ROLE {login} LOGIN")
    try:
        with pytest.raises(RolesUnavailable, match=f"GRANT .* TO {login}"):
            await upgrade(empty_database.replace("://qs@", f"://{login}@"))
    finally:
        await _run(servers.database_url, f"DROP ROLE {login}")


async def test_a_login_without_the_application_role_cannot_connect_as_it(empty_database, servers) -> None:
    await upgrade(empty_database)
    login = f"stranger_{os.getpid()}"
    await _run(servers.database_url, f"CREATE ROLE {login} LOGIN")
    engine = create_engine(empty_database.replace("://qs@", f"://{login}@"))
    try:
        with pytest.raises(Exception, match="permission denied to set role"):
            async with engine.connect():
                pass
    finally:
        await engine.dispose()
        await _run(servers.database_url, f"DROP ROLE {login}")


async def test_every_table_with_a_tenant_has_row_level_security_forced(engine: AsyncEngine) -> None:
    query = text(
        "SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'"
        " WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace"
        " AND NOT (c.relrowsecurity AND c.relforcerowsecurity)"
    )

    async with engine.connect() as connection:
        unguarded = list(await connection.scalars(query))

    assert unguarded == []


async def _alembic_upgrade(dsn: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("QS_")}
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "alembic", "upgrade", "head"],
        cwd=ROOT,
        env=environment | {"QS_DATABASE_URL": dsn},
        capture_output=True,
        text=True,
        check=False,
    )


async def _drift(dsn: str) -> list[str]:
    engine = create_engine(dsn, role=None, pooled=False)
    try:
        async with engine.connect() as connection:
            return [str(each) for each in await connection.run_sync(find_drift)]
    finally:
        await engine.dispose()


async def _names(dsn: str) -> set[str]:
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        return {row["tablename"] for row in rows}
    finally:
        await connection.close()


async def _run(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
