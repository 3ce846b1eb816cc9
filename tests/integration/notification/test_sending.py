"""From the ledger to people: tried until it works or never will, and stopped when it should not."""

import asyncio
import email.policy
from datetime import timedelta

import pytest

from qs.application.notification.ports import DeliveryAbsent, DeliveryFilter, Settlement
from qs.application.notification.reading import DeliveryNotDead
from qs.application.plan.keeping import Profile
from qs.domain.notification.delivery import DeliveryStatus
from qs.domain.plan.testee import Guardian, OptOut
from tests.support.notifying import ACTOR, Clinic, mailbox
from tests.support.receivers import HANG


async def _settled(clinic: Clinic) -> None:
    """Lets time pass until nothing is queued."""
    async with asyncio.timeout(60):
        while await clinic.truth.fetchval(
            "SELECT count(*) FROM delivery WHERE status IN ('queued', 'sending')"
        ):
            await clinic.send()
            await asyncio.sleep(0.005)


async def test_the_link_reaches_the_testee_over_every_channel(clinic, mail, web):
    task_id = await clinic.opened(
        await clinic.testee([mailbox("anna@example.org")], name="安娜", locale="zh")
    )
    await clinic.announce()

    await clinic.send()

    link = await clinic.link(task_id)
    [message] = mail.accepted
    [received] = web.received
    assert mail.recipients == ["anna@example.org"]
    assert message.get_content().startswith("安娜，您好：")
    assert link in message.get_content()
    assert received.json["link"] == link
    assert {row["status"] for row in await clinic.deliveries()} == {"sent"}
    [row] = await clinic.deliveries("webhook")
    assert received.json["notification_id"] == str(row["id"])
    assert received.json["event_id"] == str(row["event_id"])
    assert message["Message-ID"].startswith(f"<{(await clinic.deliveries('email'))[0]['id']}@")


async def test_a_guardian_is_greeted_by_name(clinic, mail):
    await clinic.opened(
        await clinic.testee(guardians=[Guardian("Eva", (mailbox("eva@example.org"),))], name="Tom")
    )
    await clinic.announce()

    await clinic.send()

    [message] = mail.accepted
    assert message.get_content().startswith("Hello Eva,")
    assert "Tom" not in message.as_string(policy=email.policy.SMTP)


async def test_staff_read_which_task_expired_and_no_link(clinic, mail):
    await clinic.staff("desk@clinic.example.org")
    task_id = await clinic.opened(await clinic.testee())
    await clinic.container.task_operating().expire(clinic.tenant_id, task_id, actor=ACTOR)
    await clinic.announce()

    await clinic.send()

    [message] = mail.accepted
    assert mail.recipients == ["desk@clinic.example.org"]
    assert str(task_id) in message.get_content()
    assert "token" not in message.get_content()
    assert "PHQ" not in message.get_content()


async def test_a_webhook_that_answers_500_is_tried_again_under_the_same_id(clinic, web):
    web.answers = [500, 503, 200]
    await clinic.opened(await clinic.testee())
    await clinic.announce()

    await _settled(clinic)

    [row] = await clinic.deliveries("webhook")
    assert (row["status"], row["attempts"]) == ("sent", 3)
    assert await clinic.attempts(row["id"]) == ["temporary", "temporary", "sent"]
    assert {received.headers["webhook-id"] for received in web.received} == {str(row["id"])}


async def test_a_mail_server_down_and_up_again_gets_the_mail_then(clinic, mail):
    await mail.stop()
    await clinic.opened(await clinic.testee([mailbox("anna@example.org")]))
    await clinic.announce()
    await clinic.send_once()
    [row] = await clinic.deliveries("email")
    assert (row["status"], row["attempts"]) == ("queued", 1)

    await mail.start()
    await _settled(clinic)

    assert len(mail.accepted) == 1
    assert (await clinic.deliveries("email"))[0]["status"] == "sent"


async def test_a_refused_recipient_is_dead_at_once(clinic, mail):
    mail.answers_to_rcpt = ["550 5.1.1 <anna@example.org> unknown"]
    await clinic.opened(await clinic.testee([mailbox("anna@example.org")]))
    await clinic.announce()

    await _settled(clinic)

    [row] = await clinic.deliveries("email")
    assert (row["status"], row["reason"], row["attempts"]) == ("dead", "permanent_failure", 1)
    assert await clinic.attempts(row["id"]) == ["permanent"]


