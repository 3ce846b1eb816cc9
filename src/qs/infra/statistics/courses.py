"""The plan context's courses in the words of this one; what it is asked for is stated here, and the container binds it."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from qs.application.statistics.ports import TaskPage
from qs.domain.statistics.calendar import Stretch
from qs.domain.statistics.followup import Occasion


class OccasionRecord(Protocol):
    @property
    def planned_at(self) -> datetime: ...

    @property
    def timezone(self) -> str: ...

    @property
    def status(self) -> str: ...

    @property
    def opened_at(self) -> datetime | None: ...

    @property
    def expires_at(self) -> datetime | None: ...

    @property
    def ended_at(self) -> datetime | None: ...


class CourseRecords(Protocol):
    async def knows(self, tenant_id: UUID, dimension: str, key: str) -> bool: ...

    async def occasions(self, tenant_id: UUID, plan_id: UUID) -> Mapping[UUID, Sequence[OccasionRecord]]: ...

    async def behind(
        self,
        tenant_id: UUID,
        dimension: str,
        key: str,
        metric: str,
        stretches: Sequence[tuple[datetime, datetime]] | None,
        after: UUID | None,
        limit: int,
    ) -> Sequence[UUID]: ...


class RecordedCourse:
    def __init__(self, records: CourseRecords) -> None:
        self._records = records

    async def knows(self, tenant_id: UUID, dimension: str, key: str) -> bool:
        return await self._records.knows(tenant_id, dimension, key)

    async def occasions(self, tenant_id: UUID, plan_id: UUID) -> Mapping[UUID, Sequence[Occasion]]:
        found = await self._records.occasions(tenant_id, plan_id)
        # Of a large plan they are hundreds of thousands, for which others must not wait.
        return await asyncio.to_thread(_occasions, found)

    async def behind(
        self,
        tenant_id: UUID,
        dimension: str,
        key: str,
        metric: str,
        stretches: Sequence[Stretch] | None,
        after: UUID | None,
        limit: int,
    ) -> TaskPage:
        ranges = None if stretches is None else [(stretch.start, stretch.end) for stretch in stretches]
        found = await self._records.behind(tenant_id, dimension, key, metric, ranges, after, limit + 1)
        shown = list(found[:limit])
        return TaskPage(shown, shown[-1] if len(found) > limit else None)


def _occasions(found: Mapping[UUID, Sequence[OccasionRecord]]) -> dict[UUID, list[Occasion]]:
    return {
        enrollment_id: [
            Occasion(
                each.planned_at, each.timezone, each.status, each.opened_at, each.expires_at, each.ended_at
            )
            for each in records
        ]
        for enrollment_id, records in found.items()
    }
