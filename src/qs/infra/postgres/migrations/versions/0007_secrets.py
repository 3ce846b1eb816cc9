"""Secrets that tenants store for their jobs, as ciphertext.

Revision ID: 0007
Revises: 0006
"""

from alembic import op

from qs.infra.postgres.migrations import schema_0007 as schema

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade() -> None:
    for statement in schema.upgrade_statements():
        op.execute(statement)


def downgrade() -> None:
    for statement in schema.downgrade_statements():
        op.execute(statement)
