"""Executions asked for through a broker, once per key.

Revision ID: 0013
Revises: 0012
"""

from alembic import op

from qs.infra.postgres.migrations import schema_0013 as schema

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    for statement in schema.upgrade_statements():
        op.execute(statement)


def downgrade() -> None:
    for statement in schema.downgrade_statements():
        op.execute(statement)
