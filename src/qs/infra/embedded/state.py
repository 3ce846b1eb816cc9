"""What the keeper says about itself, in one small file that is replaced as a whole."""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(slots=True)
class State:
    """The last word of a keeper; it counts only while that keeper holds its lock.

    The numbers of processes are there to be shown, never to be acted upon.
    """

    phase: str = "starting"
    keeper: int | None = None
    servers: dict[str, int | None] = field(default_factory=dict)
    database_url: str = ""
    redis_url: str = ""
    ephemeral: bool = False
    error_code: str = ""
    error: str = ""


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in the file; None when there is no file or no whole object in it."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def write_json(path: Path, value: dict[str, Any]) -> None:
    """The file holds ``value``; a reader sees the old content or the new, never a part."""
    scratch = path.with_suffix(".new")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(value, file)
    scratch.replace(path)


def read_state(path: Path) -> State | None:
    """The state in the file, or None when there is none that can be read."""
    found = read_json(path)
    if found is None:
        return None
    try:
        return State(**found)
    except TypeError:
        return None


def write_state(path: Path, state: State) -> None:
    """The file holds this state."""
    write_json(path, asdict(state))
