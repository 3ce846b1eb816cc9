"""The SQL of migration 0010: grants, receipts and opt-outs of channels; frozen once released."""

from collections.abc import Iterator

from qs.infra.postgres.migrations.schema_0010 import mail_sms, wechat


def upgrade_statements() -> Iterator[str]:
    for part in (mail_sms, wechat):
        yield from part.TABLES
        yield from part.ACCESS


def downgrade_statements() -> Iterator[str]:
    for part in (wechat, mail_sms):
        yield from part.UNDONE
