"""Rows are kept apart by tenant in the database itself, whatever a statement forgets to say."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from qs.infra.auth.cipher import Cipher
from qs.infra.auth.keys import Keyring
from qs.infra.identity.unit_of_work import SqlIdentityUnitOfWork
from qs.infra.postgres.engine import create_engine
from tests.support.settings import SECRET_KEY

OURS, THEIRS = uuid4(), uuid4()

# Everything that keeps a tenant's rows; the tenant itself is known by its own id.
TENANT_COLUMNS = """
SELECT table_name, column_name FROM information_schema.columns
WHERE table_schema = 'public' AND (column_name = 'tenant_id' OR (table_name, column_name) = ('tenant', 'id'))
      AND NOT (SELECT relispartition FROM pg_class WHERE oid = ('public.' || quote_ident(table_name))::regclass)
ORDER BY table_name
"""
REQUIRED_COLUMNS = """
SELECT column_name, data_type FROM information_schema.columns
WHERE table_schema = 'public' AND table_name = $1 AND is_nullable = 'NO' AND column_default IS NULL
      AND is_identity = 'NO'
"""
KEY_COLUMNS = """
SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey)
WHERE i.indisprimary AND i.indrelid = $1::text::regclass
"""
# Cursors, clocks and processes of the whole installation; sys_crontab is filled by whoever runs it.
OF_THE_INSTALLATION = {
    "alembic_version",
    "schema_compatibility",
    "business_clock",
    "relay_cursor",
    "subscriber_cursor",
    "sys_crontab",
    "worker_heartbeat",
}
BY_TYPE: dict[str, str] = {
    "uuid": "gen_random_uuid()",
    "text": "'x'",
    "integer": "1",
    "smallint": "1",
    "bigint": "1",
    "boolean": "false",
    "timestamp with time zone": "now()",
    "date": "current_date",
    "time without time zone": "localtime",
    "bytea": "convert_to(gen_random_uuid()::text, 'UTF8')",
    "json": "'{}'",
    "jsonb": "'{}'",
    "ARRAY": "'{}'",
}
# What a check constraint or a unique index asks for.
BY_COLUMN: dict[tuple[str, str], str] = {
    ("tenant", "slug"): "'t' || gen_random_uuid()",
    ("app_user", "username"): "gen_random_uuid()",
    ("service_account", "client_id"): "gen_random_uuid()",
    ("api_key", "expires_at"): "now() + interval '1 day'",
    ("plan", "schedule_type"): "'by_day'",
    ("plan", "catch_up"): "'all'",
    ("plan", "notify_on_expiry"): "'staff'",
    ("plan", "status"): "'active'",
    ("enrollment", "status"): "'active'",
    ("task", "status"): "'pending'",
    ("delivery", "status"): "'queued'",
    ("delivery_attempt", "outcome"): "'sent'",
    ("execution", "status"): "'queued'",
    ("execution", "fired_by"): "'clock'",
    ("secret", "name"): "gen_random_uuid()",
    ("broker_request", "key"): "gen_random_uuid()",
    ("job", "source"): "'stored'",
    ("job", "status"): "'active'",
    ("job_notice", "channel"): "'webhook'",
    ("job_execution", "status"): "'queued'",
    ("job_execution", "fired_by"): "'clock'",
    ("job_output", "stream"): "'log'",
    ("webhook_delivery", "status"): "'queued'",
    ("webhook_attempt", "outcome"): "'sent'",
    ("stat_sync", "kind"): "'daily'",
    ("stat_daily", "dimension"): "'tenant'",
    ("idempotency_key", "state"): "'done'",
    ("idempotency_key", "key"): "gen_random_uuid()",
    ("audit_seal", "hash"): "sha256('x')",
}


@pytest.fixture
async def tables(truth: asyncpg.Connection) -> dict[str, str]:
    """The tenant column of every table that has one, each table with one row of ours and one of theirs."""
    columns = {row["table_name"]: row["column_name"] for row in await truth.fetch(TENANT_COLUMNS)}
    async with truth.transaction():
        await truth.execute("SET LOCAL session_replication_role = replica")
        for table, column in columns.items():
            for tenant in (OURS, THEIRS):
                await truth.execute(await insertion(truth, table, column, tenant))
    return columns


async def insertion(
    truth: asyncpg.Connection,
    table: str,
    tenant_column: str,
    tenant: UUID,
    fixed: Mapping[str, str] = MappingProxyType({}),
) -> str:
    values = {tenant_column: f"'{tenant}'", **fixed}
    for name, kind in await truth.fetch(REQUIRED_COLUMNS, table):
        values.setdefault(name, BY_COLUMN.get((table, name)) or BY_TYPE[kind])
    names = ", ".join(f'"{name}"' for name in values)
    return f"INSERT INTO {table} ({names}) VALUES ({', '.join(values.values())})"


async def as_application(engine: AsyncEngine, tenant: UUID | None, statement: str) -> Any:
    async with engine.connect() as connection:
        if tenant is not None:
            await connection.execute(
                text("SELECT set_config('qs.tenant_id', :tenant, true)"), {"tenant": str(tenant)}
            )
        result = await connection.execute(text(statement))
        return result.scalars().all() if result.returns_rows else result.rowcount


async def test_there_is_a_row_of_each_tenant_in_every_table(
    tables: dict[str, str], truth: asyncpg.Connection
):
    assert {"tenant", "app_user", "task", "outbox", "audit", "delivery", "execution"} <= tables.keys()
    for table, column in tables.items():
        found = await truth.fetch(f"SELECT {column} FROM {table} WHERE {column} = ANY($1)", [OURS, THEIRS])
        assert {row[0] for row in found} == {OURS, THEIRS}, table


async def test_security_is_forced_on_every_table_with_a_tenant(
    tables: dict[str, str], truth: asyncpg.Connection
):
    forced = await truth.fetch(
        "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relrowsecurity AND relforcerowsecurity"
    )

    assert tables.keys() <= {row["relname"] for row in forced}


async def test_nobody_but_the_owner_reaches_a_partition_past_its_table(
    tables: dict[str, str], engine: AsyncEngine, truth: asyncpg.Connection
):
    partitions = await truth.fetch(
        "SELECT relname, relrowsecurity AND relforcerowsecurity AS forced FROM pg_class"
        " WHERE relispartition AND relkind = 'r'"
    )

    assert len(partitions) > 3
    for partition in partitions:
        assert partition["forced"], partition["relname"]
        with pytest.raises(DBAPIError, match="permission denied"):
            await as_application(engine, OURS, f"SELECT count(*) FROM {partition['relname']}")


async def test_the_application_role_cannot_bypass_it(engine: AsyncEngine):
    query = "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user"

    assert await as_application(engine, None, "SELECT current_user::text") == ["qs_app"]
    assert await as_application(engine, None, query) == [False]


async def test_without_a_tenant_no_row_is_seen(tables: dict[str, str], engine: AsyncEngine):
    seen = {
        table: await as_application(engine, None, f"SELECT {column} FROM {table}")
        for table, column in tables.items()
    }

    assert seen == {table: [] for table in tables}


async def test_an_empty_tenant_is_no_tenant(tables: dict[str, str], engine: AsyncEngine):
    for nothing in ("''", "NULL"):
        async with engine.connect() as connection:
            await connection.execute(text(f"SELECT set_config('qs.tenant_id', {nothing}, true)"))
            for table in tables:
                assert await connection.scalar(text(f"SELECT count(*) FROM {table}")) == 0, table


async def test_a_tenant_sees_its_own_row_and_none_of_anothers(tables: dict[str, str], engine: AsyncEngine):
    for table, column in tables.items():
        assert await as_application(engine, OURS, f"SELECT {column} FROM {table}") == [OURS], table


async def test_a_tenant_can_neither_change_nor_remove_anothers_row(
    tables: dict[str, str], engine: AsyncEngine
):
    for table, column in tables.items():
        for statement in (f"UPDATE {table} SET {column} = {column}", f"DELETE FROM {table}"):
            reached = await reached_by(engine, f"{statement} WHERE {column} = '{THEIRS}'")
            assert reached in (0, "permission denied"), table


async def reached_by(engine: AsyncEngine, statement: str) -> int | str:
    try:
        return int(await as_application(engine, OURS, statement))
    except DBAPIError as refusal:
        return "permission denied" if "permission denied" in str(refusal.orig) else str(refusal)


async def test_a_tenant_can_write_no_row_for_another(
    tables: dict[str, str], engine: AsyncEngine, truth: asyncpg.Connection
):
    for table, column in tables.items():
        with pytest.raises(DBAPIError, match=r"row-level security|permission denied"):
            await as_application(engine, OURS, await insertion(truth, table, column, THEIRS))


async def test_a_tenant_can_give_no_row_of_its_own_to_another(
    tables: dict[str, str], engine: AsyncEngine, truth: asyncpg.Connection
):
    for table, column in tables.items():
        with pytest.raises(DBAPIError, match=r"row-level security|permission denied"):
            await as_application(engine, OURS, f"UPDATE {table} SET {column} = '{THEIRS}'")
        assert await truth.fetchval(f"SELECT count(*) FROM {table} WHERE {column} = $1", THEIRS) == 1, table


async def test_a_row_of_anothers_is_not_overwritten_by_one_of_the_same_key(
    tables: dict[str, str], engine: AsyncEngine, truth: asyncpg.Connection
):
    tried = 0
    for table, column in tables.items():
        keys = [row["attname"] for row in await truth.fetch(KEY_COLUMNS, table)]
        if column in keys:
            continue
        theirs = await truth.fetchrow(f"SELECT * FROM {table} WHERE {column} = $1", THEIRS)
        assert theirs is not None
        ours = await insertion(truth, table, column, OURS, {key: f"'{theirs[key]}'" for key in keys})
        with pytest.raises(DBAPIError, match=r"row-level security|permission denied"):
            await as_application(
                engine, OURS, f"{ours} ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {column} = '{OURS}'"
            )
        tried += 1

    assert tried > 3


async def test_every_table_without_a_tenant_is_known_to_hold_nothing_of_one(truth: asyncpg.Connection):
    found = await truth.fetch(
        "SELECT relname FROM pg_class c WHERE relkind IN ('r', 'p') AND NOT relispartition"
        " AND relnamespace = 'public'::regnamespace AND relname <> 'tenant' AND NOT EXISTS"
        " (SELECT FROM pg_attribute WHERE attrelid = c.oid AND attname = 'tenant_id')"
    )

    assert {row["relname"] for row in found} == OF_THE_INSTALLATION


async def test_the_application_does_nothing_with_the_rights_of_somebody_else(truth: asyncpg.Connection):
    views = await truth.fetch(
        "SELECT relname FROM pg_class WHERE relkind IN ('v', 'm') AND relnamespace = 'public'::regnamespace"
    )
    functions = await truth.fetch(
        "SELECT proname FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace"
        " AND has_function_privilege('qs_app', oid, 'EXECUTE')"
    )

    assert (views, functions) == ([], [])


async def test_a_connection_forgets_its_tenant_with_the_transaction(
    tables: dict[str, str], engine: AsyncEngine
):
    async with engine.connect() as connection:
        await connection.execute(
            text("SELECT set_config('qs.tenant_id', :tenant, true)"), {"tenant": str(OURS)}
        )
        assert await connection.scalar(text("SELECT count(*) FROM task")) == 1
        await connection.rollback()

        assert await connection.scalar(text("SELECT count(*) FROM task")) == 0


async def test_what_proves_who_somebody_is_cannot_be_read_while_serving(engine: AsyncEngine):
    for query in (
        "SELECT password_hash FROM app_user",
        "SELECT * FROM app_user",
        "SELECT secret_hash FROM service_account",
        "SELECT token_hash FROM refresh_token",
        "SELECT secret_hash FROM api_key",
    ):
        with pytest.raises(DBAPIError, match="permission denied"):
            await as_application(engine, OURS, query)


async def test_the_audit_log_can_be_added_to_and_nothing_else(tables: dict[str, str], engine: AsyncEngine):
    for statement in ("UPDATE audit SET actor = 'x'", "DELETE FROM audit", "TRUNCATE audit"):
        with pytest.raises(DBAPIError, match="permission denied"):
            await as_application(engine, OURS, statement)


@pytest.mark.parametrize(
    "change",
    [
        "data = '{}'",
        "tenant_id = gen_random_uuid()",
        "name = 'x'",
        "occurred_at = now()",
        "ordinal = DEFAULT",
    ],
)
async def test_the_relay_cannot_rewrite_what_happened(engine: AsyncEngine, change: str):
    async with engine.connect() as connection:
        await connection.execute(text("SET LOCAL ROLE qs_relay"))
        with pytest.raises(DBAPIError, match="permission denied"):
            await connection.execute(text(f"UPDATE outbox SET {change}"))


async def test_whoever_looks_accounts_up_changes_nothing_and_sees_no_tenants_data(
    tables: dict[str, str], engine: AsyncEngine
):
    async with engine.connect() as connection:
        for statement in (
            "UPDATE app_user SET disabled_at = NULL",
            "INSERT INTO tenant (id, slug, name, timezone) VALUES (gen_random_uuid(), 'x', 'x', 'UTC')",
            "DELETE FROM refresh_token",
            "UPDATE api_key SET revoked_at = NULL",
            "SELECT count(*) FROM task",
            "SELECT count(*) FROM testee",
            "SELECT count(*) FROM audit",
        ):
            await connection.execute(text("SET LOCAL ROLE qs_identity"))
            with pytest.raises(DBAPIError, match="permission denied"):
                await connection.execute(text(statement))
            await connection.rollback()


async def test_with_the_policies_removed_the_repositories_still_name_their_tenant(
    tables: dict[str, str], database_url: str
):
    # A superuser bypasses every policy, so what is left is what the statements say themselves.
    superuser = create_engine(database_url, role=None)
    cipher = Cipher(Keyring.parse(SECRET_KEY), "personal")
    async with SqlIdentityUnitOfWork(superuser, OURS, cipher) as uow:
        assert [user.tenant_id for user in await uow.users.all()] == [OURS]
        assert [account.tenant_id for account in await uow.service_accounts.all()] == [OURS]
        assert [key.tenant_id for key in await uow.api_keys.all()] == [OURS]
        tenant = await uow.tenants.get()
        assert tenant is not None
        assert tenant.id == OURS
    await superuser.dispose()
