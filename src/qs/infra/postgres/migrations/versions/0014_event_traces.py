"""The trace that an event was recorded in.

Revision ID: 0014
Revises: 0013
"""

from alembic import op

from qs.infra.postgres.migrations import schema_0014 as schema

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    for statement in schema.upgrade_statements():
        op.execute(statement)


def downgrade() -> None:
    for statement in schema.downgrade_statements():
        op.execute(statement)
