"""I8: figures equal a recount, which is made here from the tasks anew and shares no line with the product's."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
from redis.asyncio import Redis

from qs.application.statistics import counting
from tests.support.laws import Law, query

_SUBSCRIBER = counting.SUBSCRIPTION.subscriber
_METRICS = {
    "enrolled": ("n", "enrolled"),
    "opened": ("n", "opened"),
    "completed": ("n", "completed"),
    "on_time": ("also", "completed"),
    "expired": ("n", "expired"),
    "missed": ("n", "missed"),
    "canceled": ("n", "canceled"),
    "canceled_open": ("also", "canceled"),
    "followup_completed": ("later", "completed"),
    "followup_expired": ("later", "expired"),
}
"""Of which sum over what happened each metric is: all, those on time or opened before, those after the first occasion."""
_WINDOWS = (7, 15, 30)
# A tenant one of whose events was given up is left out: whether its figures have that event depends on whether they
# were counted again since.
_WHOLE = f"""(SELECT id FROM tenant t WHERE NOT EXISTS (
    SELECT FROM inbox i WHERE i.tenant_id = t.id AND i.subscriber = '{_SUBSCRIBER}' AND i.state = 'dead'))"""


def _of_metrics(each: str) -> str:
    return ", ".join(each.format(*of, name=name) for name, of in _METRICS.items())


_SUMMED = _of_metrics("coalesce(sum({0}) FILTER (WHERE figure = '{1}'), 0)::integer AS {name}")
# Dates are those of the zone that the tenant had at that instant.
_COUNT = f"""
CREATE TEMPORARY TABLE counted AS
WITH zones AS MATERIALIZED (
    SELECT id AS tenant_id, timezone, '-infinity'::timestamptz AS since, 'infinity'::timestamptz AS until FROM tenant
    WHERE id NOT IN (SELECT tenant_id FROM tenant_zone)
    UNION ALL
    SELECT tenant_id, timezone, since, lead(since, 1, 'infinity') OVER (PARTITION BY tenant_id ORDER BY since)
    FROM tenant_zone
), happened AS (
    SELECT e.tenant_id, e.plan_id, p.scale_code, e.testee_id, e.created_at AS at, 'enrolled' AS figure,
        NULL AS reason, false AS also, false AS later
    FROM enrollment e JOIN plan p ON p.tenant_id = e.tenant_id AND p.id = e.plan_id
    UNION ALL
    SELECT tenant_id, plan_id, scale_code, testee_id, opened_at, 'opened', NULL, false, false
    FROM task WHERE opened_at IS NOT NULL
    UNION ALL
    SELECT tenant_id, plan_id, scale_code, testee_id, completed_at, 'completed', NULL, completed_at <= due_at, seq > 1
    FROM task WHERE status = 'completed'
    UNION ALL
    SELECT tenant_id, plan_id, scale_code, testee_id, expired_at, CASE reason WHEN 'missed' THEN reason ELSE 'expired' END,
        nullif(reason, 'missed'), false, seq > 1
    FROM task WHERE status = 'expired'
    UNION ALL
    SELECT tenant_id, plan_id, scale_code, testee_id, canceled_at, 'canceled', reason, opened_at IS NOT NULL, false
    FROM task WHERE status = 'canceled' AND NOT (canceled_at = created_at AND reason IN ('late_enrollment', 'late_edit'))
), alike AS (
    SELECT tenant_id, CASE GROUPING(plan_id, scale_code, testee_id)
            WHEN 7 THEN 'tenant' WHEN 3 THEN 'plan' WHEN 5 THEN 'scale' ELSE 'testee' END AS dimension,
        coalesce(plan_id::text, scale_code, testee_id::text, tenant_id::text) AS key,
        day, figure, reason, count(*) AS n, count(*) FILTER (WHERE also) AS also, count(*) FILTER (WHERE later) AS later
    FROM (SELECT h.*, (at AT TIME ZONE timezone)::date AS day
        FROM happened h JOIN zones z ON z.tenant_id = h.tenant_id AND h.at >= z.since AND h.at < z.until
        WHERE h.tenant_id IN {_WHOLE}) h
    GROUP BY GROUPING SETS ((tenant_id, day, figure, reason), (tenant_id, day, figure, reason, plan_id),
        (tenant_id, day, figure, reason, scale_code), (tenant_id, day, figure, reason, testee_id))
)
SELECT tenant_id, dimension, key, day,
    {_SUMMED},
    coalesce(sum(n) FILTER (WHERE figure = 'expired' AND reason = 'entry_timeout'), 0)::integer AS timeouts,
    coalesce(jsonb_object_agg(figure || ':' || reason, n) FILTER (WHERE reason IS NOT NULL), '{{}}') AS reasons
