"""Tables of the kernel: business clock, outbox, inbox, audit."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    DateTime,
    Identity,
    Integer,
    Interval,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import JSONB, UUID

from qs.infra.postgres.metadata import metadata

INSTANT = DateTime(timezone=True)

business_clock = Table(
    "business_clock",
    metadata,
    Column("id", SmallInteger, primary_key=True),
    Column("clock_offset", Interval, nullable=False),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("tenant_id", UUID, nullable=False),
    Column("context", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("partition_key", UUID, nullable=False),
    Column("ordinal", BigInteger, Identity(always=True), nullable=False),
    Column("occurred_at", INSTANT, nullable=False),
    Column("recorded_at", INSTANT, nullable=False),
    Column("data", JSON, nullable=False),
    Column("position", BigInteger),
    Column("published_at", INSTANT),
    Column("republished_at", INSTANT),
    Column("publications", Integer, nullable=False),
    Column("traceparent", Text),
)

relay_cursor = Table(
    "relay_cursor",
    metadata,
    Column("id", SmallInteger, primary_key=True),
    Column("assigned_through", BigInteger, nullable=False),
    Column("published_through", BigInteger, nullable=False),
)

subscriber_cursor = Table(
    "subscriber_cursor",
    metadata,
    Column("subscriber", Text, primary_key=True),
    Column("acknowledged_through", BigInteger, nullable=False),
)

inbox = Table(
    "inbox",
    metadata,
    Column("subscriber", Text, primary_key=True),
    Column("event_id", UUID, primary_key=True),
    Column("tenant_id", UUID, nullable=False),
    Column("state", Text, nullable=False),
    Column("handled_at", INSTANT, nullable=False),
    Column("error", Text),
)

inbox_attempt = Table(
    "inbox_attempt",
    metadata,
    Column("subscriber", Text, primary_key=True),
    Column("event_id", UUID, primary_key=True),
    Column("tenant_id", UUID, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("last_error", Text),
    Column("next_attempt_at", INSTANT, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("tenant_id", UUID, nullable=False),
    Column("at", INSTANT, nullable=False),
    Column("business_at", INSTANT, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("object_kind", Text, nullable=False),
    Column("object_id", UUID),
    Column("request_id", Text),
    Column("detail", JSONB, nullable=False),
)

audit_seal = Table(
    "audit_seal",
    metadata,
    Column("tenant_id", UUID, primary_key=True),
    Column("position", BigInteger, primary_key=True),
    Column("audit_id", UUID, nullable=False),
    Column("version", SmallInteger, nullable=False),
    Column("sealed_at", INSTANT, nullable=False),
    Column("hash", LargeBinary, nullable=False),
)

audit_unsealed = Table(
    "audit_unsealed",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("tenant_id", UUID, nullable=False),
)

schema_compatibility = Table(
    "schema_compatibility",
    metadata,
    Column("id", SmallInteger, primary_key=True),
    Column("minimum", Text, nullable=False),
)
