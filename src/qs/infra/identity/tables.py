"""The identity context's tables, as the migrations make them."""

from sqlalchemy import ARRAY, Column, DateTime, Integer, LargeBinary, Table, Text
from sqlalchemy.dialects.postgresql import UUID

from qs.infra.postgres.metadata import metadata

INSTANT = DateTime(timezone=True)

tenant = Table(
    "tenant",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("slug", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("timezone", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("staff_contacts", LargeBinary),
    Column("max_testees", Integer),
    Column("max_active_plans", Integer),
    Column("max_jobs", Integer),
    Column("version", Integer, nullable=False),
    Column("created_at", INSTANT, nullable=False),
)

tenant_zone = Table(
    "tenant_zone",
    metadata,
    Column("tenant_id", UUID, primary_key=True),
    Column("since", INSTANT, primary_key=True),
    Column("timezone", Text, nullable=False),
)

app_user = Table(
    "app_user",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("tenant_id", UUID, nullable=False),
    Column("username", Text, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("roles", ARRAY(Text), nullable=False),
    Column("disabled_at", INSTANT),
    Column("created_at", INSTANT, nullable=False),
)

service_account = Table(
    "service_account",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("tenant_id", UUID, nullable=False),
    Column("name", Text, nullable=False),
    Column("client_id", Text, nullable=False),
    Column("secret_hash", LargeBinary, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("disabled_at", INSTANT),
    Column("created_at", INSTANT, nullable=False),
)

refresh_token = Table(
    "refresh_token",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("tenant_id", UUID, nullable=False),
    Column("user_id", UUID, nullable=False),
    Column("family", UUID, nullable=False),
    Column("token_hash", LargeBinary, nullable=False),
    Column("expires_at", INSTANT, nullable=False),
    Column("used_at", INSTANT),
    Column("revoked_at", INSTANT),
    Column("created_at", INSTANT, nullable=False),
)

api_key = Table(
    "api_key",
    metadata,
    Column("id", UUID, primary_key=True),
    Column("tenant_id", UUID, nullable=False),
    Column("name", Text, nullable=False),
    Column("secret_hash", LargeBinary, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("created_at", INSTANT, nullable=False),
    Column("expires_at", INSTANT, nullable=False),
    Column("last_used_at", INSTANT),
    Column("revoked_at", INSTANT),
)
