"""Who is told about an event, over which channels: one intent per recipient, channel and address."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class Audience(StrEnum):
    """Whom an event concerns; also what a plan says about expired tasks."""

    TESTEE = "testee"
    STAFF = "staff"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Contact:
    """An address on one channel, e.g. ``email`` and the mailbox."""

    channel: str
    address: str


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who can be written to. ``recipient`` names them without saying who or where they are."""

    recipient: str
    name: str | None
    contacts: tuple[Contact, ...]

    def addresses(self, channel: str) -> tuple[str, ...]:
        return tuple(contact.address for contact in self.contacts if contact.channel == channel)


@dataclass(frozen=True, slots=True)
class OptOut:
    """No messages on this channel; ``plan_id`` None means for every plan."""

    channel: str
    plan_id: UUID | None


@dataclass(frozen=True, slots=True)
class Addressee:
    """A testee as messages need them. ``locale`` and ``timezone`` are None where none was given."""

    testee: Person
    guardians: tuple[Person, ...]
    opt_outs: tuple[OptOut, ...]
    locale: str | None
    timezone: str | None = None

    @property
    def people(self) -> tuple[Person, ...]:
        """The testee, or the guardians of one who has no contact at all."""
        if self.guardians and not self.testee.contacts:
            return self.guardians
        return (self.testee,)

    def person(self, recipient: str) -> Person | None:
        return next((each for each in (self.testee, *self.guardians) if each.recipient == recipient), None)

    def opted_out(self, channel: str, plan_id: UUID | None) -> bool:
        return any(
            each.channel == channel and (each.plan_id is None or each.plan_id == plan_id)
            for each in self.opt_outs
        )


@dataclass(frozen=True, slots=True)
class Intent:
    """That a recipient shall be told over a channel. ``skipped`` says why it is settled from the start."""

    recipient: str
    channel: str
    address_index: int
    template: str
    locale: str
    skipped: str | None = None


STAFF = "staff"
LOG = "log"
REMINDER = "task_reminder"
STAFF_ONLY = frozenset({"apprise"})
"""The channels whose addresses only staff have."""

_TEMPLATES: Mapping[tuple[str, Audience], str] = {
    ("TaskOpened", Audience.TESTEE): "task_opened",
    ("EntryReissued", Audience.TESTEE): "entry_reissued",
    ("TaskExpired", Audience.TESTEE): "task_expired",
    ("TaskExpired", Audience.STAFF): "task_expired_staff",
}


def to_testee(testee_id: UUID) -> str:
    return f"testee:{testee_id}"


def to_guardian(testee_id: UUID, number: int) -> str:
    """``number`` counts the testee's guardians from 0."""
    return f"guardian:{testee_id}:{number}"


def to_staff(number: int) -> str:
    """``number`` counts the tenant's staff contacts from 0."""
    return f"{STAFF}:{number}"


def testee_of(recipient: str) -> UUID | None:
    """Whose testee or guardian that is; None for staff."""
    kind, _, rest = recipient.partition(":")
    return None if kind == STAFF else UUID(rest.partition(":")[0])


def is_staff(recipient: str) -> bool:
    return recipient.partition(":")[0] == STAFF


def intents_for_testee(
    event_name: str,
    addressee: Addressee,
    channels: Collection[str],
    addressed: Collection[str],
    locale: str,
    *,
    reminder: bool = False,
) -> Iterator[Intent]:
    """What follows from an event that concerns the testee.

    ``addressed`` are the channels that need an address. Who has none there gets an intent that is skipped, so that
    the ledger shows that nobody was told.
    """
    template = REMINDER if reminder else _TEMPLATES[event_name, Audience.TESTEE]
    for person in addressee.people:
        own = template if person is addressee.testee else f"{template}_guardian"
        for channel in (each for each in channels if each not in STAFF_ONLY):
            count = len(person.addresses(channel)) if channel in addressed else 1
            for index in range(count):
                yield Intent(person.recipient, channel, index, own, locale)
            if count == 0:
                yield Intent(person.recipient, channel, 0, own, locale, skipped="no_address")


def intents_for_staff(
    event_name: str,
    contacts: Collection[Contact],
    channels: Collection[str],
    addressed: Collection[str],
    locale: str,
) -> Iterator[Intent]:
    """What follows from an event that concerns staff."""
    return staff_intents(_TEMPLATES[event_name, Audience.STAFF], contacts, channels, addressed, locale)


def staff_intents(
    template: str,
    contacts: Collection[Contact],
    channels: Collection[str],
    addressed: Collection[str],
    locale: str,
) -> Iterator[Intent]:
    """A message to staff: to each of their contacts, else the log."""
    told = False
    for channel in channels:
        if channel not in addressed:
            told = True
            yield Intent(STAFF, channel, 0, template, locale)
            continue
        for number, contact in enumerate(contacts):
            if contact.channel == channel:
                told = True
                yield Intent(to_staff(number), channel, 0, template, locale)
    if not told:
        yield Intent(STAFF, LOG, 0, template, locale)
