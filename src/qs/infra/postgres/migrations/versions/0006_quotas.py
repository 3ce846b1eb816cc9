"""Quotas: how many testees, active plans and jobs a tenant may have.

Revision ID: 0006
Revises: 0005
"""

from alembic import op

from qs.infra.postgres.migrations import schema_0006 as schema

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    for statement in schema.upgrade_statements():
        op.execute(statement)


def downgrade() -> None:
    for statement in schema.downgrade_statements():
        op.execute(statement)
