"""What the routes of testees read and answer."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from msgspec import UNSET, Meta, Struct

from qs.application.plan.contacts import (
    CHANNELS,
    LOCALES,
    read_contact,
    read_locale,
    read_text,
    read_timezone,
)
from qs.application.plan.keeping import Profile
from qs.domain.kernel.errors import Problem
from qs.domain.plan.testee import Contact, Guardian, OptOut, Testee
from qs.interface.rest.bodies import Body
from qs.interface.rest.parsing import pointer, refuse

MOST_CONTACTS = 20
MOST_GUARDIANS = 10
MOST_OPT_OUTS = 100
_LONGEST_NAME = 200


def _text(example: str, description: str, longest: int = _LONGEST_NAME) -> Meta:
    extra = {"type": ["string", "null"], "maxLength": longest}
    return Meta(description=description, examples=[example], extra_json_schema={"extra": extra})


def _list(example: list[Any], description: str, most: int) -> Meta:
    extra = {"type": "array", "items": {"type": "object"}, "maxItems": most}
    return Meta(description=description, examples=[example], extra_json_schema={"extra": extra})


class TesteeBody(Body):
    """All that is said of a testee; a field left out is not known. Every problem is answered at once."""

    external_id: Annotated[Any, _text("P-0001", "Your own id of the person; unique.")] = None
    name: Annotated[Any, _text("Li Lei", "How the person is called.")] = None
    timezone: Annotated[Any, _text("Asia/Shanghai", "IANA name; the plan's where null.", 64)] = None
    locale: Annotated[Any, _text("zh", f"One of {', '.join(LOCALES)}.", 20)] = None
    contacts: Annotated[
        Any,
        _list(
            [{"channel": "email", "address": "li.lei@example.org"}],
            f"Channels: {', '.join(CHANNELS)}.",
            MOST_CONTACTS,
        ),
    ] = UNSET
    guardians: Annotated[
        Any,
        _list(
            [{"name": "Li Ming", "contacts": [{"channel": "phone", "address": "+86 10 5555 0100"}]}],
            "Who is written to where the person has no contact.",
            MOST_GUARDIANS,
        ),
    ] = UNSET
    opt_outs: Annotated[
        Any,
        _list([{"channel": "email"}], "No messages on this channel, of one plan or of all.", MOST_OPT_OUTS),
    ] = UNSET

    def profile(self) -> Profile:
        """What it says. Raises Invalid with every problem; no message repeats what identifies a person."""
        problems: list[Problem] = []
        profile = Profile(
            external_id=read_text("/external_id", self.external_id, _LONGEST_NAME, problems),
            name=read_text("/name", self.name, _LONGEST_NAME, problems),
            timezone=read_timezone(self.timezone, problems),
            locale=read_locale(self.locale, problems),
            contacts=_contacts("/contacts", self.contacts, problems),
            guardians=_guardians(self.guardians, problems),
            opt_outs=_opt_outs(self.opt_outs, problems),
        )
        refuse(problems)
        return profile


class ContactView(Struct):
    """An address on one channel."""

    channel: str
    address: str


class GuardianView(Struct):
    name: str
    contacts: list[ContactView]


class OptOutView(Struct):
    """No messages on this channel; `plan_id` null means of every plan."""

    channel: str
    plan_id: UUID | None


class TesteeView(Struct):
    """A person who answers. Of an erased one nothing is left but that there was somebody."""

    id: UUID
    tenant_id: UUID
    external_id: str | None
    name: str | None
    timezone: str | None
    locale: str | None
    contacts: list[ContactView]
    guardians: list[GuardianView]
    opt_outs: list[OptOutView]
    created_at: datetime
    updated_at: datetime
    erased_at: datetime | None
    version: int

    @classmethod
    def of(cls, testee: Testee) -> "TesteeView":
        return cls(
            id=testee.id,
            tenant_id=testee.tenant_id,
            external_id=testee.external_id,
            name=testee.name,
            timezone=testee.timezone,
            locale=testee.locale,
            contacts=_contact_views(testee.contacts),
            guardians=[GuardianView(each.name, _contact_views(each.contacts)) for each in testee.guardians],
            opt_outs=[OptOutView(each.channel, each.plan_id) for each in testee.opt_outs],
            created_at=testee.created_at,
            updated_at=testee.updated_at,
            erased_at=testee.erased_at,
            version=testee.version,
        )


def _contact_views(contacts: tuple[Contact, ...]) -> list[ContactView]:
    return [ContactView(contact.channel, contact.address) for contact in contacts]


def _contacts(at: str, raw: object, problems: list[Problem]) -> tuple[Contact, ...]:
    members = _members(at, raw, MOST_CONTACTS, ("channel", "address"), problems)
    read = (
        read_contact(each.get("channel"), each.get("address"), where, problems) for where, each in members
    )
    return tuple(contact for contact in read if contact is not None)


def _guardians(raw: object, problems: list[Problem]) -> tuple[Guardian, ...]:
    found: list[Guardian] = []
    for where, each in _members("/guardians", raw, MOST_GUARDIANS, ("name", "contacts"), problems):
        name = read_text(f"{where}/name", each.get("name"), _LONGEST_NAME, problems)
        if each.get("name") is None:
            problems.append(Problem(f"{where}/name", "is required"))
        contacts = _contacts(f"{where}/contacts", each.get("contacts", UNSET), problems)
        found.append(Guardian(name or "", contacts))
    return tuple(found)


def _opt_outs(raw: object, problems: list[Problem]) -> tuple[OptOut, ...]:
    found: list[OptOut] = []
    for where, each in _members("/opt_outs", raw, MOST_OPT_OUTS, ("channel", "plan_id"), problems):
        channel = each.get("channel")
        if channel not in CHANNELS:
            problems.append(Problem(f"{where}/channel", f"must be one of {', '.join(CHANNELS)}"))
        found.append(OptOut(str(channel), _plan_id(each.get("plan_id"), f"{where}/plan_id", problems)))
    return tuple(found)


def _plan_id(raw: object, at: str, problems: list[Problem]) -> UUID | None:
    if raw is None:
        return None
    if isinstance(raw, str) and len(raw) == 36:
        with suppress(ValueError):
            return UUID(raw)
    problems.append(Problem(at, "must be the id of a plan"))
    return None


def _members(
    at: str, raw: object, most: int, names: tuple[str, ...], problems: list[Problem]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """(pointer, object) of each member of a list of objects that have these fields only; the rest is noted."""
    if raw is UNSET:
        return
    if not isinstance(raw, list) or len(raw) > most:
        problems.append(Problem(at, f"must be a list of at most {most} objects"))
        return
    for position, member in enumerate(raw):
        where = f"{at}/{position}"
        if not isinstance(member, dict):
            problems.append(Problem(where, "must be an object"))
            continue
        problems += [
            Problem(where + pointer(name[:64]), "is not a field here") for name in member if name not in names
        ]
        yield where, member
