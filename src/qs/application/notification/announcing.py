"""From events to intents: who is to be told and when, written in the transaction that acknowledges the event."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
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
from qs.domain.notification.deciding import Rules
from qs.domain.notification.reminding import ReminderRule, reminders_of
from qs.domain.notification.texts import locale_of

TOLD = frozenset({"TaskOpened", "EntryReissued", "TaskExpired"})
_ENDS = frozenset({"TaskCompleted", "TaskExpired", "TaskCanceled"})
SUBSCRIPTION = Subscription("notifications", ("plan",), tuple(sorted(TOLD | _ENDS)))

_DIGEST_WAITS = timedelta(minutes=1)
_NO_RULES = Rules()


class _TaskNews(msgspec.Struct):
    task_id: UUID
    plan_id: UUID
    testee_id: UUID
    timezone: str
    opened_at: datetime | None = None
    expires_at: datetime | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class _Wishes:
    """What others said that the events of one batch depend on."""

    on_expiry: Mapping[UUID, Audience]
    reminders: Mapping[UUID, Sequence[ReminderRule]]
    addressees: Mapping[UUID, Addressee]
    staff: Sequence[Contact]

    def audience(self, event: PublishedEvent, facts: _TaskNews) -> Audience:
        if event.name == "TaskExpired":
            return self.on_expiry.get(facts.plan_id, Audience.STAFF)
        return Audience.TESTEE


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
        rules: Rules = _NO_RULES,
    ) -> None:
        self._testees = testees
        self._plans = plans
        self._staff = staff
        self._channels = channels
        self._addressed = addressed
        self._lang = locale_of(lang)
        self._rules = rules

    async def handle(self, uow: NotificationUnitOfWork, events: Sequence[PublishedEvent]) -> None:
        """Adds the deliveries that follow from the events of one tenant, and ends those that have lost their task."""
        news = [(event, event.facts(_TaskNews)) for event in events]
        told = [(event, facts) for event, facts in news if event.name in TOLD]
        wishes = await self._wishes(uow.tenant_id, told)
        await uow.deliveries.add(
            [each for event, facts in told for each in self._deliveries(event, facts, wishes, uow.now)]
        )
        # After the adding, as an event of the same batch may have opened what another one ended.
        if ended := {facts.task_id for event, facts in news if event.name in _ENDS}:
            await uow.deliveries.close_waiting(ended, "task_not_open")

    async def _wishes(self, tenant_id: UUID, told: Sequence[tuple[PublishedEvent, _TaskNews]]) -> _Wishes:
        expired = {facts.plan_id for event, facts in told if event.name == "TaskExpired"}
        opened = {facts.plan_id for event, facts in told if event.name == "TaskOpened"}
        on_expiry = await self._plans.on_expiry(tenant_id, expired) if expired else {}
        reminders = await self._plans.reminders(tenant_id, opened) if opened else {}
        wishes = _Wishes(on_expiry, reminders, {}, ())
        audiences = [(facts.testee_id, wishes.audience(event, facts)) for event, facts in told]
        of_testees = {testee_id for testee_id, audience in audiences if audience is Audience.TESTEE}
        for_staff = any(audience is Audience.STAFF for _, audience in audiences)
        return _Wishes(
            on_expiry,
            reminders,
            await self._testees.find(tenant_id, of_testees) if of_testees else {},
            await self._staff.contacts(tenant_id) if for_staff else (),
        )

    def _deliveries(
        self, event: PublishedEvent, facts: _TaskNews, wishes: _Wishes, now: datetime
    ) -> Iterator[NewDelivery]:
        audience = wishes.audience(event, facts)
        if audience is Audience.STAFF:
            for intent in intents_for_staff(
                event.name, wishes.staff, self._channels, self._addressed, self._lang
            ):
                yield _delivery(event, facts, intent)
        addressee = wishes.addressees.get(facts.testee_id)
        if audience is not Audience.TESTEE or addressee is None:
            return
        waits = now + _DIGEST_WAITS if self._rules.digest and event.name == "TaskOpened" else None
        for intent in self._to_testee(event.name, addressee):
            yield _delivery(event, facts, intent, not_before=waits)
        if event.name == "TaskOpened":
            yield from self._reminders(event, facts, addressee, wishes.reminders.get(facts.plan_id, ()), now)

    def _reminders(
        self,
        event: PublishedEvent,
        facts: _TaskNews,
        addressee: Addressee,
        rules: Sequence[ReminderRule],
        now: datetime,
    ) -> Iterator[NewDelivery]:
        if facts.opened_at is None or facts.expires_at is None:
            return
        for reminder in reminders_of(
            rules,
            opened_at=facts.opened_at,
            expires_at=facts.expires_at,
            now=now,
            timezone=addressee.timezone or facts.timezone,
            quiet=self._rules.quiet,
        ):
            for intent in self._to_testee(event.name, addressee, reminder=True):
                # That nobody has such an address the opening has said already.
                if intent.skipped is None:
                    yield _delivery(event, facts, intent, reminder.occasion, reminder.at)

    def _to_testee(
        self, event_name: str, addressee: Addressee, *, reminder: bool = False
    ) -> Iterator[Intent]:
        locale = locale_of(addressee.locale, self._lang)
        return intents_for_testee(
            event_name, addressee, self._channels, self._addressed, locale, reminder=reminder
        )


def _delivery(
    event: PublishedEvent,
    facts: _TaskNews,
    intent: Intent,
    occasion: str = "",
    not_before: datetime | None = None,
) -> NewDelivery:
    data = {"timezone": facts.timezone}
    if facts.reason is not None:
        data["reason"] = facts.reason
    return NewDelivery(
        event.id,
        event.name,
        facts.task_id,
        facts.testee_id,
        facts.plan_id,
        intent,
        data,
        occasion,
        not_before,
    )
