"""Other contexts' records in the words of this one. What they are asked for is stated here; the container binds them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from qs.domain.notification.addressing import (
    Addressee,
    Audience,
    Contact,
    OptOut,
    Person,
    to_guardian,
    to_testee,
)
from qs.domain.notification.reminding import Anchor, ReminderRule


class ContactRecord(Protocol):
    @property
    def channel(self) -> str: ...

    @property
    def address(self) -> str: ...


class GuardianRecord(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def contacts(self) -> Sequence[ContactRecord]: ...


class OptOutRecord(Protocol):
    @property
    def channel(self) -> str: ...

    @property
    def plan_id(self) -> UUID | None: ...


class TesteeRecord(Protocol):
    @property
    def name(self) -> str | None: ...

    @property
    def locale(self) -> str | None: ...

    @property
    def timezone(self) -> str | None: ...

    @property
    def contacts(self) -> Sequence[ContactRecord]: ...

    @property
    def guardians(self) -> Sequence[GuardianRecord]: ...

    @property
    def opt_outs(self) -> Sequence[OptOutRecord]: ...


class TesteeRecords(Protocol):
    async def reachable(
        self, tenant_id: UUID, testee_ids: Collection[UUID]
    ) -> Mapping[UUID, TesteeRecord]: ...


class ReminderRecord(Protocol):
    """``kind`` is ``after`` the opening or ``before_expiry``; ``text`` is the length as people write it."""

    @property
    def kind(self) -> str: ...

    @property
    def length(self) -> timedelta: ...

    @property
    def text(self) -> str: ...


class PlanRecords(Protocol):
    async def notify_on_expiry(self, tenant_id: UUID, plan_ids: Collection[UUID]) -> Mapping[UUID, str]: ...

    async def reminders(
        self, tenant_id: UUID, plan_ids: Collection[UUID]
    ) -> Mapping[UUID, Sequence[ReminderRecord]]: ...


class StaffRecords(Protocol):
    async def contacts(self, tenant_id: UUID) -> Sequence[ContactRecord]: ...


class RecordedTestees:
    def __init__(self, records: TesteeRecords) -> None:
        self._records = records

    async def find(self, tenant_id: UUID, testee_ids: Collection[UUID]) -> Mapping[UUID, Addressee]:
        found = await self._records.reachable(tenant_id, testee_ids)
        return {testee_id: addressee_of(testee_id, record) for testee_id, record in found.items()}


class RecordedPreferences:
    def __init__(self, records: PlanRecords) -> None:
        self._records = records

    async def on_expiry(self, tenant_id: UUID, plan_ids: Collection[UUID]) -> Mapping[UUID, Audience]:
        found = await self._records.notify_on_expiry(tenant_id, plan_ids)
        return {plan_id: Audience(wish) for plan_id, wish in found.items()}

    async def reminders(
        self, tenant_id: UUID, plan_ids: Collection[UUID]
    ) -> Mapping[UUID, Sequence[ReminderRule]]:
        found = await self._records.reminders(tenant_id, plan_ids)
        return {
            plan_id: [ReminderRule(Anchor(each.kind), each.length, each.text) for each in rules]
            for plan_id, rules in found.items()
        }


class RecordedStaff:
    def __init__(self, records: StaffRecords) -> None:
        self._records = records

    async def contacts(self, tenant_id: UUID) -> Sequence[Contact]:
        return contacts_of(await self._records.contacts(tenant_id))


def addressee_of(testee_id: UUID, record: TesteeRecord) -> Addressee:
    return Addressee(
        testee=Person(to_testee(testee_id), record.name, contacts_of(record.contacts)),
        guardians=tuple(
            Person(to_guardian(testee_id, number), guardian.name, contacts_of(guardian.contacts))
            for number, guardian in enumerate(record.guardians)
        ),
        opt_outs=tuple(OptOut(each.channel, each.plan_id) for each in record.opt_outs),
        locale=record.locale,
        timezone=record.timezone,
    )


def contacts_of(records: Iterable[ContactRecord]) -> tuple[Contact, ...]:
    return tuple(Contact(record.channel, record.address) for record in records)
