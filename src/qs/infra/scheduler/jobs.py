"""Jobs, slots, calendars and switches in PostgreSQL; every instant is the database's own time."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from qs.application.scheduler.job_ports import Advance, JobFilter, SlotClaim
from qs.domain.kernel.ids import PLATFORM_TENANT
from qs.domain.scheduler.calendars import Calendar
from qs.domain.scheduler.errors import JobNameTaken
from qs.domain.scheduler.job import Job, JobStatus
from qs.infra.postgres.roles import APP, SWEEPER
from qs.infra.scheduler.job_rows import JOB_COLUMNS, job_of, json_or_null, json_text

# The time of the statement, unlike the clock's, is one value that an index can be asked for.
_DUE = text(
    f"SELECT {JOB_COLUMNS} FROM job WHERE tenant_id = :tenant AND next_fire_at <= statement_timestamp()"  # noqa: S608
    " ORDER BY next_fire_at LIMIT :limit FOR UPDATE SKIP LOCKED"
)
_DUE_AT = text(
    f"SELECT {JOB_COLUMNS} FROM job WHERE tenant_id = :tenant AND next_fire_at <= CAST(:at AS timestamptz)"  # noqa: S608
    " AND NOT EXISTS (SELECT FROM job_execution e WHERE e.tenant_id = :tenant AND e.job_id = job.id"
    " AND e.status IN ('queued', 'running', 'retrying')) ORDER BY next_fire_at LIMIT :limit FOR UPDATE SKIP LOCKED"
)
_LOCK = text(
    "SELECT FROM job WHERE tenant_id = :tenant AND (id = ANY(CAST(:ids AS uuid[])) OR name = ANY(CAST(:names AS text[])))"
    " ORDER BY id FOR UPDATE"
)
_COUNTS = text(
    "SELECT status, enabled, count(*) AS number FROM job WHERE tenant_id = :tenant GROUP BY status, enabled"
)
_UNCLOCKED = text(
    f"SELECT {JOB_COLUMNS} FROM job WHERE tenant_id = :tenant AND enabled AND status = 'active'"  # noqa: S608
    " AND next_fire_at IS NULL ORDER BY id LIMIT 1000 FOR UPDATE SKIP LOCKED"
)
_ADVANCE = text(
    """
UPDATE job SET status = m.status, next_slot = m.next_slot, next_fire_at = m.next_fire_at, runs = job.runs + m.fired
FROM unnest(CAST(:ids AS uuid[]), CAST(:statuses AS text[]), CAST(:slots AS timestamptz[]),
            CAST(:fires AS timestamptz[]), CAST(:fired AS integer[])) AS m(id, status, next_slot, next_fire_at, fired)
WHERE job.tenant_id = :tenant AND job.id = m.id"""
)
_ADD = text(
    """
INSERT INTO job (tenant_id, id, name, source, owner, definition, kind, enabled, status, error, anchor, next_slot,
                 next_fire_at, runs)
VALUES (:tenant, :id, :name, :source, :owner, CAST(:definition AS jsonb), :kind, :enabled, :status,
        CAST(:error AS jsonb), :anchor, :next_slot, :next_fire_at, :runs)
ON CONFLICT (tenant_id, name) DO NOTHING"""
)
_SAVE = text(
    """
UPDATE job SET name = :name, source = :source, owner = :owner, definition = CAST(:definition AS jsonb), kind = :kind,
    enabled = :enabled, status = :status, error = CAST(:error AS jsonb), anchor = :anchor, next_slot = :next_slot,
    next_fire_at = :next_fire_at, runs = :runs, version = version + 1, updated_at = clock_timestamp()
WHERE tenant_id = :tenant AND id = :id AND version = :version"""
)
_LINKS = text(
    """
SELECT name, ARRAY(SELECT link ->> 'job' FROM jsonb_array_elements(definition -> 'policies' -> 'chain') AS link) AS after
FROM job WHERE tenant_id = :tenant AND jsonb_array_length(definition -> 'policies' -> 'chain') > 0"""
)
_CLAIM_SLOTS = text(
    """
INSERT INTO job_slot (tenant_id, job_id, scheduled_at, execution_id)
SELECT :tenant, s.job_id, s.at, s.execution_id
FROM unnest(CAST(:jobs AS uuid[]), CAST(:ats AS timestamptz[]), CAST(:executions AS uuid[])) AS s(job_id, at, execution_id)
ON CONFLICT DO NOTHING RETURNING execution_id"""
)
_SAVE_CALENDAR = text(
    """
UPDATE job_calendar SET holidays = :holidays, workdays = :workdays, version = version + 1,
    updated_at = clock_timestamp()
WHERE tenant_id = :tenant AND name = :name AND version = :version RETURNING version"""
)
_ADD_CALENDAR = text(
    """
