"""Tells staff of alerts: messages in the ledger of deliveries, written with the alert that they speak of."""

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from qs.application.notification.alert_explaining import ALL_ALERTS, Explanation, explanation
from qs.application.notification.alert_ports import DueAlerts
from qs.application.notification.ports import NewDelivery, NotificationUnitOfWorkFactory, StaffDirectory
from qs.domain.kernel.ids import IdGenerator
from qs.domain.kernel.zones import zone
from qs.domain.notification.addressing import Contact, staff_intents
from qs.domain.notification.alerts import AT_MOST_EVERY, STAFF_ALERT, Alert, tellings
from qs.domain.notification.texts import locale_of
from qs.domain.notification.texts.alerts import over_phrase, trouble_phrase

_AT_ONCE = 1000


class AlertTelling:
    """Run by every notifications worker; who tells of a tenant's alerts holds them meanwhile.

    What is due is told at once, by itself or in a summary of all that is due, as there is room in the tenant's hour.
    """

    def __init__(
        self,
        unit_of_work: NotificationUnitOfWorkFactory,
        due: DueAlerts,
        staff: StaffDirectory,
        ids: IdGenerator,
        *,
        channels: Sequence[str],
        addressed: Collection[str],
        lang: str,
        timezone: str,
        per_hour: int,
        api_url: str | None,
    ) -> None:
        """``timezone`` is the one that instants are shown in; ``api_url`` is where the API is reached, if known."""
        self._unit_of_work = unit_of_work
        self._due = due
        self._staff = staff
        self._ids = ids
        self._channels = channels
        self._addressed = addressed
        self._locale = locale_of(lang)
        self._timezone = timezone
        self._per_hour = per_hour
        self._api_url = api_url and api_url.rstrip("/")

    async def tell_due(self) -> int:
        """Writes the messages that are due; how many alerts they speak of."""
        return sum([await self._tell(tenant_id) for tenant_id in await self._due.tenants()])

    async def _tell(self, tenant_id: UUID) -> int:
        contacts = await self._staff.contacts(tenant_id)
        async with self._unit_of_work(tenant_id) as uow:
            await uow.alerts.lock()
            told_at = await uow.alerts.told_at()
            chosen = tellings(await uow.alerts.due(_AT_ONCE), told_at, uow.now, self._per_hour)
            told = [*chosen.alone, *chosen.together]
            if not told:
                return 0
            new = [each for alert in chosen.alone for each in self._about(alert, contacts)]
            if chosen.together:
                new += self._summary(chosen.together, contacts)
            await uow.deliveries.add(new)
            await uow.alerts.save([alert.told(uow.now) for alert in told])
            recent = [at for at in told_at if at > uow.now - AT_MOST_EVERY]
            await uow.alerts.remember([*recent, *[uow.now] * chosen.messages])
            await uow.commit("alert.tell")
        return len(told)

    def _about(self, alert: Alert, contacts: Sequence[Contact]) -> list[NewDelivery]:
        template = "alert_over" if alert.tells_recovery else f"alert_{alert.kind}"
        data = {
            "alert_trouble": trouble_phrase(alert.kind, self._locale),
            "alert_subject": alert.subject,
            "alert_count": str(alert.count),
            "alert_since": self._local(alert.first_seen_at),
            "alert_until": self._local(alert.recovered_at or alert.last_seen_at),
            "alert_explain": self._shown(explanation(alert.kind, alert.subject, alert.facts)),
            "reason": alert.facts.get("reason", ""),
        }
        plan_id = alert.facts.get("plan_id")
        return [
            NewDelivery(
                alert.id,
                STAFF_ALERT,
                None,
                None,
                UUID(plan_id) if plan_id else None,
                intent,
                data,
                # Trouble that comes back is the same alert; its number tells this message from the earlier ones.
                occasion=f"message:{alert.messages + 1}",
            )
            for intent in staff_intents(template, contacts, self._channels, self._addressed, self._locale)
        ]

    def _summary(self, alerts: Sequence[Alert], contacts: Sequence[Contact]) -> list[NewDelivery]:
        lines = Counter(
            over_phrase(alert.kind, self._locale)
            if alert.tells_recovery
            else trouble_phrase(alert.kind, self._locale)
            for alert in alerts
        )
        data = {
            "alert_count": str(len(alerts)),
            "alert_lines": "\n".join(f"- {phrase}: {number}" for phrase, number in lines.most_common()),
            "alert_explain": self._shown(ALL_ALERTS),
        }
        message_id = self._ids()
        return [
            NewDelivery(message_id, STAFF_ALERT, None, None, None, intent, data)
            for intent in staff_intents(
                "alert_summary", contacts, self._channels, self._addressed, self._locale
            )
        ]

    def _shown(self, explained: Explanation) -> str:
        if self._api_url is None or explained.path is None:
            return f"`{explained.command}`"
        return f"`{explained.command}` ({self._api_url}{explained.path})"

    def _local(self, instant: datetime) -> str:
        return f"{instant.astimezone(zone(self._timezone)):%Y-%m-%d %H:%M} ({self._timezone})"
