"""A few people's months in two tenants, played through the real services, with everything that was seen of it."""

import time
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
from msgspec.structs import replace

from qs.application.kernel.cloud_events import cloud_event
from qs.application.plan.keeping import Profile
from qs.application.statistics.ports import Kind
from qs.container import Container, build_container, close
from qs.domain.plan.plan import ResumePolicy
from qs.domain.plan.testee import Guardian
from qs.domain.scheduler.execution import Execution, ExecutionStatus, FiredBy
from qs.settings.sections import NotificationSettings, OutboundSettings, WebhookSettings
from tests.integration.plan.clinic import ACTOR, Clinic
from tests.proof.journal import Journal, Write
from tests.proof.laws import publication
from tests.proof.webhooks import Arrival, WebhookLog
from tests.proof.webhooks import Told as Answer
from tests.support.builders import at
from tests.support.settings import make_settings
from tests.support.waiting import eventually

CHANNELS = ("log", "webhook")
_SOON = timedelta(milliseconds=20)
_DRAINED = timedelta(seconds=30)
_LEFT = f"""
SELECT (SELECT count(*) FROM ({publication.statement(quiet=True)}) unpublished)
    + (SELECT count(*) FROM delivery WHERE status IN ('queued', 'sending'))
"""


@dataclass(frozen=True)
class Seen:
    """What its observers have: clients, the receiver of the webhook, readers of the feeds."""

    journal: Journal
    arrivals: Sequence[Arrival]
    feed: Mapping[str, Sequence[Mapping[str, Any]]]


class Told(Clinic):
    """A tenant at work whose calls are put down in a journal."""

    def __init__(self, container: Container, tenant_id: UUID, journal: Journal) -> None:
        super().__init__(container, tenant_id)
        self._journal = journal

    async def call(self, kind: str, call: Awaitable[Any], subject: UUID | None = None, **detail: Any) -> Any:
        key = f"{kind}-{len(self._journal.writes)}" if subject is None else None
        write = Write(kind, subject, key, None, time.monotonic(), None, str(self.tenant_id), detail)
        self._journal.sent(write)
        answer = await call
        write.status, write.answered_at = 200, time.monotonic()
        write.subject = subject or getattr(answer, "enrollment", answer).id
        return answer

    async def move(self, kind: str, task: Any, *arguments: Any, **detail: Any) -> None:
        """One task, by hand."""
        act = getattr(self.operating, kind)
        await self.call(kind, act(self.tenant_id, task.id, *arguments, actor=ACTOR), task.id, **detail)

    async def answer(self, task: Any) -> None:
        given = {"assessment_id": f"a-{task.id}"}
        await self.call("submit", self.submit(task.id, given["assessment_id"]), task.id, **given)

    async def planned(self, **fields: Any) -> Any:
        terms = {"total_times": 3, "due_days": 1, "entry_ttl_days": 2, "catch_up_days": 3}
        return await self.call("create_plan", self.plan(**(terms | fields)))

    async def joined(self, plan: Any, **profile: Any) -> Any:
        person = Profile(**profile)
        testee = await self.call("create_testee", self.keeping.create(self.tenant_id, person, actor=ACTOR))
        return await self.call("enroll", self.enroll(plan, testee=testee.id))


async def live(database_url: str, redis_url: str, home: Path) -> Seen:
    """Fills the database; when it returns everything is acted on, sent, counted and synced."""
    async with WebhookLog() as webhooks, WebhookLog() as gone:
        # It is told once that it is, which is an event too.
        gone.answer = Answer(410)
        settings = replace(
            make_settings(database_url, redis_url, home),
            notification=NotificationSettings(
                webhook=WebhookSettings(url=webhooks.url, secrets=(webhooks.secret,))
            ),
            outbound=OutboundSettings(allow_networks=("127.0.0.0/8",)),
        )
        container = build_container(settings)
        try:
            journal = Journal()
            north = await container.tenant_administration().create(
                "north", "North", "Europe/London", actor=ACTOR
            )
            tenants = [Clinic(container).tenant_id, north.id]
            made = await container.webhook_keeping().create(tenants[0], "gone", gone.url, ["*"], actor=ACTOR)
            gone.trust(made.secret)
            await container.counter_mending().mend_lost()
            await _months(*(Told(container, tenant, journal) for tenant in tenants))
            await _rest(container, database_url)
            await _duties(container)
            for kind in (Kind.DAILY, Kind.ACCUMULATED, Kind.PLAN):
                await container.statistics_syncing().sync(kind, None)
            feed = {str(tenant): await _feed(container, tenant) for tenant in tenants}
        finally:
            await close(container)
        return Seen(journal, webhooks.arrivals, feed)


