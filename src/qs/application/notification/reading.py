"""Reading the ledger, and giving dead deliveries another chance."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from qs.application.notification.ports import (
    DeliveryAbsent,
    DeliveryFilter,
    NotificationUnitOfWorkFactory,
)
from qs.domain.kernel.errors import Refused
from qs.domain.notification.delivery import Attempt, Delivery, DeliveryStatus

_MOST_TOLD = 200


class DeliveryNotDead(Refused):
    code = "notification.not_dead"

    def __init__(self, delivery_id: UUID, status: DeliveryStatus) -> None:
        super().__init__(
            f"notification {delivery_id} is {status}, not dead; only what was given up can be sent anew"
        )


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    """``before`` is where the next page begins; None at the end."""

    deliveries: Sequence[Delivery]
    before: UUID | None


@dataclass(frozen=True, slots=True)
class DeliveryHistory:
    delivery: Delivery
    attempts: Sequence[Attempt]


@dataclass(frozen=True, slots=True)
class Told:
    """A message about a task that went out, or never will for ``reason``."""

    at: datetime
    channel: str
    reason: str | None
    reminder: bool = False


class NotificationReading:
    def __init__(self, unit_of_work: NotificationUnitOfWorkFactory) -> None:
        self._unit_of_work = unit_of_work

    async def list(
        self, tenant_id: UUID, which: DeliveryFilter, *, before: UUID | None = None, limit: int = 20
    ) -> DeliveryPage:
        """The newest first, going on from ``before``."""
        async with self._unit_of_work(tenant_id) as uow:
            found = await uow.deliveries.list(which, before, limit + 1)
        page = found[:limit]
        return DeliveryPage(page, page[-1].id if len(found) > limit else None)

    async def show(self, tenant_id: UUID, delivery_id: UUID) -> DeliveryHistory:
        """One delivery with all its attempts. Raises DeliveryAbsent."""
        async with self._unit_of_work(tenant_id) as uow:
            delivery = await uow.deliveries.get(delivery_id)
            if delivery is None:
                raise DeliveryAbsent
            return DeliveryHistory(delivery, await uow.deliveries.attempts_of(delivery_id))

    async def told_about(self, tenant_id: UUID, task_id: UUID) -> Sequence[Told]:
        """How the messages about a task ended; those still under way are left out."""
        page = await self.list(tenant_id, DeliveryFilter(task_id=task_id), limit=_MOST_TOLD)
        return [
            Told(each.settled_at, each.channel, each.reason, each.is_reminder)
            for each in page.deliveries
            # That nobody is reminded of what is done is no news.
            if each.settled_at is not None and not (each.is_reminder and each.reason == "task_not_open")
        ]


class NotificationReplay:
    def __init__(self, unit_of_work: NotificationUnitOfWorkFactory) -> None:
        self._unit_of_work = unit_of_work

    async def replay(self, tenant_id: UUID, delivery_id: UUID, *, actor: str) -> Delivery:
        """Queues a dead delivery anew, under its id and with all its attempts.

        Raises:
            DeliveryAbsent: there is none of that id.
            DeliveryNotDead: it was not given up.
        """
        async with self._unit_of_work(tenant_id) as uow:
            revived = await uow.deliveries.revive(delivery_id)
            delivery = await uow.deliveries.get(delivery_id)
            if delivery is None:
                raise DeliveryAbsent
            if not revived:
                raise DeliveryNotDead(delivery_id, delivery.status)
            await uow.audit.add("notification.replayed", "notification", delivery_id, actor=actor)
            await uow.commit("notification.replay")
        return delivery
