"""Messages are forgotten after their time.

Revision ID: 0016
Revises: 0015
"""

from alembic import op

from qs.infra.postgres.migrations import schema_0016 as schema

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    for statement in schema.upgrade_statements():
        op.execute(statement)


def downgrade() -> None:
    for statement in schema.downgrade_statements():
        op.execute(statement)