INSERT INTO job_calendar (tenant_id, name, holidays, workdays) VALUES (:tenant, :name, :holidays, :workdays)
ON CONFLICT DO NOTHING RETURNING version"""
)
_STOPPED = text("SELECT EXISTS (SELECT FROM job_switch WHERE tenant_id = :platform AND NOT firing)")
# A tenant without a row fires, so that starting its clock changes nothing, not even since when it fires.
_TURN = text(
    """
INSERT INTO job_switch (tenant_id, firing, actor)
SELECT CAST(:tenant AS uuid), CAST(:firing AS boolean), :actor
WHERE NOT CAST(:firing AS boolean) OR EXISTS (SELECT FROM job_switch WHERE tenant_id = :tenant)
ON CONFLICT (tenant_id) DO UPDATE SET firing = :firing, actor = :actor, changed_at = clock_timestamp()
WHERE job_switch.firing <> :firing"""
)


class SqlJobs:
    """Implements JobRepository on an open connection."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def due(self, limit: int) -> Sequence[Job]:
        rows = await self._connection.execute(_DUE, {"tenant": self._tenant_id, "limit": limit})
        return [job_of(row) for row in rows]

    async def due_at(self, at: datetime, limit: int) -> Sequence[Job]:
        rows = await self._connection.execute(_DUE_AT, {"tenant": self._tenant_id, "at": at, "limit": limit})
        return [job_of(row) for row in rows]

    async def advance(self, moves: Sequence[Advance]) -> None:
        if not moves:
            return
        await self._connection.execute(
            _ADVANCE,
            {
                "tenant": self._tenant_id,
                "ids": [move.job_id for move in moves],
                "statuses": [move.status.value for move in moves],
                "slots": [move.next_slot for move in moves],
                "fires": [move.next_fire_at for move in moves],
                "fired": [move.fired for move in moves],
            },
        )

    async def get(self, job_id: UUID, *, lock: bool = False) -> Job | None:
        return await self._one("id = :id", lock, id=job_id)

    async def by_name(self, name: str, *, lock: bool = False) -> Job | None:
        return await self._one("name = :name", lock, name=name)

    async def lock(self, job_ids: Iterable[UUID], names: Iterable[str] = ()) -> None:
        wanted = {"ids": list(job_ids), "names": list(names)}
        if any(wanted.values()):
            await self._connection.execute(_LOCK, {"tenant": self._tenant_id, **wanted})

    async def serialize_sets(self) -> None:
        await self._connection.execute(
            text("SELECT pg_advisory_xact_lock(hashtextextended('qs job sets ' || :tenant, 0))"),
            {"tenant": str(self._tenant_id)},
        )

    async def add(self, job: Job) -> bool:
        return (await self._connection.execute(_ADD, self._values(job))).rowcount == 1

    async def save(self, job: Job) -> bool:
        values = self._values(job) | {"version": job.version}
        try:
            async with self._connection.begin_nested():
                return (await self._connection.execute(_SAVE, values)).rowcount == 1
        except IntegrityError as error:
            if getattr(error.orig, "sqlstate", None) != "23505":
                raise
            raise JobNameTaken(job.name) from error

    async def remove(self, job_id: UUID) -> None:
        await self._connection.execute(
            text("DELETE FROM job WHERE tenant_id = :tenant AND id = :id"),
            {"tenant": self._tenant_id, "id": job_id},
        )

    async def list(self, where: JobFilter, *, offset: int, size: int) -> Sequence[Job]:
        condition, values = self._where(where)
        rows = await self._connection.execute(
            text(f"SELECT {JOB_COLUMNS} FROM job WHERE {condition} ORDER BY name LIMIT :size OFFSET :offset"),  # noqa: S608
            values | {"size": size, "offset": offset},
        )
        return [job_of(row) for row in rows]

    async def count(self, where: JobFilter) -> int:
        condition, values = self._where(where)
        found = await self._connection.scalar(text(f"SELECT count(*) FROM job WHERE {condition}"), values)  # noqa: S608
        return int(found)

    async def counts(self) -> Mapping[tuple[JobStatus, bool], int]:
        rows = await self._connection.execute(_COUNTS, {"tenant": self._tenant_id})
        return {(JobStatus(row.status), row.enabled): row.number for row in rows}

    async def unclocked(self) -> Sequence[Job]:
        rows = await self._connection.execute(_UNCLOCKED, {"tenant": self._tenant_id})
        return [job_of(row) for row in rows]

    async def links(self) -> Mapping[str, Sequence[str]]:
        rows = await self._connection.execute(_LINKS, {"tenant": self._tenant_id})
        return {row.name: row.after for row in rows}

    async def _one(self, condition: str, lock: bool, **values: Any) -> Job | None:
        statement = f"SELECT {JOB_COLUMNS} FROM job WHERE tenant_id = :tenant AND {condition}"  # noqa: S608
        rows = await self._connection.execute(
            text(statement + (" FOR UPDATE" if lock else "")), {"tenant": self._tenant_id, **values}
        )
        row = rows.one_or_none()
        return None if row is None else job_of(row)

    def _where(self, where: JobFilter) -> tuple[str, dict[str, Any]]:
        columns: dict[str, Any] = {
            "name": where.name,
            "kind": where.kind,
            "enabled": where.enabled,
            "status": where.status,
            "source": where.source,
            "owner": where.owner,
        }
        wanted = {column: value for column, value in columns.items() if value is not None}
        conditions = ["tenant_id = :tenant", *(f"{column} = :{column}" for column in wanted)]
        for condition, key, bound in (
            ("name > :after", "after", where.after),
            ("created_at >= :created_from", "created_from", where.created_from),
            ("created_at <= :created_until", "created_until", where.created_until),
        ):
            if bound is not None:
                conditions.append(condition)
                wanted[key] = bound
        return " AND ".join(conditions), {"tenant": self._tenant_id, **wanted}

    def _values(self, job: Job) -> dict[str, Any]:
        return {
            "tenant": self._tenant_id,
            "id": job.id,
            "name": job.name,
            "source": job.source.value,
            "owner": job.owner,
            "definition": json_text(job.definition),
            "kind": job.definition.target.kind,
            "enabled": job.definition.enabled,
            "status": job.status.value,
            "error": json_or_null(job.error),
            "anchor": job.anchor,
            "next_slot": job.next_slot,
            "next_fire_at": job.next_fire_at,
            "runs": job.runs,
        }


