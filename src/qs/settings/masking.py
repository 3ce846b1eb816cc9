"""Settings as they may be shown: secrets hidden, addresses without their password."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

from qs.settings.keys import Key, all_keys, value_of
from qs.settings.sections import Settings

MASK = "********"

_PASSWORD_IN_URL = re.compile(r"(://[^:/@?#]*:)[^@/?#]*(?=@)")
_PASSWORD_IN_QUERY = re.compile(r"([?&](?:password|passwd|token|key|secret|sslpassword)=)[^&#]*", re.I)


def masked(settings: Settings) -> dict[str, Any]:
    """All settings as nested plain values, those of secrets replaced, for `qs config show` and the doctor."""
    shown: dict[str, Any] = {}
    for name, key in all_keys().items():
        *sections, word = name.split(".")
        place = shown
        for section in sections:
            place = place.setdefault(section, {})
        place[word] = _show(key, value_of(settings, name))
    return shown


def mask_address(address: str) -> str:
    """The address with the password in it hidden."""
    return _PASSWORD_IN_QUERY.sub(rf"\1{MASK}", _PASSWORD_IN_URL.sub(rf"\1{MASK}", address))


def _show(key: Key, value: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, tuple):
        return [_show(key, item) for item in value]
    if key.extra.get("url"):
        return mask_address(value)
    if key.secret:
        return MASK
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g}s"
    return value
