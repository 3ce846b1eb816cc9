"""What the doctor looks at in PostgreSQL: reachable, at head, rows kept apart, clocks, workers at work."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from qs.infra.postgres.audit_sealing import WAITING
from qs.infra.postgres.engine import create_engine
from qs.infra.postgres.migrate import current_revision, head_revision, known_revisions
from qs.infra.postgres.roles import ALL_ROLES, OWNER, UNUSABLE
from qs.interface.cli.channel_findings import channel_findings
from qs.interface.cli.findings import Finding, clock_gap, complaint
from qs.provisioning import migration_dsn
from qs.settings import Settings
from qs.settings.masking import mask_address

_OLDEST_POSTGRES, _NEWEST_TRIED = 15, 18
_LONGEST_SILENCE = timedelta(seconds=60)
# After so long `qs audit verify` calls it wrong.
_LONGEST_UNSEALED = timedelta(minutes=10)


async def database_findings(settings: Settings) -> AsyncIterator[Finding]:
    """Findings about PostgreSQL: reachable, at head, rows kept apart, clock."""
    assert settings.database.url is not None
    shown = mask_address(settings.database.url)
    engine = create_engine(settings.database.url, role=None, pooled=False, application_name="qs-doctor")
    try:
        async with engine.connect() as connection:
            async for finding in _database(connection, settings, shown):
                yield finding
    except Exception as error:  # noqa: BLE001 - whatever the server says is the finding
        yield Finding(
            "database", "wrong", complaint(error), f"start it, or correct database.url (now {shown})"
        )
    finally:
        await engine.dispose()


async def _database(connection: AsyncConnection, settings: Settings, shown: str) -> AsyncIterator[Finding]:
    version = (
        int(await connection.scalar(text("SELECT current_setting('server_version_num')::int")) or 0) // 10000
    )
    if version < _OLDEST_POSTGRES:
        todo = f"use PostgreSQL {_OLDEST_POSTGRES} to {_NEWEST_TRIED}"
        yield Finding("database", "wrong", f"PostgreSQL {version} at {shown}", todo)
    else:
        yield Finding("database", "ok", f"PostgreSQL {version} at {shown}")
    yield clock_gap("database clock", await connection.scalar(text("SELECT clock_timestamp()")))
    revision, head = await current_revision(migration_dsn(settings)), head_revision()
    if revision is not None and revision not in known_revisions():
        todo = "install the release that made it, or restore a backup from before it was upgraded"
        yield Finding("migrations", "wrong", f"at {revision}, which this release does not know", todo)
        return
    if revision != head:
        what = f"at {revision or 'no revision'}, this release needs {head}"
        yield Finding("migrations", "wrong", what, "run `qs db upgrade`")
        return
    yield Finding("migrations", "ok", f"at {head}")
    yield await _roles(connection)
    yield await _row_security(connection)
    yield await _business_clock(connection)
    yield await _audit_log(connection)
    async for finding in channel_findings(connection):
        yield finding
    async for finding in _workers(connection, settings):
        yield finding


async def _roles(connection: AsyncConnection) -> Finding:
    login = await connection.scalar(text("SELECT session_user::text"))
    needed = [role for role in ALL_ROLES if role != OWNER]
    unusable = list(await connection.scalars(UNUSABLE, {"roles": needed}))
    if unusable:
        return Finding(
            "database roles", "wrong", f"{login} cannot act as {', '.join(unusable)}", "run `qs db upgrade`"
        )
    return Finding("database roles", "ok", f"{login} acts as qs_app")


async def _row_security(connection: AsyncConnection) -> Finding:
    """Asks the database whether it keeps rows apart for the role the application acts as, and tries it."""
    await connection.execute(text("SET ROLE qs_app"))
    bypasses = await connection.scalar(
        text("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = 'qs_app'")
    )
    open_tables = list(
        await connection.scalars(
            text(
                "SELECT c.relname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
                " WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace"
                " AND a.attname = 'tenant_id' AND NOT (c.relrowsecurity AND c.relforcerowsecurity) ORDER BY 1"
            )
        )
    )
    seen = await connection.scalar(text("SELECT count(*) FROM tenant"))
    await connection.execute(text("RESET ROLE"))
    todo = "run `qs db upgrade`; if that changes nothing, the schema was altered by hand"
    if bypasses:
        return Finding(
            "row security",
            "wrong",
            "the role qs_app bypasses it",
            "ALTER ROLE qs_app NOSUPERUSER NOBYPASSRLS",
        )
    if open_tables:
        return Finding("row security", "wrong", f"not forced on {', '.join(open_tables)}", todo)
    if seen:
        return Finding("row security", "wrong", "rows are seen without a tenant", todo)
    return Finding("row security", "ok", "forced on every table of a tenant; no row is seen without one")


async def _business_clock(connection: AsyncConnection) -> Finding:
    offset = await connection.scalar(text("SELECT clock_offset FROM business_clock"))
    if offset:
        what = f"{offset} ahead of real time"
        return Finding(
            "business clock", "note", what, "it cannot go back; a database for real people needs offset 0"
        )
    return Finding("business clock", "ok", "is real time")


async def _audit_log(connection: AsyncConnection) -> Finding:
    await connection.execute(text("SET ROLE qs_relay"))
    waiting: timedelta = await connection.scalar(WAITING) or timedelta(0)
    await connection.execute(text("RESET ROLE"))
    if waiting <= _LONGEST_SILENCE:
        return Finding("audit log", "ok", "sealed, but for what was written within a minute")
    what = f"a record waits to be sealed since {timedelta(seconds=round(waiting.total_seconds()))} (h:mm:ss)"
    todo = "run a relay worker (`qs worker --roles relay`); until it is sealed nobody could tell that it was removed"
    return Finding("audit log", "wrong" if waiting > _LONGEST_UNSEALED else "note", what, todo)


async def _workers(connection: AsyncConnection, settings: Settings) -> AsyncIterator[Finding]:
    found = await connection.execute(
        text("SELECT role, max(seen_at) FROM worker_heartbeat GROUP BY role HAVING max(seen_at) > :since"),
        {"since": datetime.now(UTC) - _LONGEST_SILENCE},
    )
    alive = {str(role) for role, _ in found}
    for role in settings.worker.roles:
        if role in alive:
            yield Finding(f"worker {role}", "ok", "seen within a minute")
        else:
            todo = f"start it by `qs up` or `qs worker --roles {role}`"
            yield Finding(f"worker {role}", "note", "not seen within a minute", todo)
