"""What was counted, what is stored and what happened, side by side in the database, where millions of figures fit."""

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Collection, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import date
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from qs.application.statistics.ports import Epoch, Figures, Kind, Pass, PlanCount, Sides
from qs.domain.statistics.calendar import Stretch
from qs.domain.statistics.metrics import METRICS, Counts, Place
from qs.infra.postgres.committing import commit
from qs.infra.statistics.accumulated import TOTALS_APART, SqlPlanFigures
from qs.infra.statistics.books import SqlEpochBook, last_pass
from qs.infra.statistics.rows import NAMES, counts_of, row_of
from qs.infra.statistics.truth import ENTER, RecountFactory, SqlTruth

_SCHEMA, _TABLE = "pg_temp", "stat_counted"
_COUNTED, _HAPPENED = f"{_SCHEMA}.{_TABLE}", f"{_SCHEMA}.stat_happened"
_NAMED = ("dimension", "key", "day", *METRICS, "reasons")
_COLUMNS = (
    "dimension text NOT NULL, key text NOT NULL, day date NOT NULL, "
    # Wider than what is stored, so that a counter that ran away is found and not refused.
    + ", ".join(f"{name} bigint NOT NULL" for name in METRICS)
    + ", reasons jsonb NOT NULL"
)
_MAKE_COUNTED = text(f"CREATE TEMPORARY TABLE {_COUNTED} ({_COLUMNS})")
_MAKE_HAPPENED = text(f"CREATE TEMPORARY TABLE {_HAPPENED} ({_COLUMNS})")


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
WHERE {_differ("s", "e")} OR (day >= CAST(:live_from AS date) AND ({_differ("c", "e")}))
ORDER BY dimension, key, day
"""  # noqa: S608 - constants
)
_SUMS = f"""
WITH by_reason AS (
    SELECT dimension, key, name, sum(count::integer) AS count
    FROM {_HAPPENED}, jsonb_each_text(reasons) AS r(name, count) WHERE reasons <> '{{}}' GROUP BY dimension, key, name
), reasons AS (
    SELECT dimension, key, jsonb_object_agg(name, count) AS reasons FROM by_reason GROUP BY dimension, key
), added AS (
    SELECT dimension, key, {", ".join(f"sum({name}) AS {name}" for name in METRICS)} FROM {_HAPPENED} GROUP BY dimension, key
), sums AS (
    SELECT dimension, key, {NAMES}, coalesce(reasons, '{{}}')::text AS reasons FROM added LEFT JOIN reasons USING (dimension, key)
)
"""  # noqa: S608 - constants
_ALL_SUMS = text(f"{_SUMS} SELECT dimension, key, {NAMES}, reasons FROM sums")  # noqa: S608 - constants
# Most testees have the same sums as many others.
_UNLIKE_SUMS = text(
    f"{_SUMS} SELECT DISTINCT dimension, CASE WHEN dimension = 'plan' THEN key ELSE '' END, {NAMES}, reasons FROM sums"  # noqa: S608
)
_PORTION = 2000
_WIDTH = len(METRICS) + 1

_decode = msgspec.json.Decoder(dict[str, int]).decode


class SqlComparison:
    def __init__(
        self, connection: AsyncConnection, tenant_id: UUID, truth: SqlTruth, epoch: Epoch | None
    ) -> None:
        self._connection = connection
        self._tenant_id = tenant_id
        self.truth = truth
        self.epoch = epoch

    async def passes(self, kinds: Collection[Kind]) -> Mapping[Kind, Pass | None]:
        return {kind: await last_pass(self._connection, self._tenant_id, kind) for kind in kinds}

    async def recount(self, stretches: Sequence[Stretch]) -> int:
        places = await self.truth.write(_HAPPENED, stretches)
        await self._connection.execute(text(f"ANALYZE {_HAPPENED}"))
        return places

    async def differing(self) -> AsyncGenerator[list[Sides], None]:
        given = {"tenant": self._tenant_id, "live_from": self.epoch.live_from if self.epoch else date.max}
        last: Sequence[Any] = ()
        async with aclosing(self._portions(_DIFFERING, given)) as portions:
            async for rows in portions:
                found = []
                for row in rows:
                    # Redis may have named a place twice while it made room for others.
                    if row[:3] != last:
                        found.append(_sides(row))
                    last = row[:3]
                yield found

    async def happened(self) -> AsyncGenerator[list[tuple[str, str, Counts]], None]:
        async with aclosing(self._portions(_ALL_SUMS, {})) as portions:
            async for rows in portions:
                yield [_sum(row) for row in rows]

    async def happened_unlike(self) -> AsyncGenerator[list[tuple[str, str, Counts]], None]:
        async with aclosing(self._portions(_UNLIKE_SUMS, {})) as portions:
            async for rows in portions:
                yield [_sum(row) for row in rows]

    async def totals_apart(self) -> AsyncGenerator[list[tuple[str, str, Counts, Counts]], None]:
        async with aclosing(self._portions(TOTALS_APART, {"tenant": self._tenant_id})) as portions:
            async for rows in portions:
                yield [(row[0], row[1], _decode(row[2]), _decode(row[3])) for row in rows]

    async def stored_plans(self) -> Mapping[UUID, PlanCount]:
        return await SqlPlanFigures(self._connection, self._tenant_id).all()

    async def _portions(
        self, query: TextClause, given: Mapping[str, Any]
    ) -> AsyncGenerator[Sequence[Sequence[Any]], None]:
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
        self, tenant_id: UUID, epoch: UUID | None, counted: AsyncIterable[Figures]
    ) -> AsyncIterator[SqlComparison]:
        async with self._engine.connect() as connection:
            try:
                await connection.execute(_MAKE_COUNTED)
                await connection.execute(_MAKE_HAPPENED)
                await _copy(connection, counted)
                await connection.execute(text(f"ANALYZE {_COUNTED}"))
                await commit(connection, "validate.counted")
                # Only now, since the snapshot is to be later than what was counted.
                await connection.execution_options(isolation_level="REPEATABLE READ")
                _, now = (await connection.execute(ENTER, {"tenant": str(tenant_id)})).one()
                truth = SqlTruth(connection, tenant_id, self._recount(connection, tenant_id), now)
                now_known = await SqlEpochBook(connection, tenant_id).get()
                same = now_known is not None and now_known.id == epoch
                yield SqlComparison(connection, tenant_id, truth, now_known if same else None)
            finally:
                # The tables end with their connection.
                await connection.invalidate()


async def _copy(connection: AsyncConnection, counted: AsyncIterable[Figures]) -> None:
    driver = (await connection.get_raw_connection()).driver_connection
    assert driver is not None
    async for figures in counted:
        rows = map(row_of, figures.items())
        await driver.copy_records_to_table(_TABLE, schema_name=_SCHEMA, records=rows, columns=_NAMED)


def _sides(row: Sequence[Any]) -> Sides:
    dimension, key, day, *rest = row
    counted, stored, expected = (_counts(rest[n * _WIDTH : (n + 1) * _WIDTH]) for n in range(3))
    return Sides(Place(dimension, key, day), counted, stored, expected)


def _sum(row: Sequence[Any]) -> tuple[str, str, Counts]:
    return row[0], row[1], counts_of(row[2:-1], row[-1])


def _counts(columns: Sequence[Any]) -> Counts:
    """Nothing where there is no row."""
    *values, by_reason = columns
    return {} if by_reason is None else counts_of(values, by_reason)
