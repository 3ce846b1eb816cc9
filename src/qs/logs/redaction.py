"""Keeps credentials and contacts out of every log line, whoever wrote it."""

import re
from collections.abc import Callable, Mapping, MutableMapping
from functools import lru_cache
from typing import Any

REDACTED = "[redacted]"

_SECRET_WORDS = frozenset(
    {
        "token",
        "tokens",
        "password",
        "passwd",
        "secret",
        "secrets",
        "authorization",
        "cookie",
        "cookies",
        "link",
        "links",
        "contact",
        "contacts",
        "email",
        "phone",
        "assertion",
        "credential",
        "credentials",
    }
)
_WORD = re.compile(r"[a-z0-9]+")

# In free text: a query parameter, a bearer, the password of an address, and our own secrets by their prefixes. Before
# each stands what a text must hold for the pattern to be worth trying: most texts of a log line are ids and numbers.
_IN_TEXT: tuple[tuple[Callable[[str], bool], re.Pattern[str], str], ...] = (
    (
        lambda text: "=" in text,
        re.compile(r"((?:token|secret|password|key|code)=)[^&\s\"'<>]+", re.IGNORECASE),
        rf"\1{REDACTED}",
    ),
    (
        lambda text: len(text.split(None, 1)) > 1,
        re.compile(r"((?:bearer|basic)\s+)[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE),
        rf"\1{REDACTED}",
    ),
    (lambda text: "://" in text, re.compile(r"(://[^\s:/@?#]*:)[^\s@/?#]+(?=@)"), rf"\1{REDACTED}"),
    (lambda text: "qs" in text, re.compile(r"\b(qs[krs]_)[A-Za-z0-9_-]{16,}"), rf"\1{REDACTED}"),
)
_QUERY = re.compile(r"(?<=\S)\?\S*=\S*")
_DEEPEST = 6


def redact(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: the event without the values of secret fields, and with its texts scrubbed."""
    for key, value in event.items():
        event[key] = _value(key, value, 0)
    return event


def scrub(text: str) -> str:
    """The text without what looks like a credential in it."""
    for may_hold, pattern, replacement in _IN_TEXT:
        if may_hold(text):
            text = pattern.sub(replacement, text)
    return text


@lru_cache(1024)
def _words(key: str) -> frozenset[str]:
    return frozenset(_WORD.findall(key.lower()))


def _value(key: str, value: Any, depth: int) -> Any:
    words = _words(key)
    if value is None or isinstance(value, bool):
        return value
    if words & _SECRET_WORDS:
        return REDACTED
    if isinstance(value, str):
        scrubbed = scrub(value)
        return _QUERY.sub("", scrubbed) if words & {"url", "uri", "path"} else scrubbed
    if depth >= _DEEPEST:
        return "…"
    if isinstance(value, Mapping):
        return {str(name): _value(str(name), item, depth + 1) for name, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_value("", item, depth + 1) for item in value]
    return value
