"""From events to alerts: what staff should hear of is put down in the transaction that acknowledges the event."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

import msgspec

from qs.application.kernel.cloud_events import PublishedEvent
from qs.application.kernel.unit_of_work import UnitOfWork
from qs.application.notification.alert_ports import AlertBook, Key, MissedRun, MissedRuns
from qs.domain.kernel.ids import IdGenerator
from qs.domain.notification.alerts import Alert, AlertKind, Relief, Trouble, raised

_OF_TASKS = frozenset({"TaskOpened", "TaskCompleted", "TaskExpired"})
_NEVER_OPENED = "missed"
_MISSED = frozenset({_NEVER_OPENED, "entry_timeout"})


class _TaskNews(msgspec.Struct):
    task_id: UUID
    plan_id: UUID
    enrollment_id: UUID
    reason: str | None = None


_News = Sequence[tuple[PublishedEvent, _TaskNews]]


class AlertingUnitOfWork(UnitOfWork, Protocol):
    alerts: AlertBook


class Alerting:
    """Raises alerts and ends them; who is told, and when, is decided by AlertTelling."""

    def __init__(self, runs: MissedRuns, ids: IdGenerator, *, missed_in_a_row: int) -> None:
        """``missed_in_a_row`` is how many staff are told of where the plan says nothing; 0 for never."""
        self._runs = runs
        self._ids = ids
        self._missed_in_a_row = missed_in_a_row

    async def handle(self, uow: AlertingUnitOfWork, events: Sequence[PublishedEvent]) -> None:
        """What follows from the events of one tenant; those that are not about tasks are passed over."""
        news = [(event, event.facts(_TaskNews)) for event in events if event.name in _OF_TASKS]
        if not news:
            return
        relieved = await self._in_need_of_relief(uow, news)
        troubles = [*_missed_openings(news), *await self._missed_in_a_row_now(uow.tenant_id, news)]
        await self.change(uow, troubles, relieved)

    async def change(
        self, uow: AlertingUnitOfWork, troubles: Sequence[Trouble], reliefs: Sequence[Relief]
    ) -> None:
        """Puts down trouble that is over and trouble that was met, in that order."""
        if not troubles and not reliefs:
            return
        keys = {trouble.key for trouble in troubles} | {relief.key for relief in reliefs}
        await uow.alerts.lock()
        # What others put down meanwhile is seen only now.
        known = {(alert.kind, alert.subject): alert for alert in await uow.alerts.find(keys)}
        changed: dict[Key, Alert] = {}
        for relief in reliefs:
            alert = known.get(relief.key)
            if alert is not None and (after := alert.relieved(relief, uow.now)) is not alert:
                known[relief.key] = changed[relief.key] = after
        for trouble in troubles:
            alert = known.get(trouble.key)
            after = (
                alert.met(trouble, uow.now) if alert else raised(trouble, uow.tenant_id, self._ids(), uow.now)
            )
            if after is not alert:
                known[trouble.key] = changed[trouble.key] = after
        await uow.alerts.save(list(changed.values()))

    async def _in_need_of_relief(self, uow: AlertingUnitOfWork, news: _News) -> list[Relief]:
        good: dict[Key, datetime] = {}
        for event, facts in news:
            if event.name == "TaskCompleted":
                good[AlertKind.MISSED_IN_A_ROW, str(facts.enrollment_id)] = event.occurred_at
            elif event.name == "TaskOpened":
                good[AlertKind.MISSED_OPENINGS, str(facts.plan_id)] = event.occurred_at
        if not good:
            return []
        # Most tasks are of those about whom nobody was alerted: one look at what is open, and no lock.
        concerned = await uow.alerts.find(good.keys(), only_open=True)
        in_a_row = {UUID(each.subject) for each in concerned if each.kind is AlertKind.MISSED_IN_A_ROW}
        runs = await self._runs.of(uow.tenant_id, in_a_row) if in_a_row else {}
        # A completion that is heard of late may have been followed by as many missed ones again.
        going_on = {str(enrollment_id) for enrollment_id, run in runs.items() if self._is_too_long(run)}
        return [
            Relief(each.kind, each.subject, good[each.kind, each.subject])
            for each in concerned
            if each.subject not in going_on
        ]

    async def _missed_in_a_row_now(self, tenant_id: UUID, news: _News) -> list[Trouble]:
        missed = {
            facts.enrollment_id
            for event, facts in news
            if event.name == "TaskExpired" and facts.reason in _MISSED
        }
        if not missed:
            return []
        runs = await self._runs.of(tenant_id, missed)
        return [
            _in_a_row(enrollment_id, run)
            for enrollment_id, run in sorted(runs.items())
            if self._is_too_long(run)
        ]

    def _is_too_long(self, run: MissedRun) -> bool:
        limit = self._missed_in_a_row if run.alert_after is None else run.alert_after
        return 0 < limit <= run.missed


def _in_a_row(enrollment_id: UUID, run: MissedRun) -> Trouble:
    facts = {
        "enrollment_id": str(enrollment_id),
        "plan_id": str(run.plan_id),
        "task_id": str(run.last_task_id),
    }
    return Trouble(AlertKind.MISSED_IN_A_ROW, str(enrollment_id), str(run.last_task_id), run.missed, facts)


def _missed_openings(news: _News) -> Iterator[Trouble]:
    by_plan: Mapping[UUID, list[UUID]] = defaultdict(list)
    for event, facts in news:
        if event.name == "TaskExpired" and facts.reason == _NEVER_OPENED:
            by_plan[facts.plan_id].append(facts.task_id)
    for plan_id, missed in sorted(by_plan.items()):
        last = str(missed[-1])
        about = {"plan_id": str(plan_id), "task_id": last}
        yield Trouble(AlertKind.MISSED_OPENINGS, str(plan_id), last, len(missed), about, more=True)
