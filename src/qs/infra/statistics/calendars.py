"""Tenants' zones in the words of this context; what they are asked for is stated here, and the container binds it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from qs.domain.statistics.calendar import Period, TenantCalendar
from qs.domain.statistics.errors import NothingCounted


class ZoneRecords(Protocol):
    async def periods(self, tenant_id: UUID) -> Sequence[tuple[datetime, str]]: ...


class RecordedCalendars:
    def __init__(self, zones: ZoneRecords) -> None:
        self._zones = zones

    async def of(self, tenant_id: UUID) -> TenantCalendar:
        """Raises NothingCounted for a tenant that is not there."""
        periods = [Period(*each) for each in await self._zones.periods(tenant_id)]
        if not periods:
            raise NothingCounted
        return TenantCalendar(periods)
