"""The audit log as a chain of hashes, so that nothing in it can be changed without all that follows.

Each sealed record has a position in its tenant's chain, counted from 1. Its hash is the SHA-256 of its document: a JSON
object with the members of ``document`` below, of which ``prev`` is the hash of the record before, or 64 zeros. Objects
are written with their members sorted by name, without white space, in UTF-8, escaping only what JSON asks for, which is
RFC 8785 for what qs writes: texts, whole numbers, true, false and null. Version 1 is all there is so far.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

VERSION = 1
GENESIS = bytes(32)
"""What stands for the hash of the record before the first."""


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """Who did what to which subject. ``at`` is when it was written, ``business_at`` when it was so in business time."""

    id: UUID
    tenant_id: UUID
    at: datetime
    business_at: datetime
    actor: str
    action: str
    subject_kind: str
    subject_id: UUID | None
    request_id: str | None
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Seal:
    """A record's place in the chain; ``prev`` is the hash of the place before."""

    version: int
    position: int
    prev: bytes
    sealed_at: datetime


class UnknownSealVersion(ValueError):
    """This release does not know how seals of that version are made."""


def seal_hash(record: AuditRecord, seal: Seal) -> bytes:
    """The hash of a record at its place. Raises UnknownSealVersion."""
    if seal.version != VERSION:
        raise UnknownSealVersion(seal.version)
    return sha256(canonical(document(record, seal))).digest()


def document(record: AuditRecord, seal: Seal | None) -> dict[str, Any]:
    """A record as it is shown and hashed; what a seal gives is null without one."""
    return {
        "v": seal and seal.version,
        "position": seal and seal.position,
        "prev": seal and seal.prev.hex(),
        "sealed_at": seal and instant(seal.sealed_at),
        "id": str(record.id),
        "tenant_id": str(record.tenant_id),
        "at": instant(record.at),
        "business_at": instant(record.business_at),
        "actor": record.actor,
        "action": record.action,
        "subject_kind": record.subject_kind,
        "subject_id": None if record.subject_id is None else str(record.subject_id),
        "request_id": record.request_id,
        "detail": record.detail,
    }


def canonical(members: Mapping[str, Any]) -> bytes:
    """The one way to write the document down."""
    return json.dumps(members, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def instant(at: datetime) -> str:
    """RFC 3339 in UTC with six digits of a second."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
