"""What happened, counted from enrollments and tasks themselves, in a transaction that its user holds."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

Figure = tuple[str, str, date, Mapping[str, int]]
"""Dimension (tenant, plan, scale, testee), key, civil date, and the figures by name."""

# An occasion that could never be opened is canceled as it is made; no event tells of it.
BORN_CANCELED = "canceled_at = created_at AND reason IN ('late_enrollment', 'late_edit')"

_FACTS = f"""
SELECT width_bucket(e.created_at, CAST(:starts AS timestamptz[])) AS stretch, e.plan_id, p.scale_code, e.testee_id,
    'enrolled' AS what, NULL AS reason, false AS later, false AS also
FROM enrollment e JOIN plan p ON p.tenant_id = e.tenant_id AND p.id = e.plan_id
WHERE e.tenant_id = :tenant AND e.created_at >= :since AND e.created_at < :until
UNION ALL
SELECT width_bucket(opened_at, CAST(:starts AS timestamptz[])), plan_id, scale_code, testee_id,
    'opened', NULL, false, false
FROM task WHERE tenant_id = :tenant AND opened_at >= :since AND opened_at < :until
UNION ALL
SELECT width_bucket(completed_at, CAST(:starts AS timestamptz[])), plan_id, scale_code, testee_id,
    'completed', NULL, seq > 1, completed_at <= due_at
FROM task WHERE tenant_id = :tenant AND completed_at >= :since AND completed_at < :until
UNION ALL
SELECT width_bucket(expired_at, CAST(:starts AS timestamptz[])), plan_id, scale_code, testee_id,
    CASE WHEN reason = 'missed' THEN 'missed' ELSE 'expired' END, reason, seq > 1, false
FROM task WHERE tenant_id = :tenant AND expired_at >= :since AND expired_at < :until
UNION ALL
SELECT width_bucket(canceled_at, CAST(:starts AS timestamptz[])), plan_id, scale_code, testee_id,
    'canceled', reason, false, opened_at IS NOT NULL
FROM task WHERE tenant_id = :tenant AND canceled_at >= :since AND canceled_at < :until AND NOT ({BORN_CANCELED})
"""  # noqa: S608 - constants

_COUNTED = {
    "enrolled": "what = 'enrolled'",
    "opened": "what = 'opened'",
    "completed": "what = 'completed'",
    "on_time": "what = 'completed' AND also",
    "expired": "what = 'expired'",
    "missed": "what = 'missed'",
    "canceled": "what = 'canceled'",
    "canceled_open": "what = 'canceled' AND also",
    "followup_completed": "what = 'completed' AND later",
    "followup_expired": "what = 'expired' AND later",
}
_NAMES = ", ".join(_COUNTED)
# One pass over the facts for all four dimensions; which one a row is of, GROUPING tells: it sets a bit for each column
# that is not grouped by, the first column's highest.
_WHOSE = (
    "GROUPING(plan_id, scale_code, testee_id) AS which,"
    " coalesce(plan_id::text, scale_code, testee_id::text, CAST(:tenant AS uuid)::text) AS key"
)
_SETS = "(day{0}), (day{0}, plan_id), (day{0}, scale_code), (day{0}, testee_id)"
_FIGURES = f"""
WITH fact AS MATERIALIZED (
    SELECT (CAST(:days AS date[]))[stretch] AS day, f.* FROM ({_FACTS}) f
    WHERE (CAST(:days AS date[]))[stretch] IS NOT NULL
), figures AS (
    SELECT {_WHOSE}, day, {", ".join(f"count(*) FILTER (WHERE {what}) AS {name}" for name, what in _COUNTED.items())}
    FROM fact GROUP BY GROUPING SETS ({_SETS.format("")})
), by_reason AS (
    SELECT {_WHOSE}, day, what || ':' || reason AS name, count(*) AS count FROM fact
    WHERE what IN ('expired', 'canceled') AND reason IS NOT NULL GROUP BY GROUPING SETS ({_SETS.format(", what, reason")})
), reasons AS (
    SELECT which, key, day, jsonb_object_agg(name, count) AS reasons FROM by_reason GROUP BY which, key, day
)
SELECT CASE which WHEN 7 THEN 'tenant' WHEN 3 THEN 'plan' WHEN 5 THEN 'scale' ELSE 'testee' END AS dimension, key, day,
    {_NAMES}, coalesce(reasons, '{{}}') AS reasons
FROM figures LEFT JOIN reasons USING (which, key, day)
"""  # noqa: S608 - constants
_READ = text(f"SELECT dimension, key, day, {_NAMES}, reasons::text FROM ({_FIGURES}) f")  # noqa: S608 - constants
_FIRST = text("SELECT min(created_at) FROM enrollment WHERE tenant_id = :tenant")

_PLANS = text(
    """
