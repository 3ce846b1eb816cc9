"""Reading what identifies a person: bounded, shaped, never repeated in a message."""

import re
import unicodedata
from collections.abc import Mapping

from qs.domain.kernel.errors import Problem
from qs.domain.kernel.zones import UnknownZone, zone
from qs.domain.plan.testee import Contact

CHANNELS = ("email", "phone", "sms", "wechat", "webhook")
LOCALES = ("en", "zh")

# One @, a domain, no blanks or controls: what a mail server can be asked about. RFC 5321 bounds the length.
_EMAIL = re.compile(r"[^\s@<>()\[\],;:\\\"]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
# To be called by people, so as people write it; text messages go by gateways, which take E.164.
_PHONE = re.compile(r"\+?[0-9][0-9 ()/-]{3,30}")
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_OPENID = re.compile(r"[A-Za-z0-9_-]{20,64}")
_SHAPES = {
    "email": (_EMAIL, "must be an address such as name@example.org"),
    "phone": (_PHONE, "must be a phone number"),
    "sms": (_E164, "must be a number with its country and without blanks, such as +8613800138000"),
    "wechat": (_OPENID, "must be an openid of the mini-program"),
}


def read_text(pointer: str, raw: object, longest: int, problems: list[Problem]) -> str | None:
    """Text of 1 to ``longest`` characters without control characters; None and a noted problem otherwise."""
    if raw is None:
        return None
    fits = isinstance(raw, str) and 1 <= len(raw) <= longest and bool(raw.strip())
    if fits and not any(unicodedata.category(character) in ("Cc", "Cs") for character in str(raw)):
        return str(raw)
    problems.append(Problem(pointer, f"must be text of 1 to {longest} characters without control characters"))
    return None


def read_timezone(raw: object, problems: list[Problem], pointer: str = "/timezone") -> str | None:
    """A known zone's name; None and a noted problem otherwise."""
    if raw is None:
        return None
    if isinstance(raw, str):
        try:
            return zone(raw).key
        except UnknownZone:
            pass
    problems.append(Problem(pointer, "must be an IANA time zone name such as Asia/Shanghai"))
    return None


def read_locale(raw: object, problems: list[Problem], pointer: str = "/locale") -> str | None:
    """``zh`` or ``en``, also as ``zh_CN`` or ``en-GB``; None and a noted problem otherwise."""
    if raw is None:
        return None
    if isinstance(raw, str) and re.split("[-_]", raw[:20])[0].lower() in LOCALES:
        return re.split("[-_]", raw)[0].lower()
    problems.append(Problem(pointer, f"must be one of {', '.join(LOCALES)}"))
    return None


def read_contact(channel: object, address: object, pointer: str, problems: list[Problem]) -> Contact | None:
    """A contact whose address fits its channel; None and a noted problem otherwise."""
    if channel not in CHANNELS:
        problems.append(Problem(f"{pointer}/channel", f"must be one of {', '.join(CHANNELS)}"))
        return None
    assert isinstance(channel, str)
    text = read_text(f"{pointer}/address", address, 320, problems)
    if text is None:
        if address is None:
            problems.append(Problem(f"{pointer}/address", "is required"))
        return None
    shape, expected = _SHAPES.get(channel, (None, ""))
    if shape is not None and not shape.fullmatch(text):
        problems.append(Problem(f"{pointer}/address", expected))
        return None
    return Contact(channel, text)


def read_contacts(by_channel: Mapping[str, object], problems: list[Problem]) -> tuple[Contact, ...]:
    """Contacts given as one field per channel, as rows have them; empty ones are left out."""
    found: list[Contact] = []
    for channel, address in by_channel.items():
        if address is None:
            continue
        own: list[Problem] = []
        contact = read_contact(channel, address, "", own)
        problems += [Problem(f"/{channel}", problem.detail) for problem in own]
        if contact is not None:
            found.append(contact)
    return tuple(found)
