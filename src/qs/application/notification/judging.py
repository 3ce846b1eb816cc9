"""What becomes of the deliveries that are due: sent now, later, to somebody else, or never."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from qs.application.notification.composing import Composing
from qs.application.notification.ports import (
    Channel,
    Message,
    NewDelivery,
    OpenTask,
    SendingUnitOfWork,
)
from qs.domain.kernel.zones import date_begun, start_of_date, zone
from qs.domain.notification.addressing import (
    Addressee,
    Contact,
    Person,
    intents_for_testee,
    is_staff,
    to_staff,
)
from qs.domain.notification.deciding import Drop, Go, Hold, Rules, decide, zone_of
from qs.domain.notification.delivery import Delivery, DeliveryStatus, Place
from qs.domain.notification.texts import OwnTexts


@dataclass(frozen=True, slots=True)
class Ready:
    """One message, and the deliveries that it is."""

    group: Sequence[Delivery]
    message: Message


@dataclass(frozen=True, slots=True)
class Held:
    delivery: Delivery
    until: datetime


@dataclass(frozen=True, slots=True)
class Closed:
    """It is not sent; ``instead`` are those that take its place."""

    delivery: Delivery
    status: DeliveryStatus
    reason: str
    instead: Sequence[NewDelivery] = ()


@dataclass(frozen=True, slots=True)
class Broken:
    """Nobody could say what to do with it, so that it counts as an attempt; ``answer`` names the kind of error."""

    group: Sequence[Delivery]
    answer: str


End = Ready | Held | Closed | Broken


@dataclass(frozen=True, slots=True)
class _Knowledge:
    now: datetime
    addressees: Mapping[UUID, Addressee]
    tasks: Mapping[UUID, OpenTask]
    staff: Sequence[Contact]
    texts: Mapping[str, OwnTexts]
    told: dict[Place, int]

    def addressee(self, delivery: Delivery) -> Addressee | None:
        return None if delivery.testee_id is None else self.addressees.get(delivery.testee_id)

    def task(self, delivery: Delivery) -> OpenTask | None:
        return None if delivery.task_id is None else self.tasks.get(delivery.task_id)


class Judging:
    """Decides in the transaction that makes the deliveries ours, so that what was wished before it is honoured."""

    def __init__(self, composing: Composing, rules: Rules, *, max_attempts: int) -> None:
        self._composing = composing
        self._rules = rules
        self._max_attempts = max_attempts

    @property
    def digest(self) -> bool:
        return self._rules.digest

    async def judge(
        self, uow: SendingUnitOfWork, channel: Channel, groups: Sequence[Sequence[Delivery]]
    ) -> list[End]:
        """What becomes of each delivery; of a group some may go out and others not."""
        known = await self._look(uow, channel.name, [each for group in groups for each in group])
        ends: list[End] = []
        for group in groups:
            going = []
            for delivery in group:
                end = self._unsent(delivery, known, channel)
                if end is None:
                    going.append(delivery)
                else:
                    ends.append(end)
            if going:
                ends += self._composed(going, known, channel)
        return ends

    async def _look(self, uow: SendingUnitOfWork, channel: str, deliveries: Sequence[Delivery]) -> _Knowledge:
        people = [each for each in deliveries if not is_staff(each.recipient)]
        testees = {each.testee_id for each in people if each.testee_id is not None}
        task_ids = {each.task_id for each in deliveries if each.needs_link and each.task_id is not None}
        capped = self._rules.max_per_day is not None
        addressees = await uow.present.addressees(testees, alone=capped) if testees else {}
        tasks = await uow.present.tasks(task_ids) if task_ids else {}
        staff = await uow.present.staff() if len(people) < len(deliveries) else ()
        told: dict[Place, int] = {}
        if capped and people:
            since = {
                each.place: _day_began(uow.now, zone_of(each, addressees.get(each.testee_id)))
                for each in people
                if each.testee_id is not None
            }
            told.update(await uow.deliveries.told_since(channel, since, beside=[each.id for each in people]))
        return _Knowledge(uow.now, addressees, tasks, staff, await uow.texts.own(), told)

    def _unsent(self, delivery: Delivery, known: _Knowledge, channel: Channel) -> End | None:
        if delivery.attempts >= self._max_attempts:
            return Closed(delivery, DeliveryStatus.DEAD, "attempts_exhausted")
        if is_staff(delivery.recipient):
            return None
        addressee, task = known.addressee(delivery), known.task(delivery)
        standing = None if task is None else task.standing
        told = known.told.get(delivery.place, 0)
        match decide(delivery, addressee, standing, told, self._rules, known.now):
            case Go():
                return None
            case Hold(until):
                return Held(delivery, until)
            case Drop(reason):
                instead: Sequence[NewDelivery] = ()
                if reason == "recipient_changed" and addressee is not None:
                    instead = _instead(delivery, addressee, channel)
                return Closed(delivery, DeliveryStatus.SKIPPED, reason, instead)

    def _composed(self, going: Sequence[Delivery], known: _Knowledge, channel: Channel) -> Sequence[End]:
        first = going[0]
        person = _person(first, known)
        addresses: Sequence[str | None] = (
            person.addresses(channel.name) if channel.needs_address else [None] * (first.address_index + 1)
        )
        if first.address_index >= len(addresses):
            return [Closed(each, DeliveryStatus.SKIPPED, "no_address") for each in going]
        tasks = [task for each in going if each.needs_link and (task := known.task(each)) is not None]
        message = self._composing.message(
            going,
            person,
            addresses[first.address_index],
            tasks,
            timezone=zone_of(first, known.addressee(first)),
            now=known.now,
            own=known.texts.get(first.locale, {}),
        )
        known.told[first.place] = known.told.get(first.place, 0) + 1
        return [Ready(going, message)]


def _day_began(now: datetime, timezone: str) -> datetime:
    tz = zone(timezone)
    return start_of_date(date_begun(now, tz), tz) or now


def _person(delivery: Delivery, known: _Knowledge) -> Person:
    if is_staff(delivery.recipient):
        own = [each for number, each in enumerate(known.staff) if to_staff(number) == delivery.recipient]
        return Person(delivery.recipient, None, tuple(own))
    addressee = known.addressee(delivery)
    person = None if addressee is None else addressee.person(delivery.recipient)
    assert person is not None
    return person


def _instead(delivery: Delivery, addressee: Addressee, channel: Channel) -> Sequence[NewDelivery]:
    """The same message to those who are to be told now; whoever has it already is not told again."""
    addressed: Collection[str] = (channel.name,) if channel.needs_address else ()
    intents = intents_for_testee(
        delivery.event_name,
        addressee,
        [channel.name],
        addressed,
        delivery.locale,
        reminder=delivery.is_reminder,
    )
    return [
        NewDelivery(
            delivery.event_id,
            delivery.event_name,
            delivery.task_id,
            delivery.testee_id,
            delivery.plan_id,
            intent,
            delivery.data,
            delivery.occasion,
            delivery.not_before,
        )
        for intent in intents
    ]
