"""What staff are told of, and how often.

Revision ID: 0009
Revises: 0008
"""

from alembic import op

from qs.infra.postgres.migrations import schema_0009 as schema

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    for statement in schema.upgrade_statements():
        op.execute(statement)


def downgrade() -> None:
    for statement in schema.downgrade_statements():
        op.execute(statement)