async def test_a_receiver_that_never_recovers_is_given_up(clinic, web):
    web.answers = [500] * 10
    await clinic.opened(await clinic.testee())
    await clinic.announce()

    await _settled(clinic)

    [row] = await clinic.deliveries("webhook")
    assert (row["status"], row["reason"], row["attempts"]) == ("dead", "attempts_exhausted", 4)
    assert len(web.received) == 4


async def test_a_dead_delivery_can_be_sent_anew(clinic, web):
    web.answers = [404]
    await clinic.opened(await clinic.testee())
    await clinic.announce()
    await _settled(clinic)
    [row] = await clinic.deliveries("webhook")
    replay = clinic.container.notification_replay()

    await replay.replay(clinic.tenant_id, row["id"], actor=ACTOR)
    await _settled(clinic)

    [row] = await clinic.deliveries("webhook")
    assert (row["status"], row["attempts"]) == ("sent", 1)
    history = await clinic.container.notification_reading().show(clinic.tenant_id, row["id"])
    assert [(each.number, each.outcome) for each in history.attempts] == [(1, "permanent"), (2, "sent")]
    with pytest.raises(DeliveryNotDead):
        await replay.replay(clinic.tenant_id, row["id"], actor=ACTOR)
    with pytest.raises(DeliveryAbsent):
        await replay.replay(clinic.tenant_id, row["event_id"], actor=ACTOR)


@pytest.mark.parametrize("everywhere", [True, False])
async def test_an_opt_out_is_honoured_when_sending(clinic, mail, web, everywhere):
    plan_id = await clinic.plan()
    testee_id = await clinic.testee([mailbox("anna@example.org")])
    await clinic.opened(testee_id, plan_id)
    await clinic.announce()
    opted_out = Profile(
        contacts=(mailbox("anna@example.org"),), opt_outs=(OptOut("email", None if everywhere else plan_id),)
    )
    await clinic.container.testee_keeping().replace(clinic.tenant_id, testee_id, opted_out, actor=ACTOR)

    await clinic.send()

    assert mail.accepted == []
    [row] = await clinic.deliveries("email")
    assert (row["status"], row["reason"]) == ("skipped", "opted_out")
    assert len(web.received) == 1


async def test_an_opt_out_of_another_plan_does_not_count(clinic, mail):
    other = await clinic.plan(name="Other")
    testee_id = await clinic.testee([mailbox("anna@example.org")], opt_outs=[OptOut("email", other)])
    await clinic.opened(testee_id)
    await clinic.announce()

    await clinic.send()

    assert len(mail.accepted) == 1


async def test_nothing_is_sent_about_a_task_that_is_not_open_any_more(clinic, mail, web):
    task_id = await clinic.opened(await clinic.testee([mailbox("anna@example.org")]))
    await clinic.announce()
    await clinic.container.task_operating().cancel(clinic.tenant_id, task_id, reason="withdrawn", actor=ACTOR)

    await clinic.send()

    assert (mail.accepted, web.received) == ([], [])
    assert {(row["status"], row["reason"]) for row in await clinic.deliveries()} == {
        ("skipped", "task_not_open")
    }


async def test_an_erased_testee_gets_nothing(clinic, mail, web):
    plan_id = await clinic.plan(notify_on_expiry="testee")
    testee_id = await clinic.testee([mailbox("anna@example.org")])
    task_id = await clinic.opened(testee_id, plan_id)
    await clinic.container.task_operating().expire(clinic.tenant_id, task_id, actor=ACTOR)
    await clinic.announce()
    await clinic.container.testee_keeping().erase(clinic.tenant_id, testee_id, actor=ACTOR)

    await clinic.send()

    assert (mail.accepted, web.received) == ([], [])
    assert {row["reason"] for row in await clinic.deliveries()} <= {"erased", "task_not_open"}


async def test_a_reissued_link_is_sent_and_is_the_new_one(clinic, web):
    task_id = await clinic.opened(await clinic.testee())
    before = await clinic.link(task_id)
    await clinic.container.task_operating().reissue(clinic.tenant_id, task_id, actor=ACTOR)
    await clinic.announce()

    await clinic.send()

    links = [received.json["link"] for received in web.received]
    assert links == [await clinic.link(task_id)] * 2
    assert before not in links


