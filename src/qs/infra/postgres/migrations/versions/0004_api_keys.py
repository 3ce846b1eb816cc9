"""API keys: secrets of a tenant's own machines, with scopes, an expiry and their last use.

Revision ID: 0004
Revises: 0003
"""

from alembic import op

from qs.infra.postgres.migrations import schema_0004 as schema

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    for statement in schema.upgrade_statements():
        op.execute(statement)


def downgrade() -> None:
    for statement in schema.downgrade_statements():
        op.execute(statement)
