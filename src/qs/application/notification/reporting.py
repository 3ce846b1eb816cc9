"""What becomes of messages after they were handed over: bounces of mails, and receipts of providers."""

from collections.abc import Sequence
from uuid import UUID

from qs.application.notification.ports import DeliveryAbsent, NotificationUnitOfWorkFactory
from qs.application.notification.report_ports import Place, Receipt, Whereabouts
from qs.domain.kernel.errors import Refused
from qs.domain.notification.bounces import Bounce
from qs.domain.notification.delivery import Delivery, DeliveryStatus
from qs.domain.notification.fates import Fate, Report

EMAIL = "email"


class DeliveryUnsettled(Refused):
    code = "notification.unsettled"
    retry_after = 60

    def __init__(self, delivery_id: UUID) -> None:
        super().__init__(
            f"notification {delivery_id} is being sent, so what became of it is not known here yet; report it again in a "
            "minute"
        )


class Reporting:
    """Every report may come twice, late, or of a message that was sent anew since; none of that does harm."""

    def __init__(self, unit_of_work: NotificationUnitOfWorkFactory, whereabouts: Whereabouts) -> None:
        self._unit_of_work = unit_of_work
        self._whereabouts = whereabouts

    async def bounced(self, tenant_id: UUID, bounce: Bounce, *, actor: str) -> Delivery:
        """The delivery of a mail that came back, given up as ``bounced`` if the mail is lost.

        Raises:
            DeliveryAbsent: the tenant has no such mail.
            DeliveryUnsettled: it is being sent at this moment.
        """
        place = await self._whereabouts.of_message(bounce.notification_id, EMAIL)
        if place is None or place.tenant_id != tenant_id:
            raise DeliveryAbsent
        return await self._note(place, bounce.report, None, actor)

    async def bounced_anywhere(self, bounce: Bounce, *, actor: str) -> Delivery:
        """As ``bounced``, of whichever tenant; for the operator, whose mailbox is one for all."""
        place = await self._whereabouts.of_message(bounce.notification_id, EMAIL)
        if place is None:
            raise DeliveryAbsent
        return await self._note(place, bounce.report, None, actor)

    async def received(self, channel: str, receipts: Sequence[Receipt]) -> int:
        """Keeps what the channel's provider reports; returns how many of the reports are of messages known here.

        Raises:
            DeliveryAbsent: there are reports, and none is of a message known here.
            DeliveryUnsettled: one of the messages is being sent at this moment.
        """
        known = 0
        for receipt in receipts:
            place = await self._place(channel, receipt)
            if place is not None:
                await self._note(place, receipt.report, receipt.provider_id, f"provider:{channel}")
                known += 1
        if receipts and not known:
            raise DeliveryAbsent
        return known

    async def _place(self, channel: str, receipt: Receipt) -> Place | None:
        if receipt.message_id is not None:
            return await self._whereabouts.of_message(receipt.message_id, channel)
        return await self._whereabouts.of_provider_id(receipt.provider_id or "", channel)

    async def _note(
        self, place: Place, report: Report | None, provider_id: str | None, actor: str
    ) -> Delivery:
        async with self._unit_of_work(place.tenant_id) as uow:
            deliveries = await uow.receipts.lock_message(place.message_id)
            if not deliveries:
                raise DeliveryAbsent
            if report is not None:
                if any(each.status is DeliveryStatus.SENDING for each in deliveries):
                    raise DeliveryUnsettled(place.message_id)
                noted = [await uow.receipts.note(each, report, provider_id) for each in deliveries]
                if any(noted):
                    action = f"notification.{report.fate}"
                    await uow.audit.add(action, "notification", place.message_id, actor=actor)
                    deliveries = await uow.receipts.lock_message(place.message_id)
                    await uow.commit("notification.report")
        return deliveries[0]


def given_by_hand(notification_id: UUID) -> Bounce:
    """A bounce that somebody tells of without the mail that says so."""
    return Bounce(notification_id, Report(Fate.BOUNCED))