async def test_a_sender_that_died_leaves_its_delivery_to_the_next_under_the_same_id(clinic, web):
    web.answers = [HANG]
    await clinic.opened(await clinic.testee())
    await clinic.announce()
    sending = asyncio.create_task(clinic.container.sending()["webhook"].send_due())
    async with asyncio.timeout(60):
        while not web.received:
            await asyncio.sleep(0.005)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    await clinic.send()
    assert len(web.received) == 1, "the lease of the one that died still holds"

    await clinic.truth.execute("UPDATE delivery SET lease_until = now(), next_attempt_at = now()")
    await _settled(clinic)

    [row] = await clinic.deliveries("webhook")
    assert await clinic.attempts(row["id"]) == ["unknown", "sent"]
    assert {received.headers["webhook-id"] for received in web.received} == {str(row["id"])}
    assert len(web.received) == 2


async def test_a_sender_whose_lease_ran_out_does_not_overwrite_the_next(clinic, web):
    await clinic.opened(await clinic.testee())
    await clinic.announce()
    uow = clinic.container.notification_uow()
    async with uow(clinic.tenant_id) as first:
        [[waiting]] = await first.deliveries.due("webhook", 1, digest=False)
        slow = (await first.deliveries.begin({waiting.id: None}, timedelta(0)))[waiting.id]
        await first.commit("test")
    async with uow(clinic.tenant_id) as second:
        [[interrupted]] = await second.deliveries.due("webhook", 1, digest=False)
        await second.deliveries.begin({interrupted.id: None}, timedelta(minutes=1))
        await second.commit("test")
    assert await clinic.attempts(slow.id) == ["unknown"]

    async with uow(clinic.tenant_id) as late:
        ours = await late.deliveries.settle([Settlement(slow, DeliveryStatus.DEAD, "permanent_failure")])
        await late.commit("test")

    assert not ours
    [row] = await clinic.deliveries("webhook")
    assert (row["status"], row["epoch"]) == ("sending", 2)


async def test_two_senders_at_once_send_each_delivery_once(clinic, web):
    plan_id = await clinic.plan()
    for _ in range(30):
        await clinic.opened(await clinic.testee(), plan_id)
    await clinic.announce()

    async def send() -> None:
        while await clinic.container.sending()["webhook"].send_due():
            pass

    await asyncio.gather(send(), send(), send())

    ids = [received.headers["webhook-id"] for received in web.received]
    assert len(ids) == len(set(ids)) == 30


async def test_a_slow_channel_keeps_no_other_waiting(clinic, mail, web):
    web.answers = [HANG] * 10
    await clinic.opened(await clinic.testee([mailbox("anna@example.org")]))
    await clinic.announce()
    stuck = asyncio.create_task(clinic.container.sending()["webhook"].send_due())

    await clinic.container.sending()["email"].send_due()

    assert len(mail.accepted) == 1
    assert not stuck.done()
    stuck.cancel()
    await asyncio.gather(stuck, return_exceptions=True)


async def test_the_ledger_is_read_newest_first_and_by_filter(clinic):
    first = await clinic.opened(await clinic.testee([mailbox("anna@example.org")]))
    second = await clinic.opened(await clinic.testee([mailbox("eva@example.org")]))
    await clinic.announce()
    reading = clinic.container.notification_reading()

    page = await reading.list(clinic.tenant_id, DeliveryFilter(), limit=4)
    rest = await reading.list(clinic.tenant_id, DeliveryFilter(), before=page.before, limit=4)
    mails = await reading.list(clinic.tenant_id, DeliveryFilter(task_id=second, channel="email"))

    seen = [each.id for each in (*page.deliveries, *rest.deliveries)]
    assert seen == sorted(seen, reverse=True)
    assert len(seen) == 6
    assert rest.before is None
    assert [each.task_id for each in mails.deliveries] == [second]
    assert first != second
    assert (await reading.list(clinic.tenant_id, DeliveryFilter(status=DeliveryStatus.DEAD))).deliveries == []


async def test_a_link_that_has_run_out_is_not_sent_although_no_sweep_has_run(clinic, web):
    await clinic.opened(await clinic.testee())
    await clinic.announce()
    await clinic.truth.execute("UPDATE business_clock SET clock_offset = interval '8 days'")

    await clinic.send()

    assert web.received == []
    [row] = await clinic.deliveries("webhook")
    assert (row["status"], row["reason"]) == ("skipped", "task_not_open")
