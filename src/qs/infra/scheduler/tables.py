"""The scheduler context's tables, as the migrations make them."""

from sqlalchemy import Boolean, Column, DateTime, Integer, Table, Text
from sqlalchemy.dialects.postgresql import JSONB, UUID

from qs.infra.postgres.metadata import metadata

INSTANT = DateTime(timezone=True)

execution = Table(
    "execution",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("tenant_id", UUID, primary_key=True),
    Column("name", Text, nullable=False),
    Column("fired_by", Text, nullable=False),
    Column("scheduled_at", INSTANT),
    Column("status", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("parameters", JSONB, nullable=False),
    Column("detached", Boolean, nullable=False),
    Column("result", JSONB(none_as_null=True)),
    Column("error", Text),
    Column("attempt", Integer, nullable=False),
    Column("worker", Text),
    Column("epoch", Integer, nullable=False),
    Column("lease_until", INSTANT, nullable=False),
    Column("retried_as", UUID),
    Column("created_at", INSTANT, nullable=False),
    Column("started_at", INSTANT),
    Column("finished_at", INSTANT),
)

slot = Table(
    "slot",
    metadata,
    Column("tenant_id", UUID, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("scheduled_at", INSTANT, primary_key=True),
    Column("execution_id", UUID, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("claimed_at", INSTANT, nullable=False),
)

worker_heartbeat = Table(
    "worker_heartbeat",
    metadata,
    Column("worker", Text, primary_key=True),
    Column("role", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("started_at", INSTANT, nullable=False),
    Column("seen_at", INSTANT, nullable=False),
)
