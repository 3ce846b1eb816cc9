"""What other contexts read of the plan context, each through a port of its own."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from qs.domain.plan.entry import Entry
from qs.domain.plan.entry_generator import EntryGenerator
from qs.domain.plan.reminders import Reminder
from qs.domain.plan.task import Admission
from qs.domain.plan.testee import Contact, Guardian, OptOut
from qs.infra.plan.mapping import TASK_COLUMNS, prefixed, reminders_of, task_of
from qs.infra.plan.testees import Cipher, Personal
from qs.infra.plan.unit_of_work import PlanUnitsOfWork
from qs.infra.postgres.unit_of_work import SqlUnitOfWork

_REACHABLE = (
    "SELECT id, personal, locale, timezone, opt_outs::text AS opt_outs FROM testee"
    " WHERE tenant_id = :tenant AND id = ANY(:ids) AND erased_at IS NULL"
)
_READ = text(_REACHABLE)
# Locked in one order, so that two who do so wait for each other instead of for ever.
_HELD = text(f"{_REACHABLE} ORDER BY id FOR SHARE")
_HELD_ALONE = text(f"{_REACHABLE} ORDER BY id FOR NO KEY UPDATE")
# The task's columns come first, in their order.
_OPEN_TASKS = text(
    f"SELECT {prefixed(TASK_COLUMNS, 't')}, p.status = 'paused' OR e.status = 'paused' AS paused, qs_now() AS now"  # noqa: S608
    " FROM task t"
    " JOIN enrollment e ON e.tenant_id = t.tenant_id AND e.id = t.enrollment_id"
    " JOIN plan p ON p.tenant_id = t.tenant_id AND p.id = t.plan_id"
    " WHERE t.tenant_id = :tenant AND t.id = ANY(:ids) AND t.status = 'opened'"
)
_REMINDERS = text(
    "SELECT id, reminders::text AS reminders FROM plan"
    " WHERE tenant_id = :tenant AND id = ANY(:ids) AND reminders <> '[]'"
)
_ON_EXPIRY = text("SELECT id, notify_on_expiry FROM plan WHERE tenant_id = :tenant AND id = ANY(:ids)")

_personal = msgspec.json.Decoder(Personal).decode
_opt_outs = msgspec.json.Decoder(tuple[OptOut, ...]).decode


@dataclass(frozen=True, slots=True)
class Reachable:
    """How a testee and the guardians are reached, and what they do not want."""

    name: str | None
    locale: str | None
    timezone: str | None
    contacts: tuple[Contact, ...]
    guardians: tuple[Guardian, ...]
    opt_outs: tuple[OptOut, ...]


class SqlTesteeReader:
    def __init__(self, engine: AsyncEngine, cipher: Cipher) -> None:
        self._engine = engine
        self._cipher = cipher

    async def reachable(self, tenant_id: UUID, testee_ids: Collection[UUID]) -> Mapping[UUID, Reachable]:
        """Those of the testees who exist and were not erased."""
        async with SqlUnitOfWork(self._engine, tenant_id) as uow:
            rows = await uow.connection.execute(_READ, {"tenant": tenant_id, "ids": list(testee_ids)})
        return {row.id: self._read(row) for row in rows}

    async def hold(
        self, connection: AsyncConnection, tenant_id: UUID, testee_ids: Collection[UUID], *, alone: bool
    ) -> Mapping[UUID, Reachable]:
        """As ``reachable``, in the caller's transaction and locked until it ends; ``alone`` also against each other."""
        query = _HELD_ALONE if alone else _HELD
        rows = await connection.execute(query, {"tenant": tenant_id, "ids": list(testee_ids)})
        return {row.id: self._read(row) for row in rows}

    def _read(self, row: Row[Any]) -> Reachable:
        personal = Personal()
        if row.personal is not None:
            personal = _personal(self._cipher.decrypt(row.personal, row.id.bytes))
        return Reachable(
            personal.name,
            row.locale,
            row.timezone,
            personal.contacts,
            personal.guardians,
            _opt_outs(row.opt_outs),
        )


class SqlPlanReader:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def notify_on_expiry(self, tenant_id: UUID, plan_ids: Collection[UUID]) -> Mapping[UUID, str]:
        """What the plans that exist say about expired tasks: ``staff``, ``testee`` or ``nobody``."""
        async with SqlUnitOfWork(self._engine, tenant_id) as uow:
            rows = await uow.connection.execute(_ON_EXPIRY, {"tenant": tenant_id, "ids": list(plan_ids)})
        return {row.id: row.notify_on_expiry for row in rows}

    async def reminders(
        self, tenant_id: UUID, plan_ids: Collection[UUID]
    ) -> Mapping[UUID, Sequence[Reminder]]:
        """The reminders of the plans that have any."""
        async with SqlUnitOfWork(self._engine, tenant_id) as uow:
            rows = await uow.connection.execute(_REMINDERS, {"tenant": tenant_id, "ids": list(plan_ids)})
        return {row.id: reminders_of(row.reminders) for row in rows}


@dataclass(frozen=True, slots=True)
class OpenTask:
    """A task that lets its testee in. ``url`` is a credential; ``paused`` says that its plan or enrollment is."""

    url: str
    expires_at: datetime
    paused: bool


class OpenEntries:
    """The links of opened tasks, for those who hand them on at once."""

    def __init__(self, unit_of_work: PlanUnitsOfWork, generator: EntryGenerator) -> None:
        self._unit_of_work = unit_of_work
        self._generator = generator

    async def open_tasks(
        self, connection: AsyncConnection, tenant_id: UUID, task_ids: Collection[UUID]
    ) -> Mapping[UUID, OpenTask]:
        """Those of the tasks that would let somebody in now, read in the caller's transaction."""
        rows = await connection.execute(_OPEN_TASKS, {"tenant": tenant_id, "ids": list(task_ids)})
        found = {}
        for row in rows:
            *columns, paused, now = row
            task = task_of(columns)
            if task.admission(now) is Admission.OPEN:
                entry = self._generator.show(task)
                found[task.id] = OpenTask(entry.url, entry.expires_at, paused)
        return found

    async def show(self, tenant_id: UUID, task_id: UUID) -> Entry | None:
        """The task's present entry; None when nobody would be let in by it."""
        async with self._unit_of_work(tenant_id) as uow:
            task = await uow.tasks.get(task_id)
            if task is None or task.admission(uow.now) is not Admission.OPEN:
                return None
            return self._generator.show(task)