async def _months(home: Told, north: Told) -> None:
    plan = await home.planned()
    patient, reader, ill, leaving, moved, lost, *_ = [
        await home.joined(plan, external_id=f"P-{number}") for number in range(7)
    ]
    child = await home.joined(plan, guardians=(Guardian("Han", ()), Guardian("Li", ())))
    theirs = await north.joined(await north.planned(notify_on_expiry="testee"))
    paused, finished, given_up = [
        await home.planned(total_times=1, notify_on_expiry=who, timezone="Europe/Berlin")
        for who in ("nobody", "testee", "staff")
    ]
    for each in (paused, finished, given_up):
        await home.joined(each)
    away = await home.joined(await home.planned(total_times=1))
    for each in (ill, away):
        pausing = home.steering.pause_enrollment(home.tenant_id, each.enrollment.id, actor=ACTOR)
        await home.call("pause", pausing, each.enrollment.id)
    await home.operating.reschedule(home.tenant_id, moved.tasks[2].id, at("2060-03-20"), actor=ACTOR)
    await home.advance("2060-03-01")
    await home.sweep()
    await home.answer(patient.tasks[0])
    await home.move("reissue", reader.tasks[0], generation=2)
    await home.answer(reader.tasks[0])
    await home.move("expire", child.tasks[0])
    await home.move("cancel", leaving.tasks[0], "withdrawn")
    await home.advance("2060-03-02 12:00")
    await north.sweep()
    await north.answer(theirs.tasks[0])
    await home.steering.pause(home.tenant_id, paused.id, actor=ACTOR)
    await home.advance("2060-03-08")
    await home.move("open", patient.tasks[1])
    await home.sweep()
    await home.advance("2060-03-09 20:00")
    await home.answer(patient.tasks[1])
    for command, whom in (("finish", finished), ("cancel", given_up)):
        await getattr(home.steering, command)(home.tenant_id, whom.id, actor=ACTOR)
    await home.steering.resume(home.tenant_id, paused.id, ResumePolicy.SHIFT, actor=ACTOR)
    # Of the second all that was to come has fallen into the pause, so that it resumes and closes in one move.
    for each, policy in ((ill, ResumePolicy.KEEP), (away, ResumePolicy.SKIP)):
        resuming = home.steering.resume_enrollment(home.tenant_id, each.enrollment.id, policy, actor=ACTOR)
        await home.call("resume", resuming, each.enrollment.id)
    testee = leaving.enrollment.testee_id
    ending = home.steering.terminate(home.tenant_id, plan.id, testee, "moved_away", actor=ACTOR)
    await home.call("terminate", ending, leaving.enrollment.id)
    await home.keeping.erase(home.tenant_id, lost.enrollment.testee_id, actor=ACTOR)
    await home.authoring.edit(home.tenant_id, plan.id, {"total_times": 4, "due_days": 2}, actor=ACTOR)
    await home.advance("2060-03-19")
    await home.sweep()
    await north.sweep()
    late = await home.call("create_testee", home.keeping.create(home.tenant_id, Profile(), actor=ACTOR))
    await home.call("enroll", home.enroll(plan, "2060-03-08", testee=late.id))


async def _rest(container: Container, database_url: str) -> None:
    """Everything recorded is published, acted on and sent."""
    connection = await asyncpg.connect(database_url)

    async def rested() -> bool:
        while await container.publishing().round():
            pass
        for subscriber in (container.announcing(), container.counting(), container.webhook_fanning_out()):
            await subscriber.follow(_SOON)
            await subscriber.retry()
        for sending in container.sending().values():
            while await sending.send_due():
                pass
        await container.webhook_sending().send_due()
        await container.webhook_sending().idle()
        left: int = await connection.fetchval(_LEFT)
        return left == 0

    try:
        await eventually(rested, within=60)
    finally:
        await connection.close()


async def _duties(container: Container) -> None:
    """The clock fires what is due; of one duty more the holder died, and another went on."""
    await container.duty_firing().fire_due()
    async with container.scheduler_uow()(Clinic(container).tenant_id) as uow:
        dead = Execution(
            id=container.new_id()(),
            tenant_id=uow.tenant_id,
            name="sweep",
            fired_by=FiredBy.HTTP,
            actor=ACTOR,
            status=ExecutionStatus.RUNNING,
            detached=True,
        )
        await uow.executions.add(dead, timedelta(0))
        await uow.commit("test")
    await container.duty_recovery().recover()
    await container.background().drain(_DRAINED)


async def _feed(container: Container, tenant_id: UUID) -> list[Mapping[str, Any]]:
    events: list[Mapping[str, Any]] = []
    page = await container.event_feed().read(tenant_id, 0, 50)
    while page.events:
        events += [{"id": str(event.id), "sequence": cloud_event(event).sequence} for event in page.events]
        page = await container.event_feed().read(tenant_id, page.next_after, 50)
    return events
