"""One process at a time does one kind of work on one tenant's figures."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from uuid import UUID

import structlog

from qs.application.kernel.background import apart_from_the_request
from qs.application.statistics.ports import Hold, Kind, StatisticsUnitOfWorkFactory

_LEASE = timedelta(seconds=6)
_HEARTBEAT_S = 2.0

_log = structlog.get_logger()


class AlreadyRunning(Exception):
    """Another process holds the lease; ``execution_id`` is its execution, if it has one."""

    def __init__(self, execution_id: UUID | None) -> None:
        self.execution_id = execution_id
        super().__init__("another process is doing this already")


class SyncHolding:
    """Leases on kinds of work. Running means an unexpired lease, never a stored status; writers check their term."""

    def __init__(self, unit_of_work: StatisticsUnitOfWorkFactory, lease: timedelta = _LEASE) -> None:
        self._unit_of_work = unit_of_work
        self._lease = lease

    @asynccontextmanager
    async def held(
        self, tenant_id: UUID, kind: Kind, execution_id: UUID | None = None
    ) -> AsyncIterator[Hold]:
        """Gives signs of life until the block is left.

        Raises:
            AlreadyRunning
        """
        async with self._unit_of_work(tenant_id) as uow:
            hold = await uow.syncs.take(kind, execution_id, self._lease)
            holder = await uow.syncs.holder(kind) if hold is None else None
            await uow.commit("sync.hold")
        if hold is None:
            raise AlreadyRunning(holder)
        ended = asyncio.Event()
        beating = asyncio.create_task(self._beat(tenant_id, hold, ended), context=apart_from_the_request())
        try:
            yield hold
        finally:
            ended.set()
            await asyncio.wait({beating})
            await self._release(tenant_id, hold)

    async def _beat(self, tenant_id: UUID, hold: Hold, ended: asyncio.Event) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), _HEARTBEAT_S)
                return
            try:
                async with self._unit_of_work(tenant_id) as uow:
                    ours = await uow.syncs.extend(hold, self._lease)
                    await uow.commit("sync.beat")
            except Exception:  # noqa: BLE001 - whatever keeps one beat from the database, the next may get through
                _log.warning("heartbeat_failed", kind=hold.kind, exc_info=True)
                continue
            if not ours:
                return

    async def _release(self, tenant_id: UUID, hold: Hold) -> None:
        try:
            async with self._unit_of_work(tenant_id) as uow:
                await uow.syncs.release(hold)
                await uow.commit("sync.release")
        except Exception:  # noqa: BLE001 - the lease runs out by itself
            _log.warning("give_back_failed", kind=hold.kind, exc_info=True)
