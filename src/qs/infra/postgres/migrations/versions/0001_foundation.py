"""Tenants, identity, plan context, events, deliveries and executions, under forced row-level security.

Revision ID: 0001
Revises:
"""

from alembic import op

from qs.infra.postgres.migrations import schema_0001 as schema

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    for statement in schema.upgrade_statements():
        op.execute(statement)


def downgrade() -> None:
    for statement in schema.downgrade_statements():
        op.execute(statement)
