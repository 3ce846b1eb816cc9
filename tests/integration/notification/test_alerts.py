"""What staff hear of when something goes wrong: once, seldom, and once when it is over."""

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import msgspec
import pytest

from qs.container import build_container, close
from qs.domain.kernel.ids import PLATFORM_TENANT
from qs.infra.postgres.ids import new_id
from qs.infra.scheduler.unit_of_work import SqlSchedulerUnitOfWork
from tests.support.clock import advance_to, business_now
from tests.support.notifying import ACTOR, Clinic, mailbox

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
SHANGHAI = ZoneInfo("Asia/Shanghai")


class Desk(Clinic):
    """A clinic whose sweeps, alerts and clock are moved by hand."""

    async def sweep(self) -> None:
        await self.container.task_scheduling().sweep(
            None, before=None, zone_name="UTC", limit=None, actor=ACTOR
        )

    async def live(self, time: timedelta) -> None:
        """Business time goes on; what became due is swept and told of."""
        engine = self.container.engine()
        await advance_to(engine, await business_now(engine) + time)
        await self.sweep()
        await self.announce()
        await self.tell()

    async def tell(self) -> int:
        await self.container.alert_watching().look()
        return await self.container.alert_telling().tell_due()

    async def told(self, channel: str = "log") -> list[str]:
        """The templates of the messages about alerts so far."""
        return [
            row["template"] for row in await self.deliveries(channel) if row["event_name"] == "StaffAlert"
        ]

    async def alerts(self) -> list[tuple[str, int, bool]]:
        rows = await self.truth.fetch("SELECT * FROM staff_alert ORDER BY kind, subject")
        return [(row["kind"], row["count"], row["recovered_at"] is None) for row in rows]

    async def enrolled(self, plan_id: UUID) -> list[UUID]:
        """The tasks of a new enrollment that begins today."""
        testee_id = await self.testee([mailbox("anna@example.org")])
        today = (await business_now(self.container.engine())).astimezone(SHANGHAI).date()
        joined = await self.container.enrolling().enroll(
            self.tenant_id, plan_id, testee_id, today, actor=ACTOR
        )
        return [task.id for task in joined.tasks]

    async def execution(self, name: str, status: str, error: str | None = None) -> None:
        await self.truth.execute(
            "INSERT INTO execution (id, tenant_id, name, fired_by, status, actor, error, lease_until, finished_at)"
            " VALUES ($1, $2, $3, 'clock', $4, 'clock:internal', $5, clock_timestamp(), clock_timestamp())",
            new_id(),
            PLATFORM_TENANT,
            name,
            status,
            error,
        )

    async def job(self, job_id: UUID, name: str) -> None:
        await self.truth.execute(
            "INSERT INTO job (tenant_id, id, name, source, definition, kind, enabled, status, anchor)"
            " VALUES ($1, $2, $3, 'stored', '{}', 'http', true, 'active', clock_timestamp())",
            self.tenant_id,
            job_id,
            name,
        )

    async def run(self, job_id: UUID, status: str) -> UUID:
        """An execution of the job that has ended."""
        execution_id = new_id()
        await self.truth.execute(
            "INSERT INTO job_execution (tenant_id, id, job_id, job_name, kind, fired_by, actor, status, queue, priority,"
            " definition, payload) VALUES ($1, $2, $3, 'x', 'http', 'clock', 'clock', $4, 'default', 0, '{}', '{}')",
            self.tenant_id,
            execution_id,
            job_id,
            status,
        )
        return execution_id

    async def dead(self, channel: str = "webhook", event_name: str = "TaskOpened") -> None:
        await self.truth.execute(
            "INSERT INTO delivery (id, tenant_id, event_id, event_name, recipient, channel, template, locale, status,"
            " reason, settled_at) VALUES (gen_random_uuid(), $1, gen_random_uuid(), $2, 'staff', $3, 'task_opened',"
            " 'en', 'dead', 'permanent_failure', qs_now())",
            self.tenant_id,
            event_name,
            channel,
        )


