"""From events to intents: who is to be told, written in the transaction that acknowledges the event."""

from collections.abc import Collection, Iterator, Sequence
from uuid import UUID

import msgspec

from qs.application.kernel.cloud_events import PublishedEvent
from qs.application.kernel.subscriptions import Subscription
from qs.application.notification.ports import (
    NewDelivery,
    NotificationUnitOfWork,
    PlanPreferences,
    StaffDirectory,
    TesteeDirectory,
)
from qs.domain.notification.addressing import (
    Addressee,
    Audience,
    Contact,
    Intent,
    intents_for_staff,
    intents_for_testee,
)
from qs.domain.notification.texts import locale_of

SUBSCRIPTION = Subscription("notifications", ("plan",), ("TaskOpened", "EntryReissued", "TaskExpired"))


class _TaskNews(msgspec.Struct):
    task_id: UUID
    plan_id: UUID
    testee_id: UUID
    timezone: str
    reason: str | None = None


class Announcing:
    """The subscriber ``notifications``.

    ``channels`` are the enabled ones, ``addressed`` those of them that need an address; ``lang`` is the language of
    those who have not chosen one.
    """

    subscription = SUBSCRIPTION

    def __init__(
        self,
        testees: TesteeDirectory,
        plans: PlanPreferences,
        staff: StaffDirectory,
        *,
        channels: Sequence[str],
        addressed: Collection[str],
        lang: str,
    ) -> None:
        self._testees = testees
        self._plans = plans
        self._staff = staff
        self._channels = channels
        self._addressed = addressed
        self._lang = locale_of(lang)

    async def handle(self, uow: NotificationUnitOfWork, events: Sequence[PublishedEvent]) -> None:
        """Adds the deliveries that follow from the events of one tenant."""
        news = [(event, event.facts(_TaskNews)) for event in events]
        audiences = await self._audiences(uow.tenant_id, news)
        told = [(*each, audience) for each, audience in zip(news, audiences, strict=True)]
        of_testees = {facts.testee_id for _, facts, audience in told if audience is Audience.TESTEE}
        addressees = await self._testees.find(uow.tenant_id, of_testees) if of_testees else {}
        for_staff = any(audience is Audience.STAFF for *_, audience in told)
        staff = await self._staff.contacts(uow.tenant_id) if for_staff else ()
        await uow.deliveries.add(
            [
                _delivery(event, facts, intent)
                for event, facts, audience in told
                for intent in self._intents(event.name, audience, addressees.get(facts.testee_id), staff)
            ]
        )

    async def _audiences(
        self, tenant_id: UUID, news: Sequence[tuple[PublishedEvent, _TaskNews]]
    ) -> list[Audience]:
        plan_ids = {facts.plan_id for event, facts in news if event.name == "TaskExpired"}
        wishes = await self._plans.on_expiry(tenant_id, plan_ids) if plan_ids else {}
        return [
            wishes.get(facts.plan_id, Audience.STAFF) if event.name == "TaskExpired" else Audience.TESTEE
            for event, facts in news
        ]

    def _intents(
        self, event_name: str, audience: Audience, addressee: Addressee | None, staff: Sequence[Contact]
    ) -> Iterator[Intent]:
        if audience is Audience.STAFF:
            yield from intents_for_staff(event_name, staff, self._channels, self._addressed, self._lang)
        elif audience is Audience.TESTEE and addressee is not None:
            locale = locale_of(addressee.locale, self._lang)
            yield from intents_for_testee(event_name, addressee, self._channels, self._addressed, locale)


def _delivery(event: PublishedEvent, facts: _TaskNews, intent: Intent) -> NewDelivery:
    data = {"timezone": facts.timezone}
    if facts.reason is not None:
        data["reason"] = facts.reason
    return NewDelivery(event.id, event.name, facts.task_id, facts.testee_id, facts.plan_id, intent, data)
