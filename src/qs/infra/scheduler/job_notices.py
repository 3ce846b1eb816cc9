"""Notices that wait to be sent, in PostgreSQL."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from qs.application.scheduler.job_ports import ClaimedNotice
from qs.domain.scheduler.notices import AT_MOST_EVERY, Notice, NoticeChannel, NoticeStatus, Standing
from qs.domain.scheduler.policies import NoticeOn
from qs.infra.postgres.roles import SWEEPER
from qs.infra.scheduler.job_rows import json_text

_LONGEST_ERROR = 300
# A job every second that nobody was to be told of for months is counted no further than this.
_MOST_COUNTED = 10_000

_ADD = text(
    """
INSERT INTO job_notice (tenant_id, id, job_id, execution_id, kind, channel, address, body)
SELECT :tenant, n.id, n.job_id, n.execution_id, n.kind, n.channel, n.address, n.body::jsonb
FROM unnest(CAST(:ids AS uuid[]), CAST(:jobs AS uuid[]), CAST(:executions AS uuid[]), CAST(:kinds AS text[]),
            CAST(:channels AS text[]), CAST(:addresses AS text[]), CAST(:bodies AS text[]))
     AS n(id, job_id, execution_id, kind, channel, address, body)"""
)
# The locks are taken in one order, so that nobody waits in a ring.
_SERIALIZE = text(
    """
SELECT pg_advisory_xact_lock(hashtextextended('qs notices ' || j.id, 0))
FROM (SELECT id FROM unnest(CAST(:jobs AS uuid[])) AS u(id) ORDER BY id) AS j"""
)
_STANDINGS = text(
    """
SELECT x.execution_id,
    coalesce(earlier.status <> 'succeeded' AND NOT EXISTS (
        SELECT FROM job_execution e
        WHERE e.tenant_id = :tenant AND e.job_id = x.job_id AND e.id > earlier.id AND e.id <> x.execution_id
          AND e.status = 'succeeded'), false) AS recovers,
    CASE WHEN NOT told.over THEN clock_timestamp() - told.created_at END AS told_ago,
    CASE WHEN NOT told.over THEN (
        SELECT count(*) FROM (
            SELECT FROM job_execution e
            WHERE e.tenant_id = :tenant AND e.job_id = x.job_id AND e.id > told.execution_id AND e.id <> x.execution_id
              AND e.status IN ('failed', 'timed_out', 'expired') LIMIT :most) AS since) ELSE 0 END AS untold
FROM unnest(CAST(:jobs AS uuid[]), CAST(:executions AS uuid[])) AS x(job_id, execution_id)
LEFT JOIN LATERAL (
    SELECT e.id, e.status FROM job_execution e
    WHERE e.tenant_id = :tenant AND e.job_id = x.job_id AND e.id < x.execution_id
      AND e.status IN ('succeeded', 'failed', 'timed_out', 'expired')
    ORDER BY e.id DESC LIMIT 1) AS earlier ON true
LEFT JOIN LATERAL (
    SELECT n.execution_id, n.created_at, EXISTS (
        SELECT FROM job_execution e
        WHERE e.tenant_id = :tenant AND e.job_id = x.job_id AND e.id > n.execution_id AND e.id <> x.execution_id
          AND e.status = 'succeeded') AS over
    FROM job_notice n
    WHERE n.tenant_id = :tenant AND n.job_id = x.job_id AND n.kind IN ('failure', 'timeout')
    ORDER BY n.id DESC LIMIT 1) AS told ON true"""
)
# The first id of an instant (UUIDv7): what is kept back lies in the hour after the last notice, so no more is read.
_HOUR_ENDS = (
    "(lpad(to_hex((extract(epoch FROM told.created_at + CAST(:every AS interval)) * 1000)::bigint), 12, '0')"
    " || repeat('0', 20))::uuid"
)
_MISSED = text(
    f"""
SELECT x.job_id, clock_timestamp() - told.created_at AS told_ago, (
    SELECT coalesce(sum(e.stands_for), 0)::bigint FROM job_execution e
    WHERE e.tenant_id = :tenant AND e.job_id = x.job_id AND e.id > told.execution_id AND e.id < {_HOUR_ENDS}
      AND e.status = 'missed' AND e.created_at > told.created_at) AS untold
FROM unnest(CAST(:jobs AS uuid[])) AS x(job_id), LATERAL (
    SELECT n.execution_id, n.created_at FROM job_notice n
    WHERE n.tenant_id = :tenant AND n.job_id = x.job_id AND n.kind = 'missed'
    ORDER BY n.id DESC LIMIT 1) AS told"""  # noqa: S608
)
# Whoever is told of a failure and its end is told in that order, unless the first was refused and waits to be sent again.
_CLAIM = text(
    """
