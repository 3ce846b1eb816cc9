"""The webhook context's tables, as the migrations make them."""

from sqlalchemy import Boolean, Column, DateTime, Integer, LargeBinary, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY, UUID

from qs.infra.postgres.metadata import metadata

INSTANT = DateTime(timezone=True)

webhook_endpoint = Table(
    "webhook_endpoint",
    metadata,
    Column("tenant_id", UUID, primary_key=True),
    Column("id", UUID, primary_key=True),
    Column("name", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("events", ARRAY(Text), nullable=False),
    Column("secrets", LargeBinary, nullable=False),
    Column("previous_secret_until", INSTANT),
    Column("enabled", Boolean, nullable=False),
    Column("disabled_reason", Text),
    Column("disabled_at", INSTANT),
    Column("failures", Integer, nullable=False),
    Column("first_failure_at", INSTANT),
    Column("paused_until", INSTANT),
    Column("version", Integer, nullable=False),
    Column("created_at", INSTANT, nullable=False),
)

webhook_message = Table(
    "webhook_message",
    metadata,
    Column("tenant_id", UUID, primary_key=True),
    Column("event_id", UUID, primary_key=True),
    Column("body", Text, nullable=False),
    Column("created_at", INSTANT, nullable=False),
)

webhook_delivery = Table(
    "webhook_delivery",
    metadata,
    Column("tenant_id", UUID, primary_key=True),
    Column("id", UUID, primary_key=True),
    Column("endpoint_id", UUID, nullable=False),
    Column("event_id", UUID, nullable=False),
    Column("event_name", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("reason", Text),
    Column("attempts", Integer, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("next_attempt_at", INSTANT, nullable=False),
    Column("lease_until", INSTANT),
    Column("queued_at", INSTANT, nullable=False),
    Column("created_at", INSTANT, nullable=False),
    Column("settled_at", INSTANT),
)

webhook_attempt = Table(
    "webhook_attempt",
    metadata,
    Column("tenant_id", UUID, primary_key=True),
    Column("delivery_id", UUID, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("at", INSTANT, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("answer", Text),
    Column("duration_ms", Integer),
)
