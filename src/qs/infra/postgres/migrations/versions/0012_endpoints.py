"""Webhook endpoints of tenants and their deliveries.

Revision ID: 0012
Revises: 0011
"""

from alembic import op

from qs.infra.postgres.migrations import schema_0012 as schema

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    for statement in schema.upgrade_statements():
        op.execute(statement)


def downgrade() -> None:
    for statement in schema.downgrade_statements():
        op.execute(statement)
