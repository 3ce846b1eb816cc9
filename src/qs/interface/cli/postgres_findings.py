"""What the doctor looks at in the PostgreSQL server, whatever schema is in it: limits, time limits, upkeep, durability."""

from collections.abc import AsyncIterator

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from qs.interface.cli.findings import Finding, found, well
from qs.settings import Settings

_USED_UP = 0.9
# Dead rows of small tables are nobody's concern.
_FEW_ROWS = 10_000
_LOST_WITHOUT = ("fsync", "full_page_writes", "synchronous_commit")
# The one for idle transactions every connection of qs sets for itself.
_SHORTENING = ("statement_timeout", "idle_session_timeout", "transaction_timeout")
_LONG_ENOUGH_MS = 600_000

_SERVER = text(
    "SELECT pg_is_in_recovery() AS is_standby, current_setting('default_transaction_read_only') AS read_only,"
    " (SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()) AS encoding,"
    " current_setting('autovacuum') AS autovacuum"
)
_SETTINGS = text("SELECT name, setting FROM pg_settings WHERE name = ANY(:names)")
_CONNECTIONS = text(
    """
SELECT least(
    current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
        - coalesce(current_setting('reserved_connections', true)::int, 0),
    (SELECT CASE WHEN datconnlimit < 0 THEN 1000000 ELSE datconnlimit END FROM pg_database
     WHERE datname = current_database()),
    (SELECT CASE WHEN rolconnlimit < 0 THEN 1000000 ELSE rolconnlimit END FROM pg_roles
     WHERE rolname = session_user)) AS allowed,
    (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS used"""
)
_PROCESSES = text(
    "SELECT count(DISTINCT substring(worker FROM '@(.*):[^:]*$')) FROM worker_heartbeat"
    " WHERE seen_at > clock_timestamp() - interval '60 seconds'"
)
_HAS_HEARTBEATS = text("SELECT to_regclass('public.worker_heartbeat') IS NOT NULL")
_UNVACUUMED = text(
    "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
    " AND EXISTS (SELECT FROM unnest(reloptions) AS o(word)"
    "             WHERE o.word IN ('autovacuum_enabled=false', 'autovacuum_enabled=off')) ORDER BY 1"
)
_DEAD_ROWS = text(
    "SELECT relname::text, n_dead_tup AS dead, n_live_tup AS live FROM pg_stat_user_tables"
    " WHERE schemaname = 'public' AND n_dead_tup > :few AND n_dead_tup > n_live_tup ORDER BY n_dead_tup DESC LIMIT 5"
)
_SLOTS = text(
    "SELECT slot_name::text AS name, pg_size_pretty(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)) AS kept"
    " FROM pg_replication_slots WHERE NOT active AND restart_lsn IS NOT NULL AND NOT pg_is_in_recovery() ORDER BY 1"
)


async def postgres_findings(connection: AsyncConnection, settings: Settings) -> AsyncIterator[Finding]:
    """Findings about the server."""
    server = (await connection.execute(_SERVER)).one()
    if server.is_standby or server.read_only == "on":
        why = "it is a standby" if server.is_standby else "default_transaction_read_only is on"
        yield found("database.read_only", "database writes", why)
    if server.encoding != "UTF8":
        yield found("database.encoding", "database encoding", f"{server.encoding}; names want UTF8")
    if settings.env == "production":
        values = await _values(connection, _LOST_WITHOUT)
        if off := [name for name in _LOST_WITHOUT if values.get(name) == "off"]:
            yield found("database.not_durable", "database durability", f"{', '.join(off)} off")
    values = await _values(connection, _SHORTENING)
    short = {name: int(value) for name, value in values.items() if 0 < int(value) < _LONG_ENOUGH_MS}
    if short:
        told = ", ".join(f"{name} is {length / 1000:g} s" for name, length in sorted(short.items()))
        yield found("database.timeouts", "database timeouts", told)
    yield await _connections(connection, settings)
    async for finding in _upkeep(connection, server.autovacuum):
        yield finding


async def _values(connection: AsyncConnection, names: tuple[str, ...]) -> dict[str, str]:
    rows = await connection.execute(_SETTINGS, {"names": list(names)})
    return {row.name: row.setting for row in rows}


async def _connections(connection: AsyncConnection, settings: Settings) -> Finding:
    row = (await connection.execute(_CONNECTIONS)).one()
    workers = 0
    if await connection.scalar(_HAS_HEARTBEATS):
        workers = int(await connection.scalar(_PROCESSES) or 0)
    each = settings.database.pool_size + settings.database.max_overflow
    wanted = each * (workers + 1)
    what = f"{row.used} of {row.allowed} are in use"
    if row.used > _USED_UP * row.allowed:
        return found("connections.used_up", "database connections", what)
    if wanted > row.allowed:
        share = max(1, row.allowed // (workers + 1))
        todo = f"set QS_DATABASE__POOL_SIZE={share} with max_overflow 0, or raise max_connections by {wanted - row.allowed}"
        more = f"{workers} worker processes and an API may open {each} each, {wanted} in all; {row.allowed} are allowed"
        return found("connections.too_few", "database connections", more, todo)
    return well("database connections", what)


async def _upkeep(connection: AsyncConnection, autovacuum: str) -> AsyncIterator[Finding]:
    tables = list(await connection.scalars(_UNVACUUMED))
    if autovacuum == "off":
        yield found("vacuum.off", "autovacuum", "off for the whole server")
    elif tables:
        yield found("vacuum.off", "autovacuum", f"off for {', '.join(tables)}")
    dead = (await connection.execute(_DEAD_ROWS, {"few": _FEW_ROWS})).all()
    if dead:
        told = ", ".join(f"{row.relname}: {row.dead} dead, {row.live} live" for row in dead)
        yield found("vacuum.behind", "dead rows", told)
    slots = (await connection.execute(_SLOTS)).all()
    if slots:
        told = ", ".join(f"{row.name} keeps {row.kept}" for row in slots)
        yield found("slot.left", "replication slots", told)
