"""Statistics: daily, accumulated and plan figures with their history.

Revision ID: 0002
Revises: 0001
"""

from alembic import op

from qs.infra.postgres.migrations import schema_0002 as schema

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    for statement in schema.upgrade_statements():
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP INDEX task_by_testee")
    for statement in schema.downgrade_statements():
        op.execute(statement)