class SqlSlotClaims:
    """Implements SlotClaims on an open connection."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def claim(self, slots: Sequence[SlotClaim]) -> frozenset[UUID]:
        if not slots:
            return frozenset()
        rows = await self._connection.execute(
            _CLAIM_SLOTS,
            {
                "tenant": self._tenant_id,
                "jobs": [slot.job_id for slot in slots],
                "ats": [slot.scheduled_at for slot in slots],
                "executions": [slot.execution_id for slot in slots],
            },
        )
        return frozenset(row.execution_id for row in rows)


class SqlCalendars:
    """Implements CalendarRepository on an open connection."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def get(self, name: str) -> tuple[Calendar, int] | None:
        rows = await self._connection.execute(
            text(
                "SELECT name, holidays, workdays, version FROM job_calendar WHERE tenant_id = :tenant AND name = :name"
            ),
            {"tenant": self._tenant_id, "name": name},
        )
        row = rows.one_or_none()
        return None if row is None else (_calendar(row), row.version)

    async def list(self) -> Sequence[tuple[Calendar, int]]:
        rows = await self._connection.execute(
            text(
                "SELECT name, holidays, workdays, version FROM job_calendar WHERE tenant_id = :tenant ORDER BY name"
            ),
            {"tenant": self._tenant_id},
        )
        return [(_calendar(row), row.version) for row in rows]

    async def save(self, calendar: Calendar, version: int | None) -> int | None:
        values = {
            "tenant": self._tenant_id,
            "name": calendar.name,
            "holidays": sorted(calendar.holidays),
            "workdays": sorted(calendar.workdays),
        }
        saved: int | None
        if version is None:
            saved = await self._connection.scalar(_ADD_CALENDAR, values)
        else:
            saved = await self._connection.scalar(_SAVE_CALENDAR, values | {"version": version})
        return saved

    async def remove(self, name: str) -> bool:
        done = await self._connection.execute(
            text("DELETE FROM job_calendar WHERE tenant_id = :tenant AND name = :name"),
            {"tenant": self._tenant_id, "name": name},
        )
        return done.rowcount == 1


class SqlSwitch:
    """Implements SwitchRepository on an open connection."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def firing(self) -> tuple[bool, datetime | None]:
        rows = await self._connection.execute(
            text("SELECT firing, changed_at FROM job_switch WHERE tenant_id = :tenant"),
            {"tenant": self._tenant_id},
        )
        row = rows.one_or_none()
        return (True, None) if row is None else (row.firing, row.changed_at)

    async def stopped_everywhere(self) -> bool:
        # The platform's rows are nobody's to see but this role's.
        await self._connection.execute(text(f"SET LOCAL ROLE {SWEEPER}"))
        stopped = await self._connection.scalar(_STOPPED, {"platform": PLATFORM_TENANT})
        await self._connection.execute(text(f"SET LOCAL ROLE {APP}"))
        return bool(stopped)

    async def turn(self, firing: bool, actor: str) -> bool:
        done = await self._connection.execute(
            _TURN, {"tenant": self._tenant_id, "firing": firing, "actor": actor}
        )
        return done.rowcount == 1


def _calendar(row: Any) -> Calendar:
    return Calendar(name=row.name, holidays=frozenset(row.holidays), workdays=frozenset(row.workdays))
