"""Texts of a tenant.

Revision ID: 0011
Revises: 0010
"""

from alembic import op

from qs.infra.postgres.migrations import schema_0011 as schema

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    for statement in schema.upgrade_statements():
        op.execute(statement)


def downgrade() -> None:
    for statement in schema.downgrade_statements():
        op.execute(statement)
