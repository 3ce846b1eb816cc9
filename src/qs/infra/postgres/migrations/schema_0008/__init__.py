"""The SQL of the eighth migration: reminders, and messages that wait or go out together; frozen once released."""

from collections.abc import Iterator

_OLD_KEY = "delivery_tenant_id_event_id_recipient_channel_address_index_key"

COLUMNS = (
    "ALTER TABLE plan ADD COLUMN reminders jsonb NOT NULL DEFAULT '[]'",
    # occasion is '' for the event itself and names the reminder otherwise, such as after:2d. not_before is business time,
    # and -infinity where nothing has to be waited for, so that one index finds both. digest_id is the id of the
    # message that the delivery went out in together with others.
    "ALTER TABLE delivery ADD COLUMN occasion text NOT NULL DEFAULT '',"
    " ADD COLUMN not_before timestamptz NOT NULL DEFAULT '-infinity',"
    " ADD COLUMN digest_id uuid",
)

KEYS = (
    "CREATE UNIQUE INDEX delivery_addressed"
    " ON delivery (tenant_id, event_id, occasion, recipient, channel, address_index)",
    f"ALTER TABLE delivery DROP CONSTRAINT {_OLD_KEY}",
    # Reminders of weeks to come lie behind what is due, not among it.
    "CREATE INDEX delivery_ready ON delivery (channel, tenant_id, not_before, next_attempt_at, id)"
    " WHERE status IN ('queued', 'sending')",
    "DROP INDEX delivery_due",
    # How much somebody got today, and what else waits for them: settled_at is null for that.
    "CREATE INDEX delivery_by_recipient ON delivery (tenant_id, recipient, channel, settled_at)",
)

ACCESS = ("GRANT SELECT (not_before) ON delivery TO qs_sweeper",)


def upgrade_statements() -> Iterator[str]:
    yield from COLUMNS
    yield from KEYS
    yield from ACCESS


def downgrade_statements() -> Iterator[str]:
    # What the earlier release has no word for goes; it would take a reminder for a second opening.
    yield "DELETE FROM delivery WHERE occasion <> ''"
    yield (
        "CREATE INDEX delivery_due ON delivery (channel, tenant_id, next_attempt_at, id)"
        " WHERE status IN ('queued', 'sending')"
    )
    yield "DROP INDEX delivery_ready"
    yield "DROP INDEX delivery_by_recipient"
    yield (
        f"ALTER TABLE delivery ADD CONSTRAINT {_OLD_KEY}"
        " UNIQUE (tenant_id, event_id, recipient, channel, address_index)"
    )
    yield "DROP INDEX delivery_addressed"
    yield "ALTER TABLE delivery DROP COLUMN digest_id, DROP COLUMN not_before, DROP COLUMN occasion"
    yield "ALTER TABLE plan DROP COLUMN reminders"
