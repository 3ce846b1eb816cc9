"""What was counted, what is stored and what happened, side by side in the database, where millions of figures fit."""

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import date
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from qs.application.statistics.ports import Figures, Kind, Pass, PlanCount, Sides
from qs.domain.statistics.calendar import Stretch
from qs.domain.statistics.metrics import METRICS, Counts, Place
from qs.infra.postgres.committing import commit
from qs.infra.statistics.accumulated import TOTALS_APART, SqlPlanFigures
from qs.infra.statistics.books import last_pass
from qs.infra.statistics.rows import GIVEN, NAMES, counts_of, parameters
from qs.infra.statistics.truth import ENTER, RecountFactory, SqlTruth

_COUNTED, _HAPPENED = "pg_temp.stat_counted", "pg_temp.stat_happened"
_COLUMNS = (
    "dimension text NOT NULL, key text NOT NULL, day date NOT NULL, "
    + ", ".join(f"{name} integer NOT NULL" for name in METRICS)
    + ", reasons jsonb NOT NULL"
)
_MAKE_COUNTED = text(f"CREATE TEMPORARY TABLE {_COUNTED} ({_COLUMNS}, PRIMARY KEY (dimension, key, day))")
_MAKE_HAPPENED = text(f"CREATE TEMPORARY TABLE {_HAPPENED} ({_COLUMNS})")
# Redis may name a place twice while it makes room for others; what was read first is what was counted before.
_KEEP = text(
    f"INSERT INTO {_COUNTED} (dimension, key, day, {NAMES}, reasons)"  # noqa: S608 - constants
    f" SELECT n.dimension, n.key, n.day, {', '.join(f'n.{name}' for name in METRICS)}, n.reasons::jsonb FROM {GIVEN}"
    " ON CONFLICT DO NOTHING"
)


def _side(alias: str) -> str:
    return ", ".join(f"{alias}.{name}" for name in METRICS) + f", {alias}.reasons::text"


def _differ(one: str, other: str) -> str:
    """Whether two sides differ, where one that has no row has nothing."""
    figures = [f"coalesce({one}.{name}, 0) <> coalesce({other}.{name}, 0)" for name in METRICS]
    return " OR ".join([*figures, f"coalesce({one}.reasons, '{{}}') <> coalesce({other}.reasons, '{{}}')"])


_DIFFERING = text(
    f"""
SELECT dimension, key, day, {_side("c")}, {_side("s")}, {_side("e")}
FROM {_HAPPENED} e
FULL JOIN (SELECT * FROM stat_daily WHERE tenant_id = :tenant) s USING (dimension, key, day)
FULL JOIN {_COUNTED} c USING (dimension, key, day)
WHERE {_differ("s", "e")} OR ((c.day IS NOT NULL OR day >= CAST(:live_from AS date)) AND ({_differ("c", "e")}))
ORDER BY dimension, key, day
"""  # noqa: S608 - constants
)
_SUMS = text(
    f"""
WITH by_reason AS (
    SELECT dimension, key, name, sum(count::integer) AS count
    FROM {_HAPPENED}, jsonb_each_text(reasons) AS r(name, count) WHERE reasons <> '{{}}' GROUP BY dimension, key, name
), reasons AS (
    SELECT dimension, key, jsonb_object_agg(name, count) AS reasons FROM by_reason GROUP BY dimension, key
), added AS (
    SELECT dimension, key, {", ".join(f"sum({name}) AS {name}" for name in METRICS)} FROM {_HAPPENED} GROUP BY dimension, key
)
SELECT dimension, key, {NAMES}, coalesce(reasons, '{{}}')::text FROM added LEFT JOIN reasons USING (dimension, key)
"""  # noqa: S608 - constants
)
_PORTION = 2000
_WIDTH = len(METRICS) + 1

_decode = msgspec.json.Decoder(dict[str, int]).decode


class SqlComparison:
    def __init__(
        self, connection: AsyncConnection, tenant_id: UUID, truth: SqlTruth, live_from: date | None
    ) -> None:
        self._connection = connection
        self._tenant_id = tenant_id
        self._live_from = live_from
        self.truth = truth

    async def passes(self, kinds: Collection[Kind]) -> Mapping[Kind, Pass | None]:
        return {kind: await last_pass(self._connection, self._tenant_id, kind) for kind in kinds}

    async def recount(self, stretches: Sequence[Stretch]) -> int:
        places = await self.truth.write(_HAPPENED, stretches)
        await self._connection.execute(text(f"ANALYZE {_HAPPENED}"))
        return places

    async def differing(self) -> AsyncGenerator[list[Sides], None]:
        given = {"tenant": self._tenant_id, "live_from": self._live_from or date.max}
        async for rows in self._portions(_DIFFERING, given):
            yield [_sides(row) for row in rows]

    async def happened(self) -> AsyncGenerator[list[tuple[str, str, Counts]], None]:
        async for rows in self._portions(_SUMS, {}):
            yield [(row[0], row[1], counts_of(row[2:-1], row[-1])) for row in rows]

    async def totals_apart(self) -> AsyncGenerator[list[tuple[str, str, Counts, Counts]], None]:
        async for rows in self._portions(TOTALS_APART, {"tenant": self._tenant_id}):
            yield [(row[0], row[1], _decode(row[2]), _decode(row[3])) for row in rows]

    async def stored_plans(self) -> Mapping[UUID, PlanCount]:
        return await SqlPlanFigures(self._connection, self._tenant_id).all()

    async def _portions(
        self, query: TextClause, given: Mapping[str, Any]
    ) -> AsyncIterator[Sequence[Sequence[Any]]]:
        async with self._connection.stream(query, given, execution_options={"yield_per": _PORTION}) as found:
            async for rows in found.partitions(_PORTION):
                yield rows


class SqlComparisons:
    """Keeps what is compared in temporary tables of one connection."""

    def __init__(self, engine: AsyncEngine, recount: RecountFactory) -> None:
        self._engine = engine
        self._recount = recount

    @asynccontextmanager
    async def __call__(
        self, tenant_id: UUID, counted: AsyncIterable[Figures] | None, live_from: date | None
    ) -> AsyncIterator[SqlComparison]:
        async with self._engine.connect() as connection:
            try:
                await connection.execute(_MAKE_COUNTED)
                await connection.execute(_MAKE_HAPPENED)
                async for figures in counted or _nothing():
                    await connection.execute(_KEEP, parameters(figures))
                await connection.execute(text(f"ANALYZE {_COUNTED}"))
                await commit(connection, "validate.counted")
                # Only now, since the snapshot is to be later than what was counted.
                await connection.execution_options(isolation_level="REPEATABLE READ")
                _, now = (await connection.execute(ENTER, {"tenant": str(tenant_id)})).one()
                truth = SqlTruth(connection, tenant_id, self._recount(connection, tenant_id), now)
                yield SqlComparison(connection, tenant_id, truth, live_from if counted is not None else None)
            finally:
                # The tables end with their connection.
                await connection.invalidate()


async def _nothing() -> AsyncIterator[Figures]:
    for _ in ():
        yield {}


def _sides(row: Sequence[Any]) -> Sides:
    dimension, key, day, *rest = row
    counted, stored, expected = (_counts(rest[n * _WIDTH : (n + 1) * _WIDTH]) for n in range(3))
    return Sides(Place(dimension, key, day), counted, stored, expected)


def _counts(columns: Sequence[Any]) -> Counts:
    """Nothing where there is no row."""
    *values, by_reason = columns
    return {} if by_reason is None else counts_of(values, by_reason)
