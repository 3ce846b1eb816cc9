"""The chain of the audit log: a position and a hash for each record, and which records have none yet.

Revision ID: 0005
Revises: 0004
"""

from alembic import op

from qs.infra.postgres.migrations import schema_0005 as schema

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    for statement in schema.upgrade_statements():
        op.execute(statement)


def downgrade() -> None:
    for statement in schema.downgrade_statements():
        op.execute(statement)
