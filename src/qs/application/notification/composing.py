"""A delivery's message as it is at the moment of sending: state, address, wishes and link are read then, never stored."""

from uuid import UUID

from qs.application.kernel.entry_links import EntryLinks
from qs.application.notification.ports import Message, StaffDirectory, TesteeDirectory
from qs.domain.notification.addressing import Person, is_staff, to_staff
from qs.domain.notification.delivery import Delivery
from qs.domain.notification.texts import compose


class Skip(Exception):
    """The message must not go out; ``reason`` is kept in the ledger."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Composing:
    def __init__(self, testees: TesteeDirectory, staff: StaffDirectory, links: EntryLinks) -> None:
        self._testees = testees
        self._staff = staff
        self._links = links

    async def message(self, delivery: Delivery, *, needs_address: bool) -> Message:
        """The message to send now.

        Raises:
            Skip: the testee was erased (``erased``), wants no messages here (``opted_out``) or has no such address
                any more (``no_address``); or the task is not open any more (``task_not_open``).
        """
        person = await self._person(delivery)
        address = _address(person, delivery) if needs_address else None
        link = None
        if delivery.needs_link:
            assert delivery.task_id is not None
            link = await self._links.show(delivery.tenant_id, delivery.task_id)
            if link is None:
                raise Skip("task_not_open")
        text = compose(
            delivery.template,
            delivery.locale,
            name=person.name,
            values={**delivery.data, "task_id": str(delivery.task_id), "plan_id": str(delivery.plan_id)},
            link=link.url if link else None,
            expires_at=link.expires_at if link else None,
            timezone=delivery.data.get("timezone", "UTC"),
        )
        return Message(
            notification_id=delivery.id,
            event_id=delivery.event_id,
            task_id=delivery.task_id,
            recipient=delivery.recipient,
            address=address,
            template=delivery.template,
            locale=delivery.locale,
            subject=text.subject,
            text=text.body,
            link=link.url if link else None,
            expires_at=link.expires_at if link else None,
        )

    async def _person(self, delivery: Delivery) -> Person:
        if is_staff(delivery.recipient):
            return await self._staff_member(delivery.tenant_id, delivery.recipient)
        assert delivery.testee_id is not None
        found = await self._testees.find(delivery.tenant_id, [delivery.testee_id])
        addressee = found.get(delivery.testee_id)
        if addressee is None:
            raise Skip("erased")
        if addressee.opted_out(delivery.channel, delivery.plan_id):
            raise Skip("opted_out")
        person = addressee.person(delivery.recipient)
        if person is None:
            raise Skip("no_address")
        return person

    async def _staff_member(self, tenant_id: UUID, recipient: str) -> Person:
        contacts = await self._staff.contacts(tenant_id)
        own = [contact for number, contact in enumerate(contacts) if to_staff(number) == recipient]
        return Person(recipient, None, tuple(own))


def _address(person: Person, delivery: Delivery) -> str:
    addresses = person.addresses(delivery.channel)
    if delivery.address_index >= len(addresses):
        raise Skip("no_address")
    return addresses[delivery.address_index]
