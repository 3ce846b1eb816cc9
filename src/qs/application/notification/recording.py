"""How sending ended, written down: what ends while one transaction is being written goes into the next one together."""

import asyncio
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog

from qs.application.notification.ports import NotificationUnitOfWorkFactory, Settlement
from qs.application.notification.taking import Parcel
from qs.domain.notification.delivery import DeliveryStatus, Outcome

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class End:
    """What became of a parcel; without an ``outcome`` nothing was tried, so that no attempt is recorded."""

    parcel: Parcel
    status: DeliveryStatus
    reason: str | None
    outcome: Outcome | None = None
    answer: str | None = None
    retry_in: timedelta | None = None

    @property
    def settlements(self) -> Iterator[Settlement]:
        version = self.parcel.message.template_version
        for each in self.parcel.deliveries:
            yield Settlement(
                each, self.status, self.reason, self.retry_in, self.outcome, self.answer, version
            )


# What ends meanwhile goes into the same transaction.
_GATHER_S = 0.02

Waiting = tuple[End, "asyncio.Future[None]"]


class Recording:
    """A transaction for each end costs more than most sending does. What a crash leaves unwritten is sent again under
    its id; that is no more than the parcels that a sender has taken.
    """

    def __init__(
        self, unit_of_work: NotificationUnitOfWorkFactory, is_away: Callable[[Exception], bool]
    ) -> None:
        self._unit_of_work = unit_of_work
        self._is_away = is_away
        self._waiting: list[Waiting] = []
        self._writing: asyncio.Task[None] | None = None
        self._open = 0
        self._all_ended = asyncio.Event()

    def expect(self, parcels: int) -> None:
        """So many are on their way now; when the last of them has ended there is nothing to wait for."""
        self._open = parcels
        self._all_ended.clear()

    async def record(self, end: End) -> None:
        """Returns when it is written; raises what kept it from that."""
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((end, written))
        self._open -= 1
        if self._open <= 0:
            self._all_ended.set()
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_all(), name="notification-ends")
        await written

    async def _write_all(self) -> None:
        try:
            while self._waiting:
                with suppress(TimeoutError):
                    async with asyncio.timeout(_GATHER_S):
                        await self._all_ended.wait()
                batch, self._waiting = self._waiting, []
                await self._write_somehow(batch)
        finally:
            self._writing = None

    async def _write_somehow(self, batch: Sequence[Waiting]) -> None:
        try:
            await self._write([end for end, _ in batch])
        except Exception as error:  # noqa: BLE001 - told to those who wait for it
            if len(batch) > 1 and not self._is_away(error):
                # One that cannot be written must not keep the others from it.
                for each in batch:
                    await self._write_somehow([each])
                return
            for _, written in batch:
                if not written.done():
                    written.set_exception(error)
        else:
            for _, written in batch:
                if not written.done():
                    written.set_result(None)

    async def _write(self, ends: Sequence[End]) -> None:
        """All of one tenant in one transaction."""
        by_tenant: dict[UUID, list[End]] = {}
        for end in ends:
            by_tenant.setdefault(end.parcel.deliveries[0].tenant_id, []).append(end)
        for tenant_id, own in by_tenant.items():
            async with self._unit_of_work(tenant_id) as uow:
                ours = await uow.deliveries.settle([each for end in own for each in end.settlements])
                await uow.commit("notification.settle")
            self._tell(own, ours)

    @staticmethod
    def _tell(ends: Sequence[End], ours: Collection[UUID]) -> None:
        for end in ends:
            for each in end.parcel.deliveries:
                _log.info(
                    "notification_settled" if each.id in ours else "notification_lease_lost",
                    notification_id=each.id,
                    event_id=each.event_id,
                    channel=each.channel,
                    status=end.status,
                    reason=end.reason,
                    attempt=each.attempts,
                )
