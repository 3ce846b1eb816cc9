"""When and how often people are told: reminders, quiet hours, caps, digests.

Revision ID: 0008
Revises: 0007
"""

from alembic import op

from qs.infra.postgres.migrations import schema_0008 as schema

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None
# Code from before it names the columns of the key that is dropped here.
phase = "contract"
needs = "0008"


def upgrade() -> None:
    for statement in schema.upgrade_statements():
        op.execute(statement)


def downgrade() -> None:
    for statement in schema.downgrade_statements():
        op.execute(statement)
