"""What a sync answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from qs.application.statistics.ports import Kind


@dataclass(frozen=True, slots=True)
class Synced:
    """Places looked at, by whether they had changed; ``as_of`` is business time, ``position`` that of the feed.

    ``already_running`` is the execution of the process that is at it, where another is.
    """

    kind: Kind
    upserted: int = 0
    unchanged: int = 0
    as_of: datetime | None = None
    position: int = 0
    is_running_elsewhere: bool = False
    already_running: UUID | None = None

    def to_dict(self) -> dict[str, Any]:
        told: dict[str, Any] = {
            "kind": self.kind.value,
            "status": "already_running" if self.is_running_elsewhere else "done",
            "upserted": self.upserted,
            "unchanged": self.unchanged,
            "as_of": self.as_of.isoformat() if self.as_of else None,
        }
        if self.already_running is not None:
            told["execution_id"] = str(self.already_running)
        return told


def together(kind: Kind, each: Sequence[Synced]) -> Mapping[str, Any]:
    """The answer for several tenants: done if any was, as of the earliest."""
    done = [synced for synced in each if not synced.is_running_elsewhere]
    if not done:
        return (each[0] if each else Synced(kind)).to_dict()
    instants = [synced.as_of for synced in done if synced.as_of is not None]
    return Synced(
        kind,
        sum(synced.upserted for synced in done),
        sum(synced.unchanged for synced in done),
        min(instants, default=None),
    ).to_dict()
