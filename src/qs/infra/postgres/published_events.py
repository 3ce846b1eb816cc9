"""How outbox rows become published events."""

from typing import Any

from sqlalchemy import Result

from qs.application.kernel.cloud_events import PublishedEvent

COLUMNS = (
    "o.id, o.tenant_id, o.context, o.name, o.subject, o.partition_key, o.position, o.occurred_at, o.data::text AS data,"
    " o.traceparent"
)
"""What ``to_events`` reads, in its order, of an outbox row called ``o``."""


def to_events(rows: Result[*tuple[Any, ...]]) -> list[PublishedEvent]:
    # All at once: a result that is iterated over asks the driver's cursor for every single row.
    return [PublishedEvent(*row) for row in rows.all()]
