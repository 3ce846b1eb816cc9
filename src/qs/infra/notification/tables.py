"""The notification context's tables, as the migrations make them."""

from sqlalchemy import Column, DateTime, Integer, Table, Text
from sqlalchemy.dialects.postgresql import JSONB, UUID

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
)