WITH due AS MATERIALIZED (
    SELECT id FROM job_notice n
    WHERE tenant_id = :tenant AND status = 'pending' AND next_attempt_at <= statement_timestamp()
      AND NOT EXISTS (
          SELECT FROM job_notice e WHERE e.tenant_id = :tenant AND e.job_id = n.job_id AND e.id < n.id
            AND e.channel = n.channel AND e.address IS NOT DISTINCT FROM n.address
            AND e.kind <> n.kind AND e.status = 'pending' AND e.error IS NULL)
    ORDER BY next_attempt_at, id LIMIT :limit FOR UPDATE SKIP LOCKED
)
UPDATE job_notice n
SET attempts = n.attempts + 1, next_attempt_at = clock_timestamp() + CAST(:lease AS interval)
FROM due WHERE n.tenant_id = :tenant AND n.id = due.id
RETURNING n.id, n.job_id, n.execution_id, n.kind, n.channel, n.address, n.body::text AS body, n.attempts"""
)
_SETTLE = text(
    """
UPDATE job_notice
SET status = :status, error = :error, next_attempt_at = clock_timestamp() + CAST(:retry_in AS interval),
    sent_at = CASE WHEN :status = 'sent' THEN clock_timestamp() END
WHERE tenant_id = :tenant AND id = :id AND status = 'pending' AND attempts = :attempt"""
)
_TENANTS = text(
    "SELECT DISTINCT tenant_id FROM job_notice WHERE status = 'pending' AND next_attempt_at <= statement_timestamp()"
)

_decode_body = msgspec.json.Decoder(dict[str, Any]).decode


class SqlNotices:
    """Implements NoticeRepository on an open connection."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def add(self, notices: Sequence[Notice]) -> None:
        if not notices:
            return
        await self._connection.execute(
            _ADD,
            {
                "tenant": self._tenant_id,
                "ids": [notice.id for notice in notices],
                "jobs": [notice.job_id for notice in notices],
                "executions": [notice.execution_id for notice in notices],
                "kinds": [notice.kind.value for notice in notices],
                "channels": [notice.channel.value for notice in notices],
                "addresses": [notice.address for notice in notices],
                "bodies": [json_text(notice.body) for notice in notices],
            },
        )

    async def serialize(self, job_ids: Iterable[UUID]) -> None:
        await self._connection.execute(_SERIALIZE, {"jobs": list(set(job_ids))})

    async def standings(self, ends: Sequence[tuple[UUID, UUID]]) -> Mapping[UUID, Standing]:
        rows = await self._connection.execute(
            _STANDINGS,
            {
                "tenant": self._tenant_id,
                "jobs": [job_id for job_id, _ in ends],
                "executions": [execution_id for _, execution_id in ends],
                "most": _MOST_COUNTED,
            },
        )
        return {row.execution_id: Standing(row.recovers, row.told_ago, row.untold) for row in rows}

    async def missed_standings(self, job_ids: Iterable[UUID]) -> Mapping[UUID, Standing]:
        rows = await self._connection.execute(
            _MISSED, {"tenant": self._tenant_id, "jobs": list(job_ids), "every": AT_MOST_EVERY}
        )
        return {row.job_id: Standing(False, row.told_ago, row.untold) for row in rows}

    async def claim(self, limit: int, lease: timedelta) -> Sequence[ClaimedNotice]:
        rows = await self._connection.execute(
            _CLAIM, {"tenant": self._tenant_id, "limit": limit, "lease": lease}
        )
        return [ClaimedNotice(self._notice(row), row.attempts) for row in rows]

    async def settle(
        self, claimed: ClaimedNotice, status: NoticeStatus, error: str | None, retry_in: timedelta | None
    ) -> bool:
        done = await self._connection.execute(
            _SETTLE,
            {
                "tenant": self._tenant_id,
                "id": claimed.notice.id,
                "attempt": claimed.attempt,
                "status": status.value,
                "error": None if error is None else error[:_LONGEST_ERROR],
                "retry_in": retry_in or timedelta(0),
            },
        )
        return done.rowcount == 1

    def _notice(self, row: Any) -> Notice:
        return Notice(
            id=row.id,
            tenant_id=self._tenant_id,
            job_id=row.job_id,
            execution_id=row.execution_id,
            kind=NoticeOn(row.kind),
            channel=NoticeChannel(row.channel),
            address=row.address,
            body=_decode_body(row.body),
        )


class SqlDueNotices:
    """Implements DueNotices: finds across tenants, as qs_sweeper, where something is to be sent."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def tenants(self) -> Sequence[UUID]:
        async with self._engine.connect() as connection:
            await connection.execute(text(f"SET LOCAL ROLE {SWEEPER}"))
            return list(await connection.scalars(_TENANTS))
