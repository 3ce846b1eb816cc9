"""Jobs: triggers, slots, executions with attempts and output, calendars, notices.

Revision ID: 0003
Revises: 0002
"""

from alembic import op

from qs.infra.postgres.migrations import schema_0003 as schema

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    for statement in schema.upgrade_statements():
        op.execute(statement)


def downgrade() -> None:
    for statement in schema.downgrade_statements():
        op.execute(statement)
