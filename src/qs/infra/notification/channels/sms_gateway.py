"""The HTTP gateway of whoever delivers text messages: what it is asked, and what its answer means."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, Self
from urllib.parse import parse_qsl, urlencode

import msgspec

from qs.infra.http.guarded import Answer
from qs.infra.notification.json_pointers import find_text, read_document

Method = Literal["POST", "PUT", "GET"]
Format = Literal["json", "form"]

_PLACE = re.compile(r"\{(to|text|id)\}")
# What may be told of a provider's word: never a text that repeats the message or the number.
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}|[0-9]{1,6}", re.ASCII)
_PROVIDER_ID = re.compile(r"[\x21-\x7e]{1,128}")
# Settings or account are at fault, or the provider will think differently later; nothing about this message.
_PASSING = frozenset({401, 402, 403, 407, 408, 409, 425, 429})


class GatewayUnusable(ValueError):
    """The settings describe no request; the message says which and why, and nothing of what they hold."""


@dataclass(frozen=True, slots=True)
class SmsRequest:
    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """``accepted``, or ``permanent`` or not. ``told`` is what may be kept of the answer."""

    accepted: bool
    permanent: bool
    told: str
    provider_id: str | None = None


class GatewaySettings(Protocol):
    """What is said of a gateway; without ``url`` and ``body`` there is none."""

    @property
    def url(self) -> str | None: ...

    @property
    def method(self) -> Method: ...

    @property
    def headers(self) -> Sequence[str]: ...

    @property
    def format(self) -> Format: ...

    @property
    def body(self) -> str | None: ...

    @property
    def code(self) -> str | None: ...

    @property
    def accepted(self) -> Collection[str]: ...

    @property
    def permanent(self) -> Collection[str]: ...

    @property
    def id(self) -> str | None: ...

    @property
    def max_segments(self) -> int: ...


@dataclass(frozen=True)
class SmsGateway:
    """``body`` is a JSON document or a form whose values hold ``{to}``, ``{text}`` and ``{id}``.

    ``code`` and ``id`` are JSON pointers into its answer. With ``code`` a message is taken only where that says one of
    ``accepted``; one of ``permanent`` means never. Without it every 2xx will do.
    """

    url: str = field(repr=False)
    method: Method
    headers: Sequence[str] = field(repr=False)
    format: Format
    body: str = field(repr=False)
    code: str | None = None
    accepted: Collection[str] = ()
    permanent: Collection[str] = ()
    id: str | None = None
    max_segments: int = 5

    @classmethod
    def of(cls, given: GatewaySettings) -> Self | None:
        """The gateway that the settings describe, if they do. Raises GatewayUnusable."""
        if given.url is None or given.body is None:
            return None
        return cls(
            url=given.url,
            method=given.method,
            headers=given.headers,
            format=given.format,
            body=given.body,
            code=given.code,
            accepted=given.accepted,
            permanent=given.permanent,
            id=given.id,
            max_segments=given.max_segments,
        )

    def __post_init__(self) -> None:
        """Raises GatewayUnusable."""
        for line in self.headers:
            if not line.partition(":")[1]:
                raise GatewayUnusable("headers: expected lines such as Authorization: Bearer …")
        if self.method == "GET" and self.format == "json":
            raise GatewayUnusable("format: GET has no body to put JSON in; expected form")
        if self.format == "json" and not isinstance(read_document(self.body.encode()), dict):
            raise GatewayUnusable('body: expected a JSON object such as {"to": "{to}", "text": "{text}"}')
        if self.format == "form" and not parse_qsl(self.body, keep_blank_values=True):
            raise GatewayUnusable("body: expected a form such as to={to}&text={text}")
        if missing := {"to", "text"} - set(_PLACE.findall(self.body)):
            raise GatewayUnusable(f"body: lacks {{{sorted(missing)[0]}}}")
        for name, pointer in (("code", self.code), ("id", self.id)):
            if pointer is not None and not pointer.startswith("/"):
                raise GatewayUnusable(f"{name}: expected a JSON pointer such as /result/{name}")
        if self.code is not None and not self.accepted:
            raise GatewayUnusable("accepted: expected what code says of a message that was taken")

    def request(self, *, to: str, text: str, message_id: str) -> SmsRequest:
        """The call that hands one message over."""
        values = {"to": to, "text": text, "id": message_id}
        url, body = self.url, None
        if self.format == "json":
            body = msgspec.json.encode(_filled(read_document(self.body.encode()), values))
        else:
            pairs = parse_qsl(self.body, keep_blank_values=True)
            form = urlencode([(name, _filled(value, values)) for name, value in pairs])
            if self.method == "GET":
                url += ("&" if "?" in url else "?") + form
            else:
                body = form.encode()
        return SmsRequest(self.method, url, self._headers(message_id), body)

    def judge(self, answer: Answer) -> Verdict:
        """What became of the message."""
        document = None if answer.truncated else read_document(answer.body)
        said = find_text(document, self.code) if self.code is not None else None
        code = None if said is None else code_of(said)
        told = f"HTTP {answer.status}" if code is None else f"HTTP {answer.status} {code}"
        if said is not None and said in self.permanent:
            return Verdict(False, True, told)
        if not 200 <= answer.status < 300:
            permanent = 300 <= answer.status < 500 and answer.status not in _PASSING
            return Verdict(False, permanent, told)
        if self.code is not None and said not in self.accepted:
            return Verdict(False, False, told if said is not None else f"{told}, unreadable")
        return Verdict(True, False, told, self._provider_id(document))

    def _provider_id(self, document: Any) -> str | None:
        found = find_text(document, self.id) if self.id is not None else None
        return None if found is None else provider_id_of(found)

    def _headers(self, message_id: str) -> dict[str, str]:
        media = "application/json" if self.format == "json" else "application/x-www-form-urlencoded"
        headers = {} if self.method == "GET" else {"Content-Type": media}
        for line in self.headers:
            name, _, value = line.partition(":")
            headers[name.strip()] = value.strip().replace("{id}", message_id)
        return headers


def code_of(said: str) -> str | None:
    """A provider's word, where it is one that may be told."""
    return said if _CODE.fullmatch(said) else None


def provider_id_of(said: str) -> str | None:
    """The id that a provider gave a message, where it is one."""
    return said if _PROVIDER_ID.fullmatch(said) else None


def _filled(value: Any, values: Mapping[str, str]) -> Any:
    """The value with the places in its texts filled, once: what is put in is not looked at again."""
    if isinstance(value, str):
        return _PLACE.sub(lambda place: values[place[1]], value)
    if isinstance(value, dict):
        return {name: _filled(member, values) for name, member in value.items()}
    if isinstance(value, list):
        return [_filled(member, values) for member in value]
    return value
