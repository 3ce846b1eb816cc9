"""Jobs written straight into their table, as many as are wanted."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from qs.application.scheduler.job_documents import read_job
from qs.domain.kernel.ids import DEFAULT_TENANT

_COLUMNS = (
    *("tenant_id", "id", "name", "source", "definition", "kind", "enabled", "status"),
    *("anchor", "next_slot", "next_fire_at"),
)


async def store(admin: asyncpg.Connection, jobs: Iterable[tuple[Mapping[str, Any], datetime]]) -> int:
    """Stores each document with its next slot, for the default tenant, and returns how many those were.

    The table is as if it had been so for long: vacuumed, analyzed and on the disk.
    """
    now = datetime.now(UTC)
    rows = [_row(number, document, slot, now) for number, (document, slot) in enumerate(jobs, start=1)]
    await admin.copy_records_to_table("job", records=rows, columns=_COLUMNS)
    await admin.execute("VACUUM ANALYZE job")
    await admin.execute("CHECKPOINT")
    return len(rows)


def _row(number: int, document: Mapping[str, Any], slot: datetime, now: datetime) -> tuple[Any, ...]:
    definition = read_job(document)
    text = msgspec.json.encode(definition).decode()
    return (
        *(DEFAULT_TENANT, UUID(int=number), definition.name, "stored", text, definition.target.kind),
        *(True, "active", now, slot, slot),
    )
