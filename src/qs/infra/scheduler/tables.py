"""The scheduler context's tables, as the migrations make them."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
)
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
    Column("draining", Boolean, nullable=False),
    Column("clock_offset_ms", Integer),
)

secret = Table(
    "secret",
    metadata,
    Column("tenant_id", UUID, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("ciphertext", LargeBinary, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", INSTANT, nullable=False),
    Column("updated_at", INSTANT, nullable=False),
)

job = Table(
    "job",
    metadata,
    Column("tenant_id", UUID, primary_key=True),
    Column("id", UUID, primary_key=True),
    Column("name", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("owner", Text),
    Column("definition", JSONB, nullable=False),
    Column("kind", Text, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("status", Text, nullable=False),
    Column("error", JSONB(none_as_null=True)),
    Column("anchor", INSTANT, nullable=False),
    Column("next_slot", INSTANT),
    Column("next_fire_at", INSTANT),
    Column("runs", BigInteger, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("created_at", INSTANT, nullable=False),
    Column("updated_at", INSTANT, nullable=False),
)

job_slot = Table(
    "job_slot",
    metadata,
    Column("tenant_id", UUID, primary_key=True),
    Column("job_id", UUID, primary_key=True),
    Column("scheduled_at", INSTANT, primary_key=True),
    Column("execution_id", UUID, nullable=False),
    Column("claimed_at", INSTANT, nullable=False),
)

job_calendar = Table(
    "job_calendar",
    metadata,
    Column("tenant_id", UUID, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("holidays", ARRAY(Date), nullable=False),
    Column("workdays", ARRAY(Date), nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("updated_at", INSTANT, nullable=False),
)

job_switch = Table(
    "job_switch",
    metadata,
    Column("tenant_id", UUID, primary_key=True),
    Column("firing", Boolean, nullable=False),
    Column("actor", Text, nullable=False),
    Column("changed_at", INSTANT, nullable=False),
)

job_notice = Table(
    "job_notice",
    metadata,
    Column("tenant_id", UUID, primary_key=True),
    Column("id", UUID, primary_key=True),
    Column("job_id", UUID, nullable=False),
    Column("execution_id", UUID, nullable=False),
    Column("kind", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("body", JSONB, nullable=False),
    Column("status", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt_at", INSTANT, nullable=False),
    Column("error", Text),
    Column("created_at", INSTANT, nullable=False),
    Column("sent_at", INSTANT),
)

job_execution = Table(
    "job_execution",
    metadata,
    Column("tenant_id", UUID, primary_key=True),
    Column("id", UUID, primary_key=True),
    Column("job_id", UUID, nullable=False),
    Column("job_name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("fired_by", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("queue", Text, nullable=False),
    Column("priority", SmallInteger, nullable=False),
    Column("definition", JSONB, nullable=False),
    Column("payload", JSONB, nullable=False),
    Column("scheduled_at", INSTANT),
    Column("attempt", Integer, nullable=False),
    Column("lost_attempts", Integer, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("worker", Text),
    Column("lease_until", INSTANT),
    Column("available_at", INSTANT),
    Column("start_before", INSTANT),
    Column("end_before", INSTANT),
    Column("cancel_requested", Text),
    Column("awaited", Boolean, nullable=False),
    Column("stands_for", Integer, nullable=False),
    Column("blocked_by", UUID),
    Column("parent_id", UUID),
    Column("idempotency_key", Text),
    Column("request_id", Text),
    Column("result", JSONB(none_as_null=True)),
    Column("error", Text),
    Column("created_at", INSTANT, nullable=False),
    Column("started_at", INSTANT),
    Column("finished_at", INSTANT),
)

job_attempt = Table(
    "job_attempt",
    metadata,
    Column("tenant_id", UUID, primary_key=True),
    Column("execution_id", UUID, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("epoch", Integer, nullable=False),
    Column("worker", Text, nullable=False),
    Column("started_at", INSTANT, nullable=False),
    Column("finished_at", INSTANT),
    Column("outcome", Text),
    Column("code", Text),
    Column("error", Text),
)

job_output = Table(
    "job_output",
    metadata,
    Column("tenant_id", UUID, primary_key=True),
    Column("execution_id", UUID, primary_key=True),
    Column("position", BigInteger, primary_key=True),
    Column("attempt", Integer, nullable=False),
    Column("stream", Text, nullable=False),
    Column("at", INSTANT, nullable=False),
    Column("data", LargeBinary, nullable=False),
)

broker_request = Table(
    "broker_request",
    metadata,
    Column("tenant_id", UUID, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("job_id", UUID, nullable=False),
    Column("execution_id", UUID, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("received_at", INSTANT, nullable=False),
)

sys_crontab = Table(
    "sys_crontab",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("name", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("spec", Text, nullable=False),
    Column("payload", Text, nullable=False),
    Column("status", Integer, nullable=False),
    Column("timezone", Text),
    Column("created_at", INSTANT, nullable=False),
    Column("updated_at", INSTANT, nullable=False),
)