FROM alike GROUP BY tenant_id, dimension, key, day
"""
_PAIRS = _of_metrics("'{name}', {{0}}.{name}")
_ROW = f"jsonb_build_object({_PAIRS}) || {{0}}.reasons"
_DAILY = f"""
(SELECT * FROM stat_daily WHERE tenant_id IN {_WHOLE}) s FULL JOIN counted c USING (tenant_id, dimension, key, day)"""


def _sums(when: str = "true") -> str:
    each = _of_metrics(f"'{{name}}', coalesce(sum(c.{{name}}) FILTER (WHERE {when}), 0)")
    return f"jsonb_build_object({each}, 'expired:entry_timeout', coalesce(sum(c.timeouts) FILTER (WHERE {when}), 0))"


def _in_window(days: int) -> str:
    return _sums(f"c.day > a.through - {days} AND c.day <= a.through")


_IN_WINDOWS = ", ".join(f"'{days}', {_in_window(days)}" for days in _WINDOWS)
_ADD = f"""
CREATE TEMPORARY TABLE added AS
WITH by_reason AS (
    SELECT tenant_id, dimension, key, jsonb_object_agg(name, n) AS reasons FROM (
        SELECT tenant_id, dimension, key, name, sum(n::integer) AS n FROM counted, jsonb_each_text(reasons) AS r(name, n)
        WHERE reasons <> '{{}}' GROUP BY 1, 2, 3, 4) named GROUP BY 1, 2, 3
), by_key AS (
    SELECT c.tenant_id, c.dimension, c.key, min(c.day) AS first_on, max(c.day) AS last_on, {_sums()} AS totals,
        jsonb_build_object({_IN_WINDOWS}) AS windows
    FROM counted c LEFT JOIN stat_accumulated a USING (tenant_id, dimension, key) GROUP BY 1, 2, 3
)
SELECT tenant_id, dimension, key, first_on, last_on, windows, totals || coalesce(reasons, '{{}}') AS totals
FROM by_key LEFT JOIN by_reason USING (tenant_id, dimension, key)
"""
_ADDED = f"""
(SELECT * FROM stat_accumulated WHERE tenant_id IN {_WHOLE}) s FULL JOIN added c USING (tenant_id, dimension, key)"""
_PLANS = """
plan p LEFT JOIN stat_plan s ON s.tenant_id = p.tenant_id AND s.plan_id = p.id CROSS JOIN LATERAL (
    SELECT jsonb_build_object('total', count(*), 'pending', count(*) FILTER (WHERE status = 'pending'),
        'currently_open', count(*) FILTER (WHERE status = 'opened'),
        'completed', count(*) FILTER (WHERE status = 'completed'),
        'on_time', count(*) FILTER (WHERE status = 'completed' AND completed_at <= due_at),
        'followup_completed', count(*) FILTER (WHERE status = 'completed' AND seq > 1),
        'expired', count(*) FILTER (WHERE status = 'expired' AND reason <> 'missed'),
        'expired:entry_timeout', count(*) FILTER (WHERE status = 'expired' AND reason = 'entry_timeout'),
        'followup_expired', count(*) FILTER (WHERE status = 'expired' AND reason <> 'missed' AND seq > 1),
        'missed', count(*) FILTER (WHERE status = 'expired' AND reason = 'missed'),
        'canceled', count(*) FILTER (WHERE status = 'canceled'),
        'canceled:late_enrollment', count(*) FILTER (WHERE status = 'canceled' AND reason = 'late_enrollment')
    ) AS tasks FROM task t WHERE t.tenant_id = p.tenant_id AND t.plan_id = p.id) t CROSS JOIN LATERAL (
    SELECT jsonb_build_object('enrolled', count(DISTINCT testee_id),
        'active', count(DISTINCT testee_id) FILTER (WHERE status IN ('active', 'paused'))) AS people
    FROM enrollment e WHERE e.tenant_id = p.tenant_id AND e.plan_id = p.id) e CROSS JOIN LATERAL (
    SELECT coalesce(jsonb_agg(jsonb_build_object('seq', seq, 'total', total, 'opened', opened, 'closed', closed,
        'completed', completed, 'expired', expired) ORDER BY seq), '[]') AS occasions
    FROM (SELECT seq, count(*) AS total, count(opened_at) AS opened,
            count(*) FILTER (WHERE opened_at IS NOT NULL AND status IN ('completed', 'expired')) AS closed,
            count(*) FILTER (WHERE status = 'completed') AS completed,
            count(*) FILTER (WHERE status = 'expired') AS expired
        FROM task t WHERE t.tenant_id = p.tenant_id AND t.plan_id = p.id AND NOT dropped GROUP BY seq) s) o"""

_STORED = _of_metrics("s.{name}")
_MORE = " OR ".join(f"s.{name} > coalesce(c.{name}, 0)" for name in _METRICS)
_ALWAYS = (
    Law("I8", f"format('daily figures of %s %s on %s are %s, and no more happened than %s', dimension, key, day,"
        f" {_ROW.format('s')}, {_ROW.format('c')})", _DAILY, _MORE),
)  # fmt: skip
_SYNCED = (
    Law("I8", f"format('daily figures of %s %s on %s are %s and should be %s', dimension, key, day,"
        f" {_ROW.format('s')}, {_ROW.format('c')})", _DAILY,
        f"({_STORED}, s.reasons) IS DISTINCT FROM ({_STORED.replace('s.', 'c.')}, c.reasons)"),
    Law("I8", "format('totals of %s %s are %s and should be %s', dimension, key, s.totals, c.totals)", _ADDED,
        "(s.totals, s.first_on, s.last_on) IS DISTINCT FROM (c.totals, c.first_on, c.last_on)"),
    Law("I8", "format('windows of %s %s are %s and should be %s', dimension, key, s.windows, c.windows)", _ADDED,
        "s.windows IS DISTINCT FROM c.windows"),
    Law("I8", "format('plan %s has the counts %s and occasions %s and should have %s and %s', id, counts, s.occasions,"
        " tasks || people, o.occasions)", _PLANS,
        "counts IS DISTINCT FROM tasks || people OR s.occasions IS DISTINCT FROM o.occasions"),
    Law("I8", "format('%s of tenant %s is to be counted again', day, tenant_id)", "stat_stale_day", "true"),
)  # fmt: skip

Counters = Mapping[tuple[str, str, str], Mapping[str, int]]
"""By dimension, key and civil date the figures by name, without zeros."""


async def broken(connection: asyncpg.Connection, *, synced: bool, redis_url: str | None) -> list[str]:
    """What breaks I8 in the statistics' tables, and in the counters of a Redis, if one is given.

    Stored figures may lag behind unless they were ``synced`` since the last change; they are never ahead. Counters are
    to be looked at when all events are acted on.
    """
    await connection.execute(_COUNT)
    await connection.execute("ANALYZE counted")
    if synced:
        await connection.execute(_ADD)
    rows = await connection.fetch(query(_SYNCED if synced else _ALWAYS))
    found = [f"I8: {row['what']}" for row in rows]
    if redis_url is not None:
        found += await _broken_in_redis(connection, redis_url)
    await connection.execute("DROP TABLE IF EXISTS counted, added")
    return found


async def _broken_in_redis(connection: asyncpg.Connection, redis_url: str) -> list[str]:
    redis = Redis.from_url(redis_url, decode_responses=True)
    try:
        return [f"I8: {sentence}" async for sentence in _differences(connection, redis)]
    finally:
        await redis.aclose()


async def _differences(connection: asyncpg.Connection, redis: Any) -> AsyncIterator[str]:
    rows = await connection.fetch(
        "SELECT t.id, epoch, live_from, EXISTS (SELECT FROM counted c WHERE c.tenant_id = t.id) AS has_figures"
        f" FROM tenant t LEFT JOIN stat_epoch e ON e.tenant_id = t.id WHERE t.id IN {_WHOLE}"
    )
    run_id = (await redis.info("server"))["run_id"]
    for row in rows:
        prefix = f"qs:stat:{{{row['id']}}}:"
        if row["epoch"] is None:
            if row["has_figures"]:
                yield f"nobody counts what happens in tenant {row['id']}"
        elif await redis.mget(f"{prefix}epoch", f"{prefix}server") != [str(row["epoch"]), run_id]:
            yield f"the counters of tenant {row['id']} are lost"
        else:
            live = await _live(redis, f"{prefix}{row['epoch']}:c:", row["live_from"])
            counted = await _counted(connection, row["id"], row["live_from"])
            for place in sorted(live.keys() | counted.keys()):
                if (told := live.get(place, {})) != (right := counted.get(place, {})):
                    yield f"the counters of {' '.join(place)} are {told} and should be {right}"


async def _live(redis: Any, prefix: str, since: date) -> Counters:
    found: dict[tuple[str, str, str], Mapping[str, int]] = {}
    keys = [key async for key in redis.scan_iter(match=prefix + "*", count=5000)]
    for start in range(0, len(keys), 2000):
        some = keys[start : start + 2000]
        pipeline = redis.pipeline(transaction=False)
        for key in some:
            pipeline.hgetall(key)
        for key, counts in zip(some, await pipeline.execute(), strict=True):
            day, dimension, whose = key.removeprefix(prefix).split(":", 2)
            if day >= since.isoformat():
                found[dimension, whose, day] = {name: int(n) for name, n in counts.items() if n != "0"}
    return found


async def _counted(connection: asyncpg.Connection, tenant_id: UUID, since: date) -> Counters:
    rows: Sequence[Any] = await connection.fetch(
        f"SELECT dimension, key, day::text, ({_ROW.format('c')})::text FROM counted c WHERE tenant_id = $1 AND day >= $2",
        tenant_id,
        since,
    )
    decode = msgspec.json.Decoder(dict[str, int]).decode
    return {
        (dimension, key, day): {name: n for name, n in decode(counts).items() if n}
        for dimension, key, day, counts in rows
    }
