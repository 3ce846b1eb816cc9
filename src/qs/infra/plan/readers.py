"""What other contexts read of the plan context, each through a port of its own."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from qs.domain.plan.entry import Entry
from qs.domain.plan.entry_generator import EntryGenerator
from qs.domain.plan.task import Admission
from qs.domain.plan.testee import Contact, Guardian, OptOut
from qs.infra.plan.testees import Cipher, Personal
from qs.infra.plan.unit_of_work import PlanUnitsOfWork
from qs.infra.postgres.unit_of_work import SqlUnitOfWork

_REACHABLE = text(
    "SELECT id, personal, locale, opt_outs::text AS opt_outs FROM testee"
    " WHERE tenant_id = :tenant AND id = ANY(:ids) AND erased_at IS NULL"
)
_ON_EXPIRY = text("SELECT id, notify_on_expiry FROM plan WHERE tenant_id = :tenant AND id = ANY(:ids)")

_personal = msgspec.json.Decoder(Personal).decode
_opt_outs = msgspec.json.Decoder(tuple[OptOut, ...]).decode


@dataclass(frozen=True, slots=True)
class Reachable:
    """How a testee and the guardians are reached, and what they do not want."""

    name: str | None
    locale: str | None
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
            rows = await uow.connection.execute(_REACHABLE, {"tenant": tenant_id, "ids": list(testee_ids)})
        return {row.id: self._read(row.id, row.personal, row.locale, row.opt_outs) for row in rows}

    def _read(self, testee_id: UUID, sealed: bytes | None, locale: str | None, opt_outs: str) -> Reachable:
        personal = Personal() if sealed is None else _personal(self._cipher.decrypt(sealed, testee_id.bytes))
        return Reachable(personal.name, locale, personal.contacts, personal.guardians, _opt_outs(opt_outs))


class SqlPlanReader:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def notify_on_expiry(self, tenant_id: UUID, plan_ids: Collection[UUID]) -> Mapping[UUID, str]:
        """What the plans that exist say about expired tasks: ``staff``, ``testee`` or ``nobody``."""
        async with SqlUnitOfWork(self._engine, tenant_id) as uow:
            rows = await uow.connection.execute(_ON_EXPIRY, {"tenant": tenant_id, "ids": list(plan_ids)})
        return {row.id: row.notify_on_expiry for row in rows}


class OpenEntries:
    """The links of opened tasks, for those who hand them on at once."""

    def __init__(self, unit_of_work: PlanUnitsOfWork, generator: EntryGenerator) -> None:
        self._unit_of_work = unit_of_work
        self._generator = generator

    async def show(self, tenant_id: UUID, task_id: UUID) -> Entry | None:
        """The task's present entry; None when nobody would be let in by it."""
        async with self._unit_of_work(tenant_id) as uow:
            task = await uow.tasks.get(task_id)
            if task is None or task.admission(uow.now) is not Admission.OPEN:
                return None
            return self._generator.show(task)
