"""The subscriber ``notifications``: what it hears of is announced, and raises or ends alerts, in one transaction."""

from collections.abc import Sequence

from qs.application.kernel.cloud_events import PublishedEvent
from qs.application.notification.alerting import Alerting
from qs.application.notification.announcing import SUBSCRIPTION, Announcing
from qs.application.notification.ports import NotificationUnitOfWork


class Hearing:
    subscription = SUBSCRIPTION

    def __init__(self, announcing: Announcing, alerting: Alerting) -> None:
        self._announcing = announcing
        self._alerting = alerting

    async def handle(self, uow: NotificationUnitOfWork, events: Sequence[PublishedEvent]) -> None:
        """Both, or neither."""
        await self._announcing.handle(uow, events)
        await self._alerting.handle(uow, events)
