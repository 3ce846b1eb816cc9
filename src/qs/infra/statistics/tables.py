"""The statistics context's tables, as the migrations make them."""

from sqlalchemy import BigInteger, Boolean, Column, Date, DateTime, Integer, Table, Text
from sqlalchemy.dialects.postgresql import JSONB, UUID

from qs.domain.statistics.metrics import METRICS
from qs.infra.postgres.metadata import metadata

INSTANT = DateTime(timezone=True)

stat_epoch = Table(
    "stat_epoch",
    metadata,
    Column("tenant_id", UUID, primary_key=True),
    Column("epoch", UUID, nullable=False),
    Column("live_from", Date, nullable=False),
    Column("made_at", INSTANT, nullable=False),
)

stat_sync = Table(
    "stat_sync",
    metadata,
    Column("tenant_id", UUID, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("term", BigInteger, nullable=False),
    Column("lease_until", INSTANT),
    Column("execution_id", UUID),
    Column("whole", Boolean, nullable=False),
    Column("began_at", INSTANT),
    Column("as_of", INSTANT),
    Column("position", BigInteger, nullable=False),
    Column("closed_through", Date),
    Column("differences", Integer, nullable=False),
)

stat_daily = Table(
    "stat_daily",
    metadata,
    Column("tenant_id", UUID, primary_key=True),
    Column("dimension", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("day", Date, primary_key=True),
    *(Column(name, Integer, nullable=False) for name in METRICS),
    Column("reasons", JSONB, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("reason", Text),
    Column("as_of", INSTANT, nullable=False),
)

stat_accumulated = Table(
    "stat_accumulated",
    metadata,
    Column("tenant_id", UUID, primary_key=True),
    Column("dimension", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("totals", JSONB, nullable=False),
    Column("windows", JSONB, nullable=False),
    Column("first_on", Date, nullable=False),
    Column("last_on", Date, nullable=False),
    Column("through", Date, nullable=False),
    Column("as_of", INSTANT, nullable=False),
)

stat_plan = Table(
    "stat_plan",
    metadata,
    Column("tenant_id", UUID, primary_key=True),
    Column("plan_id", UUID, primary_key=True),
    Column("counts", JSONB, nullable=False),
    Column("occasions", JSONB, nullable=False),
    Column("as_of", INSTANT, nullable=False),
)

stat_revision = Table(
    "stat_revision",
    metadata,
    Column("tenant_id", UUID, primary_key=True),
    Column("dimension", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("generation", Integer, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("before", JSONB, nullable=False),
    Column("after", JSONB, nullable=False),
    Column("at", INSTANT, nullable=False),
)

stat_stale_day = Table(
    "stat_stale_day",
    metadata,
    Column("tenant_id", UUID, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("since", INSTANT, nullable=False),
)