WITH page AS MATERIALIZED (
    SELECT id FROM plan WHERE tenant_id = :tenant AND id > :after ORDER BY id LIMIT :limit
), tasks AS (
    SELECT plan_id, count(*) AS total, count(*) FILTER (WHERE status = 'pending') AS pending,
        count(*) FILTER (WHERE status = 'opened') AS currently_open,
        count(*) FILTER (WHERE status = 'completed') AS completed,
        count(*) FILTER (WHERE status = 'completed' AND completed_at <= due_at) AS on_time,
        count(*) FILTER (WHERE status = 'expired' AND reason <> 'missed') AS expired,
        count(*) FILTER (WHERE status = 'expired' AND reason = 'entry_timeout') AS entry_timeout,
        count(*) FILTER (WHERE status = 'expired' AND reason = 'missed') AS missed,
        count(*) FILTER (WHERE status = 'canceled') AS canceled,
        count(*) FILTER (WHERE status = 'canceled' AND reason = 'late_enrollment') AS late_enrollment,
        count(*) FILTER (WHERE status = 'completed' AND seq > 1) AS followup_completed,
        count(*) FILTER (WHERE status = 'expired' AND reason <> 'missed' AND seq > 1) AS followup_expired
    FROM task WHERE tenant_id = :tenant AND plan_id IN (SELECT id FROM page) GROUP BY plan_id
), people AS (
    SELECT plan_id, count(DISTINCT testee_id) AS enrolled,
        count(DISTINCT testee_id) FILTER (WHERE status IN ('active', 'paused')) AS active
    FROM enrollment WHERE tenant_id = :tenant AND plan_id IN (SELECT id FROM page) GROUP BY plan_id
)
SELECT page.id, coalesce(total, 0) AS total, coalesce(pending, 0) AS pending,
    coalesce(currently_open, 0) AS currently_open, coalesce(completed, 0) AS completed,
    coalesce(on_time, 0) AS on_time, coalesce(expired, 0) AS expired, coalesce(entry_timeout, 0) AS "expired\\:entry_timeout",
    coalesce(missed, 0) AS missed, coalesce(canceled, 0) AS canceled,
    coalesce(late_enrollment, 0) AS "canceled\\:late_enrollment",
    coalesce(followup_completed, 0) AS followup_completed, coalesce(followup_expired, 0) AS followup_expired,
    coalesce(enrolled, 0) AS enrolled, coalesce(active, 0) AS active
FROM page LEFT JOIN tasks ON tasks.plan_id = page.id LEFT JOIN people ON people.plan_id = page.id ORDER BY page.id
"""
)
_OCCASIONS = text(
    """
SELECT plan_id, seq, count(*) AS total, count(opened_at) AS opened,
    count(*) FILTER (WHERE opened_at IS NOT NULL AND status IN ('completed', 'expired')) AS closed,
    count(*) FILTER (WHERE status = 'completed') AS completed, count(*) FILTER (WHERE status = 'expired') AS expired
FROM task WHERE tenant_id = :tenant AND plan_id = ANY(CAST(:plans AS uuid[])) AND NOT dropped
GROUP BY plan_id, seq ORDER BY plan_id, seq
"""
)
_NONE = UUID(int=0)
_PORTION = 2000

_decode = msgspec.json.Decoder(dict[str, int]).decode


class SqlRecount:
    """Counts what the transaction of ``connection`` sees of one tenant."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def first_instant(self) -> datetime | None:
        """When the first testee was enrolled, before which nothing happened."""
        found: datetime | None = await self._connection.scalar(_FIRST, {"tenant": self._tenant_id})
        return found

    async def figures(
        self, starts: Sequence[datetime], days: Sequence[date | None]
    ) -> AsyncGenerator[list[Figure], None]:
        """The figures of what happened from ``starts[i]`` on, until the next start, as those of ``days[i]``, in portions.

        ``starts`` ascend; the last only ends the stretch before it. A stretch without a day is left out.
        """
        given = self._given(starts, days)
        async with self._connection.stream(_READ, given, execution_options={"yield_per": _PORTION}) as found:
            async for rows in found.partitions(_PORTION):
                yield [_figure(row) for row in rows]

    async def write(self, table: str, starts: Sequence[datetime], days: Sequence[date | None]) -> int:
        """Writes the same figures into a table of that name, whose columns are those of a figure; returns how many."""
        query = f"INSERT INTO {table} (dimension, key, day, {_NAMES}, reasons) {_FIGURES}"
        return (await self._connection.execute(text(query), self._given(starts, days))).rowcount

    def _given(self, starts: Sequence[datetime], days: Sequence[date | None]) -> dict[str, Any]:
        return {
            "tenant": self._tenant_id,
            "starts": list(starts),
            "days": [*days[: len(starts) - 1], None],
            "since": starts[0],
            "until": starts[-1],
        }

    async def plans(
        self, after: UUID | None, limit: int
    ) -> list[tuple[UUID, dict[str, int], list[dict[str, int]]]]:
        """The plans after an id in its order: counts of all tasks by state, and per occasion of those not dropped."""
        given = {"tenant": self._tenant_id, "after": after or _NONE, "limit": limit}
        rows = (await self._connection.execute(_PLANS, given)).mappings().all()
        counted = {row["id"]: {str(name): n for name, n in row.items() if name != "id"} for row in rows}
        occasions: dict[UUID, list[dict[str, int]]] = {plan_id: [] for plan_id in counted}
        seqs = await self._connection.execute(_OCCASIONS, {"tenant": self._tenant_id, "plans": list(counted)})
        for row in seqs.mappings().all():
            occasions[row["plan_id"]].append({str(k): n for k, n in row.items() if k != "plan_id"})
        return [(plan_id, counts, occasions[plan_id]) for plan_id, counts in counted.items()]


def _figure(row: Sequence[Any]) -> Figure:
    dimension, key, day, *counts, reasons = row
    named = {name: count for name, count in zip(_COUNTED, counts, strict=True) if count}
    return dimension, key, day, named if reasons == "{}" else named | _decode(reasons)
