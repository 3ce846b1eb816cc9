"""What the audit log looks like outside: the very document that is hashed, and its hash."""

from collections.abc import Mapping
from typing import Annotated, Any

from msgspec import Meta, Struct

from qs.application.kernel.audit_reading import AuditEntry
from qs.domain.kernel.audit_chain import document

# As text, so that what is shown is what was hashed, to the last digit.
_INSTANT = {"format": "date-time"}
_ID = {"format": "uuid"}
Instant = Annotated[
    str, Meta(extra_json_schema=_INSTANT, description="UTC.", examples=["2026-03-01T09:00:00.000000Z"])
]
Id = Annotated[str, Meta(extra_json_schema=_ID)]
Hash = Annotated[str, Meta(description="SHA-256 in hexadecimal.", examples=[64 * "0"])]


class AuditView(Struct, kw_only=True):
    """Who did what. Until it is sealed, within a second or so, `v`, `position`, `prev`, `sealed_at` and `hash` are null.

    `hash` is the SHA-256 of everything else here, written canonically (RFC 8785); `prev` is the `hash` of the position
    before.
    """

    v: Annotated[int | None, Meta(description="The version of how it is sealed.", examples=[1])]
    position: Annotated[int | None, Meta(description="Its place in the chain, counted from 1.")]
    prev: Hash | None
    sealed_at: Instant | None
    id: Id
    tenant_id: Id
    at: Annotated[Instant, Meta(description="When it was written.")]
    business_at: Annotated[Instant, Meta(description="In business time.")]
    actor: Annotated[str, Meta(examples=["user:0198f0c2-7a31-7c55-9f0e-1d2c3b4a5968"])]
    action: Annotated[str, Meta(examples=["plan.created"])]
    subject_kind: Annotated[str, Meta(examples=["plan"])]
    subject_id: Id | None
    request_id: str | None
    detail: Annotated[Mapping[str, Any], Meta(description="Never a secret, a link or personal data.")]
    hash: Hash | None

    @classmethod
    def of(cls, entry: AuditEntry) -> "AuditView":
        told = None if entry.hash is None else entry.hash.hex()
        return cls(**document(entry.record, entry.seal), hash=told)
