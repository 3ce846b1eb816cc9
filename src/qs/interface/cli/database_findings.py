"""What the doctor looks at in PostgreSQL: reachable, at head, rows kept apart, clocks, and who works on it."""

from collections.abc import AsyncIterator
from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from qs.infra.postgres.audit_sealing import WAITING
from qs.infra.postgres.engine import create_engine
from qs.infra.postgres.migrate import current_standing
from qs.infra.postgres.revisions import Standing, application_name, head_revision
from qs.infra.postgres.roles import ALL_ROLES, APP, OWNER, RELAY, UNUSABLE
from qs.interface.cli.account_findings import account_findings
from qs.interface.cli.channel_findings import channel_findings
from qs.interface.cli.findings import Finding, clock_gap, complaint, duration, found, well
from qs.interface.cli.postgres_findings import postgres_findings
from qs.interface.cli.worker_findings import worker_findings
from qs.provisioning import migration_dsn
from qs.settings import Settings
from qs.settings.masking import mask_address

_OLDEST_POSTGRES, _NEWEST_TRIED = 15, 18
_LONGEST_SILENCE = timedelta(seconds=60)
# After so long `qs audit verify` calls it wrong.
_LONGEST_UNSEALED = timedelta(minutes=10)

_LOGIN = text(
    "SELECT session_user::text AS name, rolsuper OR rolbypassrls AS is_above_rows FROM pg_roles"
    " WHERE rolname = session_user"
)
_OPEN_TABLES = text(
    "SELECT c.relname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
    " WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace"
    " AND a.attname = 'tenant_id' AND NOT (c.relrowsecurity AND c.relforcerowsecurity) ORDER BY 1"
)
_OTHER_RELEASES = text(
    "SELECT DISTINCT substring(application_name FROM 4) FROM pg_stat_activity WHERE datname = current_database()"
    " AND application_name ~ '^qs [0-9]{4}$' AND application_name <> :ours ORDER BY 1"
)


async def database_findings(settings: Settings, *, is_embedded: bool = False) -> AsyncIterator[Finding]:
    """Findings about PostgreSQL; of a schema that does not serve this release, nothing is said of what stands in it.

    Of an embedded one qs is the superuser, which nobody can change.
    """
    assert settings.database.url is not None
    shown = mask_address(settings.database.url)
    engine = create_engine(settings.database.url, role=None, pooled=False, application_name="qs-doctor")
    try:
        async with engine.connect() as connection:
            async for finding in _database(connection, settings, shown, is_embedded=is_embedded):
                yield finding
    except Exception as error:  # noqa: BLE001 - whatever the server says is the finding
        todo = f"start it, or correct database.url (now {shown})"
        yield found("database.away", "database", complaint(error), todo)
    finally:
        await engine.dispose()


async def _database(
    connection: AsyncConnection, settings: Settings, shown: str, *, is_embedded: bool
) -> AsyncIterator[Finding]:
    version = int(await connection.scalar(text("SELECT current_setting('server_version_num')::int")) or 0)
    yield version_finding(version // 10000, shown)
    yield clock_gap(
        "database.clock", "database clock", await connection.scalar(text("SELECT clock_timestamp()"))
    )
    async for finding in postgres_findings(connection, settings):
        yield finding
    standing = await current_standing(migration_dsn(settings))
    yield _schema(standing)
    if not standing.serves:
        return
    if others := list(await connection.scalars(_OTHER_RELEASES, {"ours": application_name()})):
        yield found("release.mixed", "releases", f"connections of schema {', '.join(others)} are open too")
    login = (await connection.execute(_LOGIN)).one()
    yield await _roles(connection, login.name)
    if login.is_above_rows and settings.env == "production" and not is_embedded:
        yield found("roles.superuser", "database login", f"{login.name} is above row security")
    yield await _row_security(connection)
    yield await _business_clock(connection, settings)
    yield await _audit_log(connection)
    for part in (
        worker_findings(connection, settings),
        channel_findings(connection),
        account_findings(connection, settings),
    ):
        async for finding in part:
            yield finding


def version_finding(major: int, shown: str) -> Finding:
    """Whether this release was tried with that version of PostgreSQL; ``shown`` is the address, masked."""
    what = f"PostgreSQL {major} at {shown}"
    if major < _OLDEST_POSTGRES:
        return found("database.too_old", "database", what)
    if major > _NEWEST_TRIED:
        return found("database.untried", "database", what)
    return well("database", what)


def _schema(standing: Standing) -> Finding:
    head = head_revision()
    if standing.is_newer and standing.serves:
        what = f"at {standing.revision}, of a later release, which serves this one ({head})"
        return found("schema.ahead", "migrations", what)
    if standing.is_newer:
        what = f"at {standing.revision}, which does not serve this release ({head})"
        return found("schema.newer", "migrations", what)
    if not standing.serves:
        what = f"at {standing.revision or 'no revision'}, this release needs {head}"
        return found("schema.older", "migrations", what)
    if standing.revision != head:
        return well("migrations", f"at {standing.revision}; up to {head} it is to be contracted")
    return well("migrations", f"at {head}")


async def _roles(connection: AsyncConnection, login: str) -> Finding:
    needed = [role for role in ALL_ROLES if role != OWNER]
    unusable = list(await connection.scalars(UNUSABLE, {"roles": needed}))
    if unusable:
        return found("roles.unusable", "database roles", f"{login} cannot act as {', '.join(unusable)}")
    return well("database roles", f"{login} acts as {APP}")


async def _row_security(connection: AsyncConnection) -> Finding:
    """Asks the database whether it keeps rows apart for the role the application acts as, and tries it."""
    await connection.execute(text(f"SET ROLE {APP}"))
    bypasses = await connection.scalar(
        text("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = :app"), {"app": APP}
    )
    open_tables = list(await connection.scalars(_OPEN_TABLES))
    seen = await connection.scalar(text("SELECT count(*) FROM tenant"))
    await connection.execute(text("RESET ROLE"))
    if bypasses:
        return found("rows.bypassed", "row security", f"the role {APP} bypasses it")
    if open_tables:
        return found("rows.not_forced", "row security", f"not forced on {', '.join(open_tables)}")
    if seen:
        return found("rows.seen", "row security", "rows are seen without a tenant")
    return well("row security", "forced on every table of a tenant; no row is seen without one")


async def _business_clock(connection: AsyncConnection, settings: Settings) -> Finding:
    offset = await connection.scalar(text("SELECT clock_offset FROM business_clock"))
    if not offset:
        return well("business clock", "is real time")
    is_production = settings.env == "production"
    code = "business_clock.ahead_in_production" if is_production else "business_clock.ahead"
    return found(code, "business clock", f"{offset} ahead of real time")


async def _audit_log(connection: AsyncConnection) -> Finding:
    await connection.execute(text(f"SET ROLE {RELAY}"))
    waiting: timedelta = await connection.scalar(WAITING) or timedelta(0)
    await connection.execute(text("RESET ROLE"))
    if waiting <= _LONGEST_SILENCE:
        return well("audit log", "sealed, but for what was written within a minute")
    what = f"a record waits to be sealed since {duration(waiting)} (h:mm:ss)"
    return found("audit.unsealed" if waiting > _LONGEST_UNSEALED else "audit.waiting", "audit log", what)
