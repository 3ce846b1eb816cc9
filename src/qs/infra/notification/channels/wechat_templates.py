"""Which template of the mini-program each of our messages goes out with, and what is written into it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from qs.application.notification.ports import Message
from qs.domain.kernel.zones import zone
from qs.infra.notification.channels.wechat_fields import ValueUnfit, fit, shown_time

FIELD_VALUES = ("subject", "expires", "task_id")
PAGE_VALUES = ("task_id", "token", "link")

_VALUE = re.compile(r"\{([^{}]*)\}")
_MEMBERS = ("message", "id", "page", "fields")
_MOST_FIELDS = 20
_LONGEST_TEXT = 200
_LONGEST_PAGE = 1024
_GUARDIAN = "_guardian"
# The longest values there are of each, so that what fits them fits the others.
_SAMPLE = {
    "subject": "您有一份问卷待填写",
    "expires": shown_time(datetime(2030, 12, 31, 23, 59, tzinfo=UTC)),
    "task_id": "f" * 32,
}


@dataclass(frozen=True, slots=True)
class WechatTemplate:
    """``id`` is the mini-program's own. ``fields`` are texts that may hold ``{subject}``, ``{expires}`` and ``{task_id}``."""

    id: str
    page: str | None
    fields: Mapping[str, str]

    def data(self, message: Message) -> dict[str, dict[str, str]]:
        """The fields of this message. Raises ValueUnfit, with the field's name."""
        local = message.expires_at.astimezone(zone(message.timezone)) if message.expires_at else None
        values = {
            "subject": message.subject,
            "expires": shown_time(local) if local else "",
            "task_id": message.task_id.hex if message.task_id else "",
        }
        return {key: {"value": _fitted(key, text, values)} for key, text in self.fields.items()}

    def page_of(self, message: Message) -> str | None:
        """Where the message leads; None, and it leads nowhere, where the page needs a link and there is none."""
        if self.page is None:
            return None
        link = message.link or ""
        token = parse_qs(urlsplit(link).query).get("token", [""])[0]
        values = {"task_id": str(message.task_id or ""), "token": token, "link": quote(link, safe="")}
        if any(not values[name] for name in _VALUE.findall(self.page)):
            return None
        return _VALUE.sub(lambda found: values[found[1]], self.page)


class WechatTemplates:
    """By the name of our message; one for guardians goes out as the testee's unless it has a template of its own."""

    def __init__(self, by_message: Mapping[str, WechatTemplate]) -> None:
        self._by_message = by_message

    @classmethod
    def read(cls, raw: Sequence[Any]) -> "WechatTemplates":
        """Of what the settings hold, which ``template_problems`` found nothing in."""
        return cls(
            {
                each["message"]: WechatTemplate(each["id"], each.get("page"), dict(each["fields"]))
                for each in raw
            }
        )

    @property
    def ids(self) -> frozenset[str]:
        return frozenset(template.id for template in self._by_message.values())

    def of(self, message: str) -> WechatTemplate | None:
        return self._by_message.get(message) or self._by_message.get(message.removesuffix(_GUARDIAN))


def template_problems(raw: Sequence[Any], messages: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(where, what is wrong) of each template as the settings hold it; ``messages`` are the names there are."""
    seen: set[str] = set()
    for number, each in enumerate(raw):
        at = f"[{number}]"
        if not isinstance(each, dict) or not all(isinstance(name, str) for name in each):
            yield at, f"expected {', '.join(_MEMBERS)}"
            continue
        yield from (
            (f"{at}.{name}"[:80], "is not a part of a template") for name in each if name not in _MEMBERS
        )
        message = str(each.get("message"))
        if message not in messages:
            yield f"{at}.message", f"expected one of {', '.join(messages)}"
        elif message in seen:
            yield f"{at}.message", "stands twice; keep one template for a message"
        else:
            seen.add(message)
        if not isinstance(each.get("id"), str) or not re.fullmatch(r"[A-Za-z0-9_-]{10,64}", each["id"]):
            yield f"{at}.id", "expected the template's id as the mini-program's console shows it"
        yield from _page_problems(f"{at}.page", each.get("page"))
        yield from _field_problems(f"{at}.fields", each.get("fields"))


def _page_problems(at: str, page: object) -> Iterator[tuple[str, str]]:
    if page is None:
        return
    if not isinstance(page, str) or not re.fullmatch(rf"[!-~]{{1,{_LONGEST_PAGE}}}", page):
        yield at, "expected a page such as pages/task/index?task_id={task_id}&token={token}"
    elif unknown := [name for name in _VALUE.findall(page) if name not in PAGE_VALUES]:
        yield at, f"holds {{{unknown[0][:40]}}}; known are {', '.join(PAGE_VALUES)}"


def _field_problems(at: str, fields: object) -> Iterator[tuple[str, str]]:
    if not isinstance(fields, dict) or not 1 <= len(fields) <= _MOST_FIELDS:
        yield at, f"expected 1 to {_MOST_FIELDS} fields such as thing1: a text"
        return
    for key, text in fields.items():
        where = f"{at}.{key}"[:120]
        if not isinstance(key, str) or not isinstance(text, str) or len(text) > _LONGEST_TEXT:
            yield where, f"expected a text of up to {_LONGEST_TEXT} characters"
        elif unknown := [name for name in _VALUE.findall(text) if name not in FIELD_VALUES]:
            yield where, f"holds {{{unknown[0][:40]}}}; known are {', '.join(FIELD_VALUES)}"
        else:
            try:
                fit(key, _filled(text, _SAMPLE))
            except ValueUnfit as error:
                yield where, str(error)


def _fitted(key: str, text: str, values: Mapping[str, str]) -> str:
    try:
        return fit(key, _filled(text, values))
    except ValueUnfit as error:
        raise ValueUnfit(f"field {key} {error}") from error


def _filled(text: str, values: Mapping[str, str]) -> str:
    return _VALUE.sub(lambda found: values[found[1]], text)
