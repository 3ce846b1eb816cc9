"""Values as they may stand in a sentence: short, on one line, and without what is secret."""

import json
import re
from typing import Any

MASK = "********"

_LONGEST = 60
_SECRET = re.compile(
    r"authori[sz]ation|cookie|passw|passphrase|pwd|secret|token|credential|signature|(api|access|private|auth)[-_]?key",
    re.IGNORECASE,
)
_REFERENCE = re.compile(r"(\w+ +)?secret://[A-Za-z0-9_-]+")
_IN_ADDRESS = re.compile(r"(://[^:/@?#\s]*:)[^@/?#\s]+(?=@)")
_IN_WORDS = re.compile(
    r"((?:authori[sz]ation|cookie|passw\w*|pwd|secret\w*|token|api[-_]?key)[\"']?\s*[=:]\s*[\"']?(?:bearer\s+|basic\s+)?)"
    r"(?!secret://|\*)[^\s\"'&]+",
    re.IGNORECASE,
)
_IN_QUERY = re.compile(r"([?&][^=&#\s]*(?:passw|pwd|secret|token|key|sign)[^=&#\s]*=)[^&#\s]+", re.IGNORECASE)


def is_secret_name(name: str) -> bool:
    """Whether what is called so is likely to be a secret: ``Authorization``, ``db_password``, ``X-Api-Key``."""
    return _SECRET.search(name) is not None


def shown(value: Any, name: str = "") -> str:
    """The value for a sentence, at most 60 characters; of what ``name`` says is a secret nothing but a mask."""
    if is_secret_name(name) and value not in (None, "") and not _is_reference(value):
        return MASK
    if isinstance(value, str):
        text = without_passwords(value)
    elif isinstance(value, dict | list):
        text = json.dumps(masked(value), ensure_ascii=False, default=str)
    else:
        text = json.dumps(value, default=str)
    text = "".join(each if each.isprintable() else repr(each)[1:-1] for each in text[: _LONGEST + 1])
    if len(text) > _LONGEST:
        text = text[: _LONGEST - 1] + "…"
    return f"'{text}'" if isinstance(value, str) else text


def masked(value: Any) -> Any:
    """A JSON value with a mask in place of every secret in it, and of every password in an address."""
    if isinstance(value, dict):
        return {
            key: MASK
            if is_secret_name(str(key)) and isinstance(each, str) and not _is_reference(each)
            else masked(each)
            for key, each in value.items()
        }
    if isinstance(value, list):
        return [masked(each) for each in value]
    return without_passwords(value) if isinstance(value, str) else value


def without_passwords(text: str) -> str:
    """The text with what is likely to be a password in an address, an option or a header in it hidden."""
    hidden = _IN_QUERY.sub(rf"\1{MASK}", _IN_ADDRESS.sub(rf"\1{MASK}", text))
    return _IN_WORDS.sub(rf"\1{MASK}", hidden)


def _is_reference(value: Any) -> bool:
    return isinstance(value, str) and _REFERENCE.fullmatch(value) is not None
