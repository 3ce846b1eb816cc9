"""Grants, receipts and opt-outs of channels.

Revision ID: 0010
Revises: 0009
"""

from alembic import op

from qs.infra.postgres.migrations import schema_0010 as schema

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    for statement in schema.upgrade_statements():
        op.execute(statement)


def downgrade() -> None:
    for statement in schema.downgrade_statements():
        op.execute(statement)
