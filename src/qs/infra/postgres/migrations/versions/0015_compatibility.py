"""Which releases the schema still serves.

Revision ID: 0015
Revises: 0014
"""

from alembic import op

from qs.infra.postgres.migrations import schema_0015 as schema

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    for statement in schema.upgrade_statements():
        op.execute(statement)


def downgrade() -> None:
    for statement in schema.downgrade_statements():
        op.execute(statement)
