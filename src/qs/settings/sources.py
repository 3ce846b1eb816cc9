"""Where settings come from: one file and the environment, as raw values by key."""

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qs.settings.document import read_document
from qs.settings.errors import SettingsError
from qs.settings.keys import all_keys, all_sections

SHORT_FORMS: Mapping[str, str] = {
    "QS_ENV": "env",
    "QS_HOME": "home",
    "QS_TIMEZONE": "timezone",
    "QS_LANG": "lang",
    "QS_SECRET_KEY": "secret_key",
    "QS_HOST": "server.host",
    "QS_PORT": "server.port",
    "QS_CORS_ORIGINS": "server.cors_origins",
    "QS_DATABASE_URL": "database.url",
    "QS_MIGRATION_DATABASE_URL": "database.migration_url",
    "QS_REDIS_URL": "redis.url",
    "QS_PG_BIN": "embedded.pg_bin",
    "QS_REDIS_BIN": "embedded.redis_bin",
    "QS_EMBEDDED_DIR": "embedded.dir",
    "QS_LOG_LEVEL": "log.level",
    "QS_LOG_FORMAT": "log.format",
    "QS_AUTH_MODE": "auth.mode",
    "QS_ADMIN_USERNAME": "auth.admin_username",
    "QS_ADMIN_PASSWORD": "auth.admin_password",
    "QS_ENTRY_BASE_URL": "entry.base_url",
    "QS_ENTRY_TTL_DAYS": "entry.ttl_days",
    "QS_EVENTS_ENTRY_URL": "events.entry_url",
}

_CONFIG = "QS_CONFIG"

# Read by what they are for, and no settings of a process.
_NO_SETTINGS = frozenset({_CONFIG, "QS_TENANT", "QS_USER_PASSWORD", "QS_EMBEDDED_LINGER"})

# What jobs refer to as secret://name is looked up when it is used; QS_SECRET_KEY is a setting.
_SECRETS_OF_JOBS = re.compile(r"QS_SECRET_(?!KEY(_FILE)?$)[A-Z0-9_]+")

_PLACES = (Path("qs.yaml"), Path("/etc/qs/qs.yaml"))

# Kubernetes and Docker links put these into every container beside a service named qs or qs-….
_INJECTED = re.compile(r"QS_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP)(_\w+)?)")
_INJECTED_ADDRESS = re.compile(r"(tcp|udp)://")


@dataclass(frozen=True, slots=True)
class Given:
    """A raw value and where it was read, in words for the person who wrote it there."""

    value: Any
    place: str


@dataclass(slots=True)
class Raw:
    """The raw values by key, and what was wrong with where they stood."""

    values: dict[str, Given] = field(default_factory=dict)
    problems: list[tuple[str, str]] = field(default_factory=list)


def find_file(path: Path | None, environ: Mapping[str, str]) -> Path | None:
    """The settings file: the one given, that of QS_CONFIG, ./qs.yaml, /etc/qs/qs.yaml, or None.

    Raises:
        SettingsError: one was named and is not there.
    """
    named = path or (Path(environ[_CONFIG]) if environ.get(_CONFIG) else None)
    if named is not None:
        if not named.is_file():
            raise SettingsError(
                [(_CONFIG, f"{named} is not a file; name the settings file by -c or {_CONFIG}")]
            )
        return named
    return next((place for place in _PLACES if place.is_file()), None)


def read_sources(path: Path | None, environ: Mapping[str, str]) -> Raw:
    """Everything given in the file and the environment; the environment wins."""
    raw = Raw()
    if path is not None:
        _flatten(_split_address(read_document(path), raw), "", str(path), raw)
    from_environment = dict(_environment(environ, raw))
    _refuse_both(from_environment, raw)
    for variable, (name, value) in from_environment.items():
        raw.values[name] = Given(value, variable)
    return raw


def suggestion(word: str, known: Iterable[str]) -> str:
    """A hint at the nearest known word, or nothing."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _split_address(document: dict[str, Any], raw: Raw) -> dict[str, Any]:
    server = document.get("server")
    if not isinstance(server, dict) or "addr" not in server:
        return document
    rest = {key: value for key, value in server.items() if key != "addr"}
    host, colon, port = str(server["addr"]).rpartition(":")
    if rest.keys() & {"host", "port"}:
        raw.problems.append(
            ("server.addr", "stands beside server.host or server.port; give one or the other")
        )
    elif not colon or not port:
        raw.problems.append(
            ("server.addr", f"is {server['addr']}; expected host:port such as 127.0.0.1:8080")
        )
    else:
        # `:8080` means every address, as it does where this spelling comes from.
        rest |= {"host": host.strip("[]") or "0.0.0.0", "port": port}  # noqa: S104
    return {**document, "server": rest}


def _flatten(tree: Mapping[str, Any], prefix: str, place: str, raw: Raw) -> None:
    for word, value in tree.items():
        name = prefix + word
        if name in all_keys():
            if value is not None:
                raw.values[name] = Given(value, place)
        elif name in all_sections():
            if isinstance(value, dict):
                _flatten(value, name + ".", place, raw)
            elif value is not None:
                raw.problems.append((name, "is a section; expected keys below it"))
        else:
            hint = suggestion(name, [*all_keys(), *all_sections()])
            raw.problems.append((name, f"is not a setting ({place}){hint}"))


def _environment(environ: Mapping[str, str], raw: Raw) -> Iterator[tuple[str, tuple[str, str]]]:
    by_variable = {key.variable: key.name for key in all_keys().values()} | dict(SHORT_FORMS)
    for variable, value in sorted(environ.items()):
        if not variable.startswith("QS_") or variable in _NO_SETTINGS or _is_injected(variable, value):
            continue
        if _SECRETS_OF_JOBS.fullmatch(variable):
            continue
        # An empty variable is how a compose file says "not given".
        if variable in by_variable:
            if value:
                yield variable, (by_variable[variable], value)
            continue
        name = by_variable.get(variable.removesuffix("_FILE"), "") if variable.endswith("_FILE") else ""
        if name and all_keys()[name].secret:
            if value and (content := _secret_file(variable, Path(value), raw)) is not None:
                yield variable, (name, content)
            continue
        raw.problems.append((variable, f"is not a setting{suggestion(variable, by_variable)}"))


def _is_injected(variable: str, value: str) -> bool:
    if _INJECTED.fullmatch(variable):
        return True
    return variable.endswith("PORT") and bool(_INJECTED_ADDRESS.match(value))


def _secret_file(variable: str, path: Path, raw: Raw) -> str | None:
    try:
        content = path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError):
        raw.problems.append((variable, f"{path} cannot be read; expected a text file that holds the secret"))
        return None
    if not content:
        raw.problems.append((variable, f"{path} is empty; expected the secret in it"))
        return None
    return content


def _refuse_both(given: Mapping[str, tuple[str, str]], raw: Raw) -> None:
    variables: dict[str, list[str]] = {}
    for variable, (name, _) in given.items():
        variables.setdefault(name, []).append(variable)
    for name, several in variables.items():
        if len(several) > 1:
            raw.problems.append((name, f"is given by {' and '.join(several)}; keep one"))


def split_items(value: str) -> list[Any]:
    """The items of a list written in a variable: a JSON array, else separated by commas."""
    if value.lstrip().startswith("["):
        found = json.loads(value)
        if not isinstance(found, list):
            raise ValueError(value)
        return found
    return [item.strip() for item in value.split(",") if item.strip()]
