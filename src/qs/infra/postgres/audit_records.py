"""How audit rows become records."""

from typing import Any

import msgspec
from sqlalchemy import Row

from qs.domain.kernel.audit_chain import AuditRecord

COLUMNS = (
    "a.id, a.tenant_id, a.at, a.business_at, a.actor, a.action, a.object_kind, a.object_id, a.request_id,"
    " a.detail::text AS detail"
)
"""What ``to_record`` reads of an audit row called ``a``."""


def to_record(row: Row[Any]) -> AuditRecord:
    return AuditRecord(
        row.id,
        row.tenant_id,
        row.at,
        row.business_at,
        row.actor,
        row.action,
        row.object_kind,
        row.object_id,
        row.request_id,
        msgspec.json.decode(row.detail),
    )
