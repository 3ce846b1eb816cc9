"""Reading the alerts of a tenant, with those of the whole installation, which concern it too."""

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import islice
from uuid import UUID

from qs.application.notification.alert_ports import AlertFilter, AlertPosition
from qs.application.notification.ports import NotificationUnitOfWorkFactory
from qs.domain.kernel.ids import PLATFORM_TENANT
from qs.domain.notification.alerts import Alert


@dataclass(frozen=True, slots=True)
class AlertPage:
    """``after`` is where the next page begins; None at the end."""

    alerts: Sequence[Alert]
    after: AlertPosition | None


class AlertReading:
    def __init__(self, unit_of_work: NotificationUnitOfWorkFactory) -> None:
        self._unit_of_work = unit_of_work

    async def list(
        self, tenant_id: UUID, which: AlertFilter, *, after: AlertPosition | None = None, limit: int = 20
    ) -> AlertPage:
        """Those met last first."""
        found = [
            await self._of(each, which, after, limit + 1)
            for each in dict.fromkeys((tenant_id, PLATFORM_TENANT))
        ]
        newest = merge(*found, key=lambda alert: (alert.last_seen_at, alert.id), reverse=True)
        alerts = list(islice(newest, limit + 1))
        page = alerts[:limit]
        more = AlertPosition(page[-1].last_seen_at, page[-1].id) if len(alerts) > limit else None
        return AlertPage(page, more)

    async def _of(
        self, tenant_id: UUID, which: AlertFilter, after: AlertPosition | None, limit: int
    ) -> Sequence[Alert]:
        async with self._unit_of_work(tenant_id) as uow:
            return await uow.alerts.list(which, after, limit)
