"""Daily figures in PostgreSQL: absolute values, never lowered by a sync, with the history of closed dates."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row, TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from qs.application.statistics.ports import DailyRow, Figures, Revision
from qs.domain.statistics.metrics import METRICS
from qs.infra.statistics.rows import GIVEN, NAMES, counts_of, parameters

_GREW = " OR ".join(f"n.{name} > coalesce(o.{name}, 0)" for name in METRICS)
_DIFFERS = " OR ".join(f"n.{name} <> coalesce(o.{name}, 0)" for name in METRICS)


def _document(row: str, names: Sequence[str] = METRICS) -> str:
    pairs = ", ".join(f"'{name}', {row}.{name}" for name in names)
    return f"jsonb_build_object({pairs})"


def _write(*, only_up: bool) -> TextClause:
    keep = "greatest(o.{0}, excluded.{0})" if only_up else "excluded.{0}"
    assigned = ", ".join(f"{name} = {keep.format(name)}" for name in METRICS)
    moved = (_GREW if only_up else _DIFFERS).replace("n.", "excluded.")
    if not only_up:
        moved += " OR excluded.reasons <> o.reasons"
    return text(
        f"""
INSERT INTO stat_daily AS o (tenant_id, dimension, key, day, {NAMES}, reasons, generation, reason, as_of)
SELECT :tenant, n.dimension, n.key, n.day, {", ".join(f"n.{name}" for name in METRICS)}, n.reasons::jsonb,
    CASE WHEN n.day <= CAST(:closed AS date) THEN 1 ELSE 0 END,
    CASE WHEN n.day <= CAST(:closed AS date) THEN :why END, :as_of
FROM {GIVEN}
ON CONFLICT (tenant_id, dimension, key, day) DO UPDATE
SET {assigned}, reasons = excluded.reasons, as_of = excluded.as_of,
    generation = o.generation + excluded.generation, reason = coalesce(excluded.reason, o.reason)
WHERE {moved}
"""  # noqa: S608 - constants
    )


def _keep_history(*, only_up: bool) -> TextClause:
    changed = _GREW if only_up else f"{_DIFFERS} OR n.reasons::jsonb <> coalesce(o.reasons, '{{}}')"
    return text(
        f"""
INSERT INTO stat_revision (tenant_id, dimension, key, day, generation, reason, before, after)
SELECT :tenant, n.dimension, n.key, n.day, coalesce(o.generation, 0) + 1, :why,
    CASE WHEN o.day IS NULL THEN '{{}}' ELSE {_document("o")} || o.reasons END,
    {_document("n")} || n.reasons::jsonb
FROM {GIVEN}
LEFT JOIN LATERAL (
    -- One look at the key for each, since what is written at once is little beside what is stored.
    SELECT * FROM stat_daily d
    WHERE d.tenant_id = :tenant AND d.dimension = n.dimension AND d.key = n.key AND d.day = n.day OFFSET 0
) o ON true
WHERE n.day <= CAST(:closed AS date) AND ({changed})
"""  # noqa: S608 - constants
    )


_UPSERT, _REPLACE = _write(only_up=True), _write(only_up=False)
_HISTORY_UP, _HISTORY = _keep_history(only_up=True), _keep_history(only_up=False)
_COLUMNS = f"day, {NAMES}, reasons::text AS reasons"
_OF = text(
    f"""
SELECT {_COLUMNS}, generation, reason, as_of FROM stat_daily
WHERE tenant_id = :tenant AND dimension = :dimension AND key = :key
  AND day >= coalesce(CAST(:since AS date), '-infinity') AND day <= coalesce(CAST(:until AS date), 'infinity')
ORDER BY day
"""  # noqa: S608 - constants
)
_REVISIONS = text(
    "SELECT day, generation, reason, before::text, after::text, at FROM stat_revision"
    " WHERE tenant_id = :tenant AND dimension = :dimension AND key = :key"
    " AND day >= coalesce(CAST(:since AS date), '-infinity') AND day <= coalesce(CAST(:until AS date), 'infinity')"
    " ORDER BY day, generation"
)
_MARK = text(
    "INSERT INTO stat_stale_day (tenant_id, day, reason) SELECT :tenant, day, :reason"
    " FROM unnest(CAST(:days AS date[])) AS d(day) ORDER BY day ON CONFLICT DO NOTHING"
)
_STALE = text("SELECT day, reason FROM stat_stale_day WHERE tenant_id = :tenant ORDER BY day")
_NO_LONGER = text("DELETE FROM stat_stale_day WHERE tenant_id = :tenant AND day = ANY(CAST(:days AS date[]))")

_decode = msgspec.json.Decoder(dict[str, int]).decode


class SqlDailyFigures:
    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def upsert(self, rows: Figures, as_of: datetime, closed_through: date | None, reason: str) -> int:
        return await self._put((_UPSERT, _HISTORY_UP), rows, as_of, closed_through, reason)

    async def replace(self, rows: Figures, as_of: datetime, closed_through: date | None) -> int:
        return await self._put((_REPLACE, _HISTORY), rows, as_of, closed_through, "repair")

    async def mark_stale(self, days: Collection[date], reason: str) -> None:
        if days:
            given = {"tenant": self._tenant_id, "days": list(days), "reason": reason}
            await self._connection.execute(_MARK, given)

    async def stale(self) -> Mapping[date, str]:
        rows = await self._connection.execute(_STALE, {"tenant": self._tenant_id})
        return {row.day: row.reason for row in rows}

    async def no_longer_stale(self, days: Collection[date]) -> None:
        await self._connection.execute(_NO_LONGER, {"tenant": self._tenant_id, "days": list(days)})

    async def of(
        self, dimension: str, key: str, since: date | None, until: date | None
    ) -> Sequence[DailyRow]:
        given = {
            "tenant": self._tenant_id,
            "dimension": dimension,
            "key": key,
            "since": since,
            "until": until,
        }
        rows = (await self._connection.execute(_OF, given)).all()
        return [_daily_row(row) for row in rows]

    async def revisions(
        self, dimension: str, key: str, since: date | None = None, until: date | None = None
    ) -> Sequence[Revision]:
        given = {
            "tenant": self._tenant_id,
            "dimension": dimension,
            "key": key,
            "since": since,
            "until": until,
        }
        rows = (await self._connection.execute(_REVISIONS, given)).all()
        return [
            Revision(day, gen, why, _decode(was), _decode(now), at) for day, gen, why, was, now, at in rows
        ]

    async def _put(
        self,
        statements: tuple[TextClause, TextClause],
        rows: Figures,
        as_of: datetime,
        closed_through: date | None,
        why: str,
    ) -> int:
        if not rows:
            return 0
        write, keep_history = statements
        given = parameters(rows) | {"tenant": self._tenant_id, "closed": closed_through, "why": why}
        if closed_through is not None and any(place.day <= closed_through for place in rows):
            await self._connection.execute(keep_history, given)
        return (await self._connection.execute(write, given | {"as_of": as_of})).rowcount


def _daily_row(row: Row[Any]) -> DailyRow:
    last = len(METRICS) + 1
    return DailyRow(row.day, counts_of(row[1:last], row.reasons), row.generation, row.reason, row.as_of)