@pytest.fixture
async def desk(container, truth):
    """It is noon at the clinic."""
    engine = container.engine()
    tomorrow = (await business_now(engine)).astimezone(SHANGHAI) + DAY
    await advance_to(engine, tomorrow.replace(hour=12, minute=0))
    return Desk(container, truth)


@pytest.fixture
def time_goes_on(monkeypatch):
    """Moves the time that duties are fired by."""
    ahead = timedelta(0)
    real = SqlSchedulerUnitOfWork.system_now

    async def system_now(self):
        return await real(self) + ahead

    def move(by: timedelta) -> None:
        nonlocal ahead
        ahead += by

    monkeypatch.setattr(SqlSchedulerUnitOfWork, "system_now", system_now)
    return move


DAILY = {"entry_ttl_days": 1, "catch_up_days": 1, "total_times": 8, "notify_on_expiry": "nobody"}


async def test_two_missed_in_a_row_are_told_once_and_the_next_answer_ends_it(desk, mail):
    await desk.staff("desk@clinic.example.org")
    tasks = await desk.enrolled(await desk.plan(**DAILY))
    await desk.live(HOUR)
    await desk.live(DAY)
    assert await desk.alerts() == []

    await desk.live(DAY)
    await asyncio.gather(desk.tell(), desk.tell(), desk.tell())
    await desk.live(HOUR)

    assert await desk.told("email") == ["alert_missed_in_a_row"]
    assert await desk.alerts() == [("missed_in_a_row", 2, True)]
    await desk.send()
    [message] = [each for each in mail.accepted if "in a row" in each["Subject"]]
    expired = await desk.truth.fetchval(
        "SELECT id FROM task WHERE status = 'expired' ORDER BY expired_at DESC LIMIT 1"
    )
    assert f"`qs task explain {expired}`" in message.get_content()
    assert expired in tasks

    [opened] = await desk.truth.fetch("SELECT id FROM task WHERE status = 'opened'")
    await desk.container.task_operating().complete(desk.tenant_id, opened["id"], "A-1", actor=ACTOR)
    await desk.announce()
    await desk.tell()
    await desk.live(2 * HOUR)

    assert await desk.told("email") == ["alert_missed_in_a_row", "alert_over"]
    assert await desk.alerts() == [("missed_in_a_row", 2, False)]


async def test_a_plan_says_how_many_missed_ones_are_told_of(desk):
    await desk.enrolled(await desk.plan(**DAILY, alert_after_missed=0))
    await desk.enrolled(await desk.plan(**DAILY, alert_after_missed=3))

    for days in (0.1, 1, 1):
        await desk.live(days * DAY)
    assert await desk.alerts() == []
    await desk.live(DAY)
    await desk.live(DAY)

    assert await desk.alerts() == [("missed_in_a_row", 4, True)]
    assert await desk.told() == ["alert_missed_in_a_row"] * 2


async def test_missed_openings_are_counted_once_although_their_events_come_twice(desk):
    await desk.enrolled(await desk.plan(**DAILY, catch_up="all", alert_after_missed=0))
    await desk.live(5 * DAY)
    before = await desk.alerts()

    await desk.container.event_replay().replay(desk.tenant_id, actor=ACTOR, after=0)
    await desk.announce()
    await desk.tell()

    assert [kind for kind, *_ in before] == ["missed_openings"]
    missed = await desk.truth.fetchval(
        "SELECT count(*) FROM task WHERE status = 'expired' AND reason = 'missed'"
    )
    assert before == await desk.alerts() == [("missed_openings", missed, True)]
    assert await desk.told() == ["alert_missed_openings"]

    # What is opened in time on a later day shows that all is well again.
    await desk.live(DAY)

    assert await desk.told() == ["alert_missed_openings", "alert_over"]


