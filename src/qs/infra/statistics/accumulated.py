"""Totals and windows, added up from the daily figures, and the counts of plans."""

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from qs.application.statistics.ports import AccumulatedRow, PlanCount
from qs.domain.statistics.metrics import METRICS, WINDOWS

_TIMEOUTS = "expired:entry_timeout"


def _sums(condition: str = "") -> str:
    figures = {name: name for name in METRICS} | {_TIMEOUTS: f"(reasons ->> '{_TIMEOUTS}')::integer"}
    pairs = ", ".join(f"'{name}', coalesce(sum({what}){condition}, 0)" for name, what in figures.items())
    return f"jsonb_build_object({pairs})"


def _windows() -> str:
    each = ", ".join(
        f"'{days}', {_sums(f' FILTER (WHERE day > CAST(:today AS date) - {days} AND day <= CAST(:today AS date))')}"
        for days in WINDOWS
    )
    return f"jsonb_build_object({each})"


_NEXT_KEYS = text(
    """
SELECT DISTINCT dimension, key FROM stat_daily
WHERE tenant_id = :tenant AND (dimension, key) > (:dimension, :key) ORDER BY dimension, key LIMIT :limit
"""
)
_RANGE = (
    "AND (dimension, key) > (:after_dimension, :after_key)"
    " AND (dimension, key) <= (:through_dimension, :through_key)"
)


def _by_reason(keys: str = "") -> str:
    """A table ``reasons`` of the sums by reason, before others of the same statement."""
    return f"""
WITH by_reason AS (
    SELECT dimension, key, name, sum(count::integer) AS count
    FROM stat_daily, jsonb_each_text(reasons) AS r(name, count)
    WHERE tenant_id = :tenant {keys} AND reasons <> '{{}}'
    GROUP BY dimension, key, name
), reasons AS (
    SELECT dimension, key, jsonb_object_agg(name, count) AS reasons FROM by_reason GROUP BY dimension, key
)"""  # noqa: S608 - constants


_ADD_UP = text(
    f"""{_by_reason(_RANGE)}, added AS (
    SELECT dimension, key, {_sums()} AS totals, {_windows()} AS windows, min(day) AS first_on, max(day) AS last_on
    FROM stat_daily WHERE tenant_id = :tenant {_RANGE} GROUP BY dimension, key
)
INSERT INTO stat_accumulated AS o
    (tenant_id, dimension, key, totals, windows, first_on, last_on, through, as_of)
SELECT :tenant, dimension, key, totals || coalesce(reasons, '{{}}'), windows, first_on, last_on, :today, :as_of
FROM added LEFT JOIN reasons USING (dimension, key)
ORDER BY dimension, key
ON CONFLICT (tenant_id, dimension, key) DO UPDATE
SET totals = excluded.totals, windows = excluded.windows, first_on = excluded.first_on,
    last_on = excluded.last_on, through = excluded.through, as_of = excluded.as_of
WHERE (o.totals, o.windows, o.first_on, o.last_on, o.through)
    IS DISTINCT FROM (excluded.totals, excluded.windows, excluded.first_on, excluded.last_on, excluded.through)
"""  # noqa: S608 - constants
)
TOTALS_APART = text(
    f"""{_by_reason()}, added AS (
    SELECT dimension, key, {_sums()} AS totals FROM stat_daily WHERE tenant_id = :tenant GROUP BY dimension, key
), right_ones AS (
    SELECT dimension, key, totals || coalesce(reasons, '{{}}') AS totals FROM added LEFT JOIN reasons USING (dimension, key)
)
SELECT r.dimension, r.key, r.totals::text, coalesce(a.totals, '{{}}')::text
FROM right_ones r
LEFT JOIN (SELECT * FROM stat_accumulated WHERE tenant_id = :tenant) a USING (dimension, key)
WHERE a.totals IS DISTINCT FROM r.totals ORDER BY r.dimension, r.key
"""  # noqa: S608 - constants
)
"""Where the stored total is not the sum of the stored dates, or is not there yet."""

_GET = text(
    "SELECT totals::text, windows::text, first_on, last_on, through, as_of FROM stat_accumulated"
    " WHERE tenant_id = :tenant AND dimension = :dimension AND key = :key"
)

_UPSERT_PLANS = text(
    """
INSERT INTO stat_plan AS o (tenant_id, plan_id, counts, occasions, as_of)
SELECT :tenant, id, counts::jsonb, occasions::jsonb, :as_of
FROM unnest(CAST(:ids AS uuid[]), CAST(:counts AS text[]), CAST(:occasions AS text[])) AS n(id, counts, occasions)
ORDER BY id
ON CONFLICT (tenant_id, plan_id) DO UPDATE
SET counts = excluded.counts, occasions = excluded.occasions, as_of = excluded.as_of
WHERE (o.counts, o.occasions) IS DISTINCT FROM (excluded.counts, excluded.occasions)
"""
)
_PLANS = "SELECT plan_id, counts::text, occasions::text, as_of FROM stat_plan WHERE tenant_id = :tenant"

_encode = msgspec.json.Encoder().encode
_counts = msgspec.json.Decoder(dict[str, int]).decode
_windowed = msgspec.json.Decoder(dict[str, dict[str, int]]).decode
_occasions = msgspec.json.Decoder(list[dict[str, int]]).decode


class SqlAccumulatedFigures:
    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def next_keys(self, after: tuple[str, str], limit: int) -> Sequence[tuple[str, str]]:
        given = {"tenant": self._tenant_id, "dimension": after[0], "key": after[1], "limit": limit}
        rows = await self._connection.execute(_NEXT_KEYS, given)
        return [(row.dimension, row.key) for row in rows.all()]

    async def add_up(
        self, after: tuple[str, str], through: tuple[str, str], today: date, as_of: datetime
    ) -> int:
        given = {
            "tenant": self._tenant_id,
            "after_dimension": after[0],
            "after_key": after[1],
            "through_dimension": through[0],
            "through_key": through[1],
            "today": today,
            "as_of": as_of,
        }
        return (await self._connection.execute(_ADD_UP, given)).rowcount

    async def get(self, dimension: str, key: str) -> AccumulatedRow | None:
        given = {"tenant": self._tenant_id, "dimension": dimension, "key": key}
        row = (await self._connection.execute(_GET, given)).one_or_none()
        if row is None:
            return None
        totals, windows, *rest = row
        return AccumulatedRow(_counts(totals), _windowed(windows), *rest)


class SqlPlanFigures:
    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def upsert(self, counted: Sequence[PlanCount], as_of: datetime) -> int:
        if not counted:
            return 0
        given = {
            "tenant": self._tenant_id,
            "as_of": as_of,
            "ids": [each.plan_id for each in counted],
            "counts": [_encode(each.counts).decode() for each in counted],
            "occasions": [_encode(each.occasions).decode() for each in counted],
        }
        return (await self._connection.execute(_UPSERT_PLANS, given)).rowcount

    async def get(self, plan_id: UUID) -> tuple[PlanCount, datetime] | None:
        query = text(_PLANS + " AND plan_id = :id")
        row = (
            await self._connection.execute(query, {"tenant": self._tenant_id, "id": plan_id})
        ).one_or_none()
        return None if row is None else (PlanCount(row[0], _counts(row[1]), _occasions(row[2])), row[3])

    async def all(self) -> dict[UUID, PlanCount]:
        rows = await self._connection.execute(text(_PLANS), {"tenant": self._tenant_id})
        return {row[0]: PlanCount(row[0], _counts(row[1]), _occasions(row[2])) for row in rows.all()}
