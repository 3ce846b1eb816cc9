"""What values of other systems' settings are in ours. All raise ValueError with what is expected."""

import re
from typing import Any
from urllib.parse import quote

from qs.domain.kernel.zones import zone_names
from qs.infra.scheduler.importing.go_durations import go_duration

_FLAGS = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}
_LEVELS = {
    "trace": "debug",
    "debug": "debug",
    "info": "info",
    "warn": "warning",
    "warning": "warning",
    "error": "error",
    "dpanic": "critical",
    "panic": "critical",
    "fatal": "critical",
    "critical": "critical",
}
_ENVIRONMENTS = {"release": "production", "production": "production", "prod": "production", "test": "test"}
_ENVIRONMENTS |= {"debug": "development", "development": "development", "dev": "development"}


def flag(value: Any) -> bool:
    found = value if isinstance(value, bool) else _FLAGS.get(str(value).strip().lower())
    if found is None:
        raise ValueError("true or false")
    return found


def whole(low: int, high: int) -> Any:
    """Reads a whole number between the two."""

    def read(value: Any) -> int:
        text = str(value).strip()
        if (
            isinstance(value, bool)
            or not re.fullmatch(r"\d{1,12}", text, re.ASCII)
            or not low <= int(text) <= high
        ):
            raise ValueError(f"a whole number from {low} to {high}")
        return int(text)

    return read


def seconds(low: int, high: int, *, per_unit: int = 1) -> Any:
    """Reads a duration of Go, or a number of units of so many seconds, as whole seconds."""

    def read(value: Any) -> int:
        text = str(value).strip()
        try:
            length = (
                int(text) * per_unit if re.fullmatch(r"\d{1,9}", text, re.ASCII) else int(go_duration(text))
            )
        except ValueError:
            raise ValueError("a duration such as 30s or 1h30m") from None
        if not low <= length <= high:
            raise ValueError(f"a duration from {low}s to {high}s")
        return length

    return read


def level(value: Any) -> str:
    if (found := _LEVELS.get(str(value).strip().lower())) is None:
        raise ValueError(f"one of {', '.join(_LEVELS)}")
    return found


def log_format(value: Any) -> str:
    text = str(value).strip().lower()
    if text not in ("console", "text", "json"):
        raise ValueError("console or json")
    return "json" if text == "json" else "console"


def environment(value: Any) -> str:
    if (found := _ENVIRONMENTS.get(str(value).strip().lower())) is None:
        raise ValueError("release, debug or test")
    return found


def zone(value: Any) -> str:
    if str(value) not in zone_names():
        raise ValueError("an IANA time zone such as Asia/Shanghai")
    return str(value)


def address(value: Any) -> str:
    """``host:port``; a port alone listens everywhere, as Go reads it."""
    text = str(value).strip()
    text = f":{text}" if text.isdecimal() else text
    if not re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[^\s:/@]*):\d{1,5}", text, re.ASCII):
        raise ValueError("host:port such as 127.0.0.1:8080")
    return text


def port(value: Any) -> int:
    """The port of an address."""
    number = int(address(value).rpartition(":")[2])
    if number > 65535:
        raise ValueError("host:port such as 127.0.0.1:9090")
    return number


def url(scheme: str, host: str, *, user: str = "", password: str = "", path: str = "") -> str:
    """An address with what stands in it encoded."""
    login = (
        f"{quote(user, safe='')}:{quote(password, safe='')}@"
        if password
        else f"{quote(user, safe='')}@"
        if user
        else ""
    )
    return f"{scheme}://{login}{host}/{quote(path, safe='')}"