async def test_a_duty_that_fails_reaches_the_operator_and_so_does_its_recovery(desk, settings, mail):
    notification = settings.notification
    alerts = msgspec.structs.replace(
        notification.alerts, operator_email="ops@example.org", api_url="https://qs.example.org/"
    )
    container = build_container(
        msgspec.structs.replace(settings, notification=msgspec.structs.replace(notification, alerts=alerts))
    )
    desk = Desk(container, desk.truth)
    await desk.execution("sweep", "succeeded")
    await desk.execution("sweep", "failed", "plan.broken: the plan is broken")
    await desk.execution("sweep", "failed", "plan.broken: the plan is broken")

    for _ in range(2):
        await desk.tell()
    await desk.send()
    await desk.execution("sweep", "lost")
    await desk.tell()
    await desk.execution("sweep", "succeeded")
    await desk.tell()
    await desk.send()

    assert await desk.alerts() == [("duty_failing", 3, False)]
    assert await desk.told("email") == ["alert_duty_failing", "alert_over"]
    assert mail.recipients == ["ops@example.org"] * 2
    first = mail.accepted[0].get_content()
    assert "Failures in a row so far: 2." in first
    assert "plan.broken: the plan is broken" in first
    assert "(https://qs.example.org/api/v1/scheduler/jobs/" in first
    assert {row["tenant_id"] for row in await desk.deliveries()} == {PLATFORM_TENANT}
    await close(container)


async def test_without_an_operator_the_staff_of_the_default_tenant_hear_of_a_late_duty(
    desk, mail, time_goes_on
):
    await desk.staff("desk@clinic.example.org")
    await desk.truth.execute(
        "INSERT INTO slot (tenant_id, name, scheduled_at, execution_id)"
        " VALUES ($1, 'sweep', clock_timestamp() - interval '1 hour', gen_random_uuid())",
        PLATFORM_TENANT,
    )

    for _ in range(6):
        assert await desk.alerts() == []
        await desk.tell()
        time_goes_on(MINUTE)
    await desk.send()

    [(kind, count, _)] = await desk.alerts()
    assert kind == "duty_late"
    assert 63 <= count <= 66
    assert mail.recipients == ["desk@clinic.example.org"]
    await desk.truth.execute("UPDATE slot SET scheduled_at = clock_timestamp() + interval '6 minutes'")
    await desk.tell()
    assert await desk.told("email") == ["alert_duty_late", "alert_over"]


async def test_a_job_that_fails_is_told_unless_its_own_notice_tells_of_it(desk):
    quiet, loud = uuid4(), uuid4()
    for job_id, name in ((quiet, "report"), (loud, "backup")):
        await desk.job(job_id, name)
        await desk.run(job_id, "succeeded")
        for _ in range(2):
            last = await desk.run(job_id, "failed")
    await desk.truth.execute(
        "INSERT INTO job_notice (tenant_id, id, job_id, execution_id, kind, channel, address, body)"
        " VALUES ($1, gen_random_uuid(), $2, $3, 'failure', 'email', 'x', '{}')",
        desk.tenant_id,
        loud,
        last,
    )

    await desk.tell()
    assert await desk.alerts() == [("job_failing", 2, True)]

    # What was given up has told nobody.
    await desk.truth.execute("UPDATE job_notice SET status = 'dead'")
    await desk.run(quiet, "succeeded")
    await desk.tell()
    assert await desk.alerts() == [("job_failing", 2, True), ("job_failing", 2, False)]
    assert sorted(await desk.told()) == ["alert_job_failing", "alert_job_failing", "alert_over"]


async def test_dead_letters_are_told_by_what_gave_them_up_and_end_when_none_is_left(desk):
    await desk.dead("webhook")
    await desk.dead("webhook")
    await desk.truth.execute(
        "INSERT INTO inbox (subscriber, event_id, tenant_id, state)"
        " VALUES ('statistics', gen_random_uuid(), $1, 'dead')",
        desk.tenant_id,
    )

    await desk.tell()

    assert await desk.alerts() == [("events_dead", 1, True), ("notifications_dead", 2, True)]
    assert sorted(await desk.told()) == ["alert_events_dead", "alert_notifications_dead"]

    await desk.dead("webhook")
    await desk.tell()
    assert await desk.alerts() == [("events_dead", 1, True), ("notifications_dead", 3, True)]
    assert len(await desk.told()) == 2

    await desk.truth.execute("DELETE FROM delivery WHERE status = 'dead'")
    await desk.tell()
    assert (await desk.told())[-1] == "alert_over"
    assert await desk.alerts() == [("events_dead", 1, True), ("notifications_dead", 3, False)]


