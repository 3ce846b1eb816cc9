"""When people are told and when not: reminders, the night, wishes, a day's measure, several at once, a rate."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest
from sqlalchemy.exc import DBAPIError

from qs.application.plan.keeping import Profile
from qs.domain.kernel.zones import zone
from qs.domain.plan.plan import ResumePolicy
from qs.domain.plan.testee import Contact, Guardian, OptOut
from tests.support.clock import advance_to, business_now
from tests.support.notifying import ACTOR, Clinic, mailbox
from tests.support.waiting import eventually

SHANGHAI = zone("Asia/Shanghai")
ANNA = "anna@example.org"


def ruled(**rules: Any) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("rules", [rules], ids=[" ".join(rules)])


@pytest.fixture
def rules() -> dict[str, Any]:
    return {}


@pytest.fixture
def settings(settings, rules):
    notification = msgspec.structs.replace(
        settings.notification, **({"channels": ("webhook", "email")} | rules)
    )
    return msgspec.structs.replace(settings, notification=notification)


@pytest.fixture
def later(clinic) -> Callable[..., Any]:
    """Moves business time on, by a length or to the next time of day in Shanghai."""

    async def move(to: time | None = None, **length: float) -> datetime:
        engine = clinic.container.engine()
        now = await business_now(engine)
        instant = now + timedelta(**length)
        if to is not None:
            instant = datetime.combine(now.astimezone(SHANGHAI).date() + timedelta(days=1), to, SHANGHAI)
        await advance_to(engine, instant.astimezone(UTC))
        return instant.astimezone(UTC)

    return move


async def ledger(clinic: Clinic, channel: str | None = "email") -> list[tuple[str, str, str | None]]:
    rows = await clinic.deliveries(channel)
    return [(row["occasion"], row["status"], row["reason"]) for row in rows]


async def opted_out(clinic: Clinic, testee_id: UUID, *wishes: OptOut, **fields: Any) -> None:
    profile = Profile(contacts=(mailbox(ANNA),), opt_outs=wishes, **fields)
    await clinic.container.testee_keeping().replace(clinic.tenant_id, testee_id, profile, actor=ACTOR)


async def test_reminders_go_out_when_they_fall_with_the_link_as_it_is_then(clinic, mail, later):
    plan_id = await clinic.plan(reminders=[{"after": "2d"}, {"before_expiry": "24h"}, {"after": "6d12h"}])
    task_id = await clinic.opened(await clinic.testee([mailbox(ANNA)]), plan_id)
    await clinic.announce()
    await clinic.send()
    assert [message["Subject"] for message in mail.accepted] == ["A questionnaire is ready for you"]
    assert "(7 days left)" in mail.accepted[0].get_content()
    assert await ledger(clinic) == [
        ("", "sent", None),
        ("after:2d", "queued", None),
        ("before_expiry:1d", "queued", None),
        ("after:156h", "queued", None),
    ]

    await clinic.container.task_operating().reissue(clinic.tenant_id, task_id, actor=ACTOR)
    await later(days=2, minutes=1)
    await clinic.send()

    [reminder] = mail.accepted[1:]
    assert reminder["Subject"] == "A questionnaire is waiting for you"
    assert await clinic.link(task_id) in reminder.get_content()
    assert "(5 days left)" in reminder.get_content()

    await clinic.container.task_operating().complete(clinic.tenant_id, task_id, "a-1", actor=ACTOR)
    await clinic.announce()

    assert await ledger(clinic) == [
        ("", "sent", None),
        ("after:2d", "sent", None),
        ("before_expiry:1d", "skipped", "task_not_open"),
        ("after:156h", "skipped", "task_not_open"),
        ("", "skipped", "task_not_open"),
    ]
    explained = await clinic.container.plan_reading().explain(clinic.tenant_id, task_id)
    assert [fact.fact for fact in explained.facts if "remind" in fact.fact] == ["reminded"] * 2


async def test_a_pause_keeps_reminders_back_and_nothing_is_made_up_for_afterwards(clinic, mail, later):
    plan_id = await clinic.plan(reminders=[{"after": "1d"}, {"after": "3d"}])
    await clinic.opened(await clinic.testee([mailbox(ANNA)]), plan_id)
    await clinic.announce()
    steering = clinic.container.plan_steering()
    await steering.pause(clinic.tenant_id, plan_id, actor=ACTOR)
    await later(days=1, minutes=1)
    await clinic.send()
    await steering.resume(clinic.tenant_id, plan_id, ResumePolicy.KEEP, actor=ACTOR)
    await later(days=2)

    await clinic.send()

    assert await ledger(clinic) == [
        ("", "sent", None),
        ("after:1d", "skipped", "paused"),
        ("after:3d", "sent", None),
    ]
    assert len(mail.accepted) == 2


@ruled(quiet_hours="21:00-08:00")
async def test_what_is_opened_at_night_is_told_in_the_morning_and_costs_no_attempt(clinic, mail, later):
    night = await later(to=time(22, 30))
    await clinic.opened(await clinic.testee([mailbox(ANNA)]))
    await clinic.opened(await clinic.testee([mailbox("ben@example.org")], timezone="Europe/Berlin"))
    await clinic.announce()

    await clinic.send()

    assert mail.recipients == ["ben@example.org"]
    [held] = [row for row in await clinic.deliveries("email") if row["status"] == "queued"]
    assert (held["attempts"], held["epoch"]) == (0, 0)
    assert held["not_before"] == night + timedelta(hours=9, minutes=30)
    await later(hours=9, minutes=31)
    await clinic.send()
    assert mail.recipients == ["ben@example.org", ANNA]


async def test_an_opt_out_that_is_committed_before_the_sending_begins_stops_it(clinic, mail, database_url):
    testee_id = await clinic.testee([mailbox(ANNA)])
    await clinic.opened(testee_id)
    await clinic.announce()
    other = await asyncpg.connect(database_url)
    wish = other.transaction()
    await wish.start()
    await other.execute(
        'UPDATE testee SET opt_outs = \'[{"channel": "email", "plan_id": null}]\' WHERE id = $1', testee_id
    )

    sending = asyncio.create_task(clinic.container.sending()["email"].send_due())
    await eventually(lambda: _waits(clinic))
    await wish.commit()
    await sending
    await other.close()

    assert mail.accepted == []
    assert await ledger(clinic) == [("", "skipped", "opted_out")]


async def test_a_sender_that_loses_the_database_while_it_composes_has_not_tried(clinic, mail, database_url):
    testee_id = await clinic.testee([mailbox(ANNA)])
    await clinic.opened(testee_id)
    await clinic.announce()
    other = await asyncpg.connect(database_url)
    wish = other.transaction()
    await wish.start()
    await other.execute("SELECT FROM testee WHERE id = $1 FOR UPDATE", testee_id)
    sending = asyncio.create_task(clinic.container.sending()["email"].send_due())
    await eventually(lambda: _waits(clinic))

    await other.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        " AND datname = current_database()"
    )
    with pytest.raises(DBAPIError):
        await sending
    await wish.rollback()
    await other.close()

    [row] = await clinic.deliveries("email")
    assert (row["status"], row["attempts"]) == ("queued", 0)
    await clinic.send()
    [row] = await clinic.deliveries("email")
    assert (row["status"], row["attempts"]) == ("sent", 1)
    assert await clinic.attempts(row["id"]) == ["sent"]


async def _waits(clinic: Clinic) -> bool:
    found = await clinic.truth.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        " AND query LIKE '%FROM testee%'"
    )
    return bool(found)


async def test_a_testee_who_has_got_a_mailbox_is_reminded_instead_of_the_guardian(clinic, mail, later):
    plan_id = await clinic.plan(reminders=[{"after": "1d"}])
    guardian = Guardian("Eva", (mailbox("eva@example.org"),))
    testee_id = await clinic.testee(guardians=[guardian])
    await clinic.opened(testee_id, plan_id)
    await clinic.announce()
    await clinic.send()
    await opted_out(clinic, testee_id, guardians=(guardian,))
    await later(days=1, minutes=1)

    await clinic.send()

    assert mail.recipients == ["eva@example.org", ANNA]
    rows = [
        (row["recipient"].split(":")[0], row["occasion"], row["template"], row["reason"])
        for row in await clinic.deliveries("email")
    ]
    assert rows == [
        ("guardian", "", "task_opened_guardian", None),
        ("guardian", "after:1d", "task_reminder_guardian", "recipient_changed"),
        ("testee", "after:1d", "task_reminder", None),
    ]


@ruled(max_per_day=1)
async def test_beyond_a_days_measure_openings_wait_for_the_next_and_reminders_are_left_out(
    clinic, mail, later
):
    await later(to=time(9))
    testee_id = await clinic.testee([mailbox(ANNA), mailbox("anna@work.example.org")])
    await clinic.opened(testee_id, await clinic.plan(reminders=[{"after": "2h"}]))
    await clinic.opened(testee_id)
    await clinic.announce()
    await clinic.send()
    assert sorted(mail.recipients) == [ANNA, "anna@work.example.org"]

    await later(hours=3)
    await clinic.send()
    assert len(mail.accepted) == 2
    await later(hours=13)
    await clinic.send()

    assert len(mail.accepted) == 4
    assert sorted(await ledger(clinic)) == [
        *[("", "sent", None)] * 4,
        *[("after:2h", "skipped", "capped")] * 2,
    ]


@ruled(digest=True)
async def test_openings_of_one_minute_are_one_message_under_one_id_at_every_attempt(clinic, web, mail, later):
    testee_id = await clinic.testee([Contact("email", ANNA)])
    tasks = [await clinic.opened(testee_id) for _ in range(3)]
    other = await clinic.opened(await clinic.testee())
    await clinic.announce()
    assert await clinic.send_once() == 0, "the minute is not over"
    await later(minutes=1)
    web.answers = [500, 500]

    await asyncio.gather(clinic.send_once(), clinic.send_once())
    late = await clinic.opened(testee_id)
    await clinic.announce()
    await later(minutes=2)
    await eventually(lambda: _nothing_is_left(clinic))

    together = [each.json for each in web.received if "links" in each.json]
    assert {each["notification_id"] for each in together} == {together[0]["notification_id"]}
    assert {link["task_id"] for link in together[-1]["links"]} == {str(task) for task in tasks}
    assert all(link["link"] in together[-1]["text"] for link in together[-1]["links"])
    [message] = [each for each in mail.accepted if each["Subject"] == "Questionnaires are ready for you"]
    assert {await clinic.link(task) for task in tasks} <= set(message.get_content().split())
    rows = {row["task_id"]: row for row in await clinic.deliveries("webhook")}
    assert {str(rows[task]["digest_id"]) for task in tasks} == {together[0]["notification_id"]}
    assert {rows[task]["status"] for task in (*tasks, other, late)} == {"sent"}
    assert rows[late]["digest_id"] == rows[late]["id"]


@ruled(rate="60/1m", channels=("webhook",))
async def test_what_waited_goes_out_no_faster_than_the_rate(clinic, web):
    plan_id = await clinic.plan()
    for _ in range(6):
        await clinic.opened(await clinic.testee(), plan_id)
    await clinic.announce()
    began = asyncio.get_running_loop().time()

    await asyncio.gather(clinic.send(), clinic.send(), clinic.send())

    took = asyncio.get_running_loop().time() - began
    assert len(web.received) <= 1 + took
    assert len(web.received) >= 1
    left = [row for row in await clinic.deliveries() if row["status"] == "queued"]
    assert {(row["attempts"], row["lease_until"]) for row in left} <= {(0, None)}


@ruled(max_attempts=2, channels=("email",))
async def test_a_message_that_cannot_be_composed_is_an_attempt_of_its_own_and_holds_nobody_up(clinic, mail):
    await clinic.opened(await clinic.testee([mailbox("broken@example.org")]))
    [broken] = await clinic.truth.fetch("SELECT id FROM testee")
    await clinic.opened(await clinic.testee([mailbox(ANNA)]))
    await clinic.announce()
    await clinic.truth.execute("UPDATE testee SET personal = '\\x00' WHERE id = $1", broken["id"])

    await eventually(lambda: _nothing_is_left(clinic))

    assert mail.recipients == [ANNA]
    rows = {row["testee_id"]: row for row in await clinic.deliveries("email")}
    assert (rows[broken["id"]]["status"], rows[broken["id"]]["reason"]) == ("dead", "attempts_exhausted")
    assert await clinic.attempts(rows[broken["id"]]["id"]) == ["temporary"] * 2


async def _nothing_is_left(clinic: Clinic) -> bool:
    await clinic.send()
    return all(row["settled_at"] for row in await clinic.deliveries())
