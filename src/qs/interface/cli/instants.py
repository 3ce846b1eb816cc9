"""Instants as options of verbs."""

from contextlib import suppress
from datetime import datetime

from qs.interface.cli.output import misuse


def read_instant(text: str | None, option: str) -> datetime | None:
    """The instant that was typed, None where none was; one without an offset is misuse."""
    if text is None:
        return None
    instant = None
    with suppress(ValueError, OverflowError):
        instant = datetime.fromisoformat(text)
    if instant is None or instant.tzinfo is None:
        misuse(
            f"{option} {text[:60]} is no instant; write it with its offset, such as 2026-07-01T19:00:00+08:00"
        )
    return instant