async def test_a_message_about_an_alert_that_dies_raises_no_alert(desk, mail):
    mail.answers_to_rcpt = ["550 5.1.1 no such mailbox"]
    await desk.staff("gone@clinic.example.org")
    await desk.dead("sms")
    await desk.tell()
    await desk.send()

    await desk.live(2 * HOUR)
    await desk.send()

    [row] = await desk.deliveries("email")
    assert (row["status"], row["event_name"]) == ("dead", "StaffAlert")
    assert await desk.alerts() == [("notifications_dead", 1, True)]


async def test_a_webhook_that_qs_switched_off_is_told_with_the_reason(desk):
    endpoint = uuid4()
    await desk.truth.execute(
        "INSERT INTO webhook_endpoint (tenant_id, id, name, url, events, secrets, enabled, disabled_reason, disabled_at)"
        " VALUES ($1, $2, 'x', 'https://x.example.org', '{*}', '', false, 'gone', clock_timestamp())",
        desk.tenant_id,
        endpoint,
    )

    await desk.tell()
    await desk.truth.execute(
        "UPDATE webhook_endpoint SET enabled = true, disabled_reason = NULL, disabled_at = NULL"
    )
    await desk.tell()

    assert await desk.told() == ["alert_webhook_disabled", "alert_over"]
    [first, _] = await desk.deliveries("log")
    assert '"alert_subject": "' + str(endpoint) in first["data"]
    assert "webhook_gone" in first["data"]


async def test_a_flood_of_alerts_is_one_summary_and_the_hour_has_its_limit(desk, settings):
    limit = settings.notification.alerts.per_hour
    plan_id = await desk.plan(**DAILY, alert_after_missed=1)
    for _ in range(limit + 2):
        await desk.enrolled(plan_id)
    await desk.live(HOUR)
    await desk.live(DAY)

    [row] = await desk.truth.fetch("SELECT told_at FROM staff_alert_pace")
    assert (await desk.told()).count("alert_summary") == len(row["told_at"]) == 1
    [summary] = [each for each in await desk.deliveries("log") if each["template"] == "alert_summary"]
    assert f"questionnaires missed in a row: {limit + 2}" in summary["data"]


async def test_a_look_that_fails_half_way_leaves_nothing_behind(desk, monkeypatch):
    await desk.dead()
    await desk.container.alert_watching().look()
    telling = desk.container.alert_telling()

    async def crash(at: str) -> None:
        raise ConnectionError(at)

    async with desk.container.notification_uow()(desk.tenant_id) as uow:
        monkeypatch.setattr(type(uow), "commit", lambda self, at: crash(at))
        with pytest.raises(ConnectionError, match=r"alert\.tell"):
            await telling.tell_due()
        monkeypatch.undo()

    assert await desk.told() == []
    assert await telling.tell_due() == 1
    assert await telling.tell_due() == 0
    assert await desk.told() == ["alert_notifications_dead"]


async def test_old_alerts_are_forgotten(desk):
    await desk.dead()
    await desk.tell()
    await desk.truth.execute("UPDATE delivery SET status = 'skipped' WHERE status = 'dead'")
    await desk.tell()
    await desk.truth.execute(
        "UPDATE staff_alert SET recovered_at = recovered_at - interval '89 days', last_seen_at = last_seen_at"
    )

    assert (await desk.container.retention().run())["alerts"] == 0
    await desk.truth.execute("UPDATE staff_alert SET recovered_at = recovered_at - interval '2 days'")
    assert (await desk.container.retention().run())["alerts"] == 1
