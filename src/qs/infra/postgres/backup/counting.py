"""Counting every row there is, by tenant."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

NOBODY = ""

# Partitions are counted as the table they belong to.
_TABLES = text(
    """
SELECT c.relname::text AS name,
       EXISTS (SELECT FROM pg_attribute a
               WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped) AS of_tenants
FROM pg_class c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
ORDER BY 1
"""
)


async def tables(connection: AsyncConnection) -> dict[str, bool]:
    """Every table by its name; whether its rows belong to tenants."""
    return {row.name: row.of_tenants for row in await connection.execute(_TABLES)}


async def rows_by_tenant(connection: AsyncConnection) -> dict[str, dict[str, int]]:
    """How many rows each table holds of each tenant, and under ``""`` of none.

    The connection acts as the owner, whom row-level security hides nothing from.
    """
    quote = connection.dialect.identifier_preparer.quote
    counted: dict[str, dict[str, int]] = {}
    for name, of_tenants in (await tables(connection)).items():
        whose = "coalesce(tenant_id::text, '')" if of_tenants else "''"
        found = await connection.execute(
            text(f"SELECT {whose} AS tenant, count(*) AS n FROM {quote(name)} GROUP BY 1 ORDER BY 1")  # noqa: S608
        )
        counted[name] = {row.tenant: row.n for row in found}
    return counted
