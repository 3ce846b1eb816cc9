"""Looks for trouble that no event tells of: duties, dead letters, webhooks that were switched off."""

from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

from qs.application.notification.alert_ports import AlertOverview, AlertSource, Found, Standing
from qs.application.notification.alerting import Alerting
from qs.application.notification.ports import NotificationUnitOfWorkFactory
from qs.domain.notification.alerts import AlertKind, Relief, Trouble


class AlertWatching:
    """Run by every notifications worker; of several only one looks at a time.

    What was found before and is found unchanged costs no transaction. What a source does not find any more is over.
    """

    def __init__(
        self,
        unit_of_work: NotificationUnitOfWorkFactory,
        overview: AlertOverview,
        sources: Sequence[AlertSource],
        alerting: Alerting,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._overview = overview
        self._sources = tuple(sources)
        self._alerting = alerting

    async def look(self) -> int:
        """Puts down what has changed since the last look; in how many tenants."""
        async with self._overview.alone() as standing:
            if standing is None:
                return 0
            found = [each for source in self._sources for each in await source.look()]
            changed = _changed(found, standing)
            for tenant_id, (troubles, over) in changed.items():
                await self._put_down(tenant_id, troubles, over)
        return len(changed)

    async def _put_down(
        self, tenant_id: UUID, troubles: Sequence[Trouble], over: Sequence[tuple[AlertKind, str]]
    ) -> None:
        async with self._unit_of_work(tenant_id) as uow:
            reliefs = [Relief(kind, subject, uow.now) for kind, subject in over]
            await self._alerting.change(uow, troubles, reliefs)
            await uow.commit("alert.watch")


_Change = tuple[list[Trouble], list[tuple[AlertKind, str]]]


def _changed(found: Sequence[Found], standing: Standing) -> dict[UUID, _Change]:
    changes: dict[UUID, _Change] = defaultdict(lambda: ([], []))
    present = set()
    for tenant_id, trouble in ((each.tenant_id, each.trouble) for each in found):
        key = (tenant_id, *trouble.key)
        present.add(key)
        if standing.get(key) != trouble.cause:
            changes[tenant_id][0].append(trouble)
    for tenant_id, kind, subject in standing.keys() - present:
        changes[tenant_id][1].append((kind, subject))
    return changes
