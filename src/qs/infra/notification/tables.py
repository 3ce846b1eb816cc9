"""The notification context's tables, as the migrations make them."""

from sqlalchemy import Boolean, Column, DateTime, Integer, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID

from qs.infra.postgres.metadata import metadata

INSTANT = DateTime(timezone=True)

delivery = Table(
    "delivery",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("tenant_id", UUID, primary_key=True),
    Column("event_id", UUID, nullable=False),
    Column("event_name", Text, nullable=False),
    Column("task_id", UUID),
    Column("testee_id", UUID),
    Column("plan_id", UUID),
    Column("recipient", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("address_index", Integer, nullable=False),
    Column("template", Text, nullable=False),
    Column("locale", Text, nullable=False),
    Column("data", JSONB, nullable=False),
    Column("status", Text, nullable=False),
    Column("reason", Text),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt_at", INSTANT, nullable=False),
    Column("lease_until", INSTANT),
    Column("epoch", Integer, nullable=False),
    Column("created_at", INSTANT, nullable=False),
    Column("settled_at", INSTANT),
    Column("occasion", Text, nullable=False),
    Column("not_before", INSTANT, nullable=False),
    Column("digest_id", UUID),
)

delivery_attempt = Table(
    "delivery_attempt",
    metadata,
    Column("tenant_id", UUID, primary_key=True),
    Column("delivery_id", UUID, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("at", INSTANT, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("answer", Text),
    Column("provider_id", Text),
    Column("template_version", Integer),
)

channel_grant = Table(
    "channel_grant",
    metadata,
    Column("tenant_id", UUID, primary_key=True),
    Column("testee_id", UUID, primary_key=True),
    Column("recipient", Text, primary_key=True),
    Column("channel", Text, primary_key=True),
    Column("template", Text, primary_key=True),
    Column("given", Integer, nullable=False),
    Column("used", Integer, nullable=False),
    Column("updated_at", INSTANT, nullable=False),
)

channel_grant_use = Table(
    "channel_grant_use",
    metadata,
    Column("tenant_id", UUID, primary_key=True),
    Column("message_id", UUID, primary_key=True),
    Column("testee_id", UUID, nullable=False),
    Column("recipient", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("template", Text, nullable=False),
    Column("at", INSTANT, nullable=False),
)

message_template = Table(
    "message_template",
    metadata,
    Column("tenant_id", UUID, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("locale", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("subject", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("created_at", INSTANT, nullable=False),
    Column("created_by", Text, nullable=False),
)

staff_alert = Table(
    "staff_alert",
    metadata,
    Column("tenant_id", UUID, primary_key=True),
    Column("id", UUID, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("facts", JSONB, nullable=False),
    Column("count", Integer, nullable=False),
    Column("untold", Integer, nullable=False),
    Column("announced", Boolean, nullable=False),
    Column("messages", Integer, nullable=False),
    Column("first_seen_at", INSTANT, nullable=False),
    Column("last_seen_at", INSTANT, nullable=False),
    Column("last_told_at", INSTANT),
    Column("recovered_at", INSTANT),
)

staff_alert_pace = Table(
    "staff_alert_pace",
    metadata,
    Column("tenant_id", UUID, primary_key=True),
    Column("told_at", ARRAY(INSTANT), nullable=False),
)
