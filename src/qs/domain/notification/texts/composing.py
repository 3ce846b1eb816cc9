"""A message's text for one recipient: as the tenant wrote it, else as it is built in."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from qs.domain.kernel.zones import zone
from qs.domain.notification.remaining import remaining_text
from qs.domain.notification.texts import alerts, builtin_en, builtin_zh, sms
from qs.domain.notification.texts.catalogue import KINDS
from qs.domain.notification.texts.checking import plain, problems_of
from qs.domain.notification.texts.template import TemplateBroken, render
from qs.domain.notification.texts.text import Text

BUILT_IN: Mapping[str, Mapping[str, Text]] = {
    "zh": {**builtin_zh.TEXTS, **alerts.TEXTS["zh"], **sms.TEXTS["zh"]},
    "en": {**builtin_en.TEXTS, **alerts.TEXTS["en"], **sms.TEXTS["en"]},
}
_REASONS: Mapping[str, Mapping[str, str]] = {
    "zh": {**builtin_zh.REASONS, **alerts.REASONS["zh"]},
    "en": {**builtin_en.REASONS, **alerts.REASONS["en"]},
}

BUILT_IN_VERSION = 0
"""The version of a text that the tenant has not written."""


@dataclass(frozen=True, slots=True)
class OwnText:
    """What a tenant wrote for one key and language; versions count from 1."""

    version: int
    text: Text


@dataclass(frozen=True, slots=True)
class Unusable:
    """A tenant's text that was left out, and why; the built-in one went instead."""

    key: str
    version: int
    why: str


@dataclass(frozen=True, slots=True)
class Composed:
    """A message's subject and body; ``version`` is that of the text, 0 for the built-in one."""

    subject: str
    body: str
    version: int
    unusable: tuple[Unusable, ...] = ()


OwnTexts = Mapping[str, OwnText]
_NONE: OwnTexts = MappingProxyType({})


def compose(
    template: str,
    locale: str,
    *,
    name: str | None,
    values: Mapping[str, str],
    link: str | None = None,
    links: Sequence[str] = (),
    expires_at: datetime | None = None,
    left: timedelta | None = None,
    timezone: str = "UTC",
    own: OwnTexts = _NONE,
) -> Composed:
    """The message for one recipient; times are shown in ``timezone``.

    ``links`` are those of several questionnaires, ``left`` is how long the link still works, or the first of several.

    ``own`` are the tenant's texts in that language. One that this release cannot render does not keep the message
    back: the built-in one takes its place and ``unusable`` tells of it.
    """
    facts = dict(values)
    facts["reason"] = _REASONS[locale].get(values.get("reason", ""), values.get("reason", ""))
    facts["name"] = plain(name or "")
    facts["link"] = link or ""
    facts["links"] = "\n".join(links or [link or ""])
    facts["remaining"] = "" if left is None else remaining_text(left, locale)
    facts["expires"] = "" if expires_at is None else _local(expires_at, timezone)
    greeting = _rendered("greeting" if name else "greeting_nameless", locale, own, facts)
    facts["greeting"] = greeting.body
    message = _rendered(template, locale, own, facts)
    return Composed(
        message.subject, f"{message.body}\n", message.version, (*greeting.unusable, *message.unusable)
    )


def _rendered(key: str, locale: str, own: OwnTexts, facts: Mapping[str, str]) -> Composed:
    unusable: tuple[Unusable, ...] = ()
    if (mine := own.get(key)) is not None:
        why = next(_faults(key, mine.text, facts), None)
        if why is None:
            return _filled(mine.text, facts, mine.version)
        unusable = (Unusable(key, mine.version, why),)
    return _filled(BUILT_IN[locale][key], facts, BUILT_IN_VERSION, unusable)


def _filled(
    text: Text, facts: Mapping[str, str], version: int, unusable: tuple[Unusable, ...] = ()
) -> Composed:
    return Composed(plain(render(text.subject, facts)), render(text.body, facts), version, unusable)


def _faults(key: str, text: Text, facts: Mapping[str, str]) -> Iterator[str]:
    for problem in problems_of(KINDS[key], text):
        yield f"{problem.pointer} {problem.detail}"
    try:
        render(text.subject, facts)
        render(text.body, facts)
    except TemplateBroken as broken:
        yield str(broken)


def _local(instant: datetime, timezone: str) -> str:
    return f"{instant.astimezone(zone(timezone)):%Y-%m-%d %H:%M} ({timezone})"
