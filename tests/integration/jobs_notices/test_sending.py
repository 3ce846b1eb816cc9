"""Notices on their way: signed, tried again under one id, given up with a reason."""

import asyncio
from datetime import timedelta
from email.utils import parseaddr
from typing import Any, Literal

from msgspec.structs import replace

from qs import making
from qs.application.kernel import crash
from qs.application.scheduler.executors import AttemptOutcome, AttemptStatus
from qs.application.scheduler.job_ports import ClaimedNotice
from qs.application.scheduler.noticing import NoticeSending
from qs.domain.scheduler.notices import NoticeStatus
from qs.settings import Settings
from tests.integration.jobs.nodes import failed
from tests.support.receivers import HANG
from tests.support.waiting import eventually

from .desk import Desk, verified

TIMED_OUT = AttemptOutcome(status=AttemptStatus.TIMED_OUT, code="timeout", error="it took too long")


async def test_a_failure_is_told_by_a_signed_post_that_the_official_library_accepts(desk: Desk):
    job = await desk.job()
    run = await desk.run(job, failed())

    await desk.send()

    [received] = desk.web.received
    [notice] = await desk.notices()
    body = verified(received)
    assert body == received.json
    assert received.headers["webhook-id"] == body["notice_id"] == str(notice["id"])
    told = {name: body[name] for name in ("kind", "job_id", "job_name", "execution_id", "status", "error")}
    assert told == {
        "kind": "failure",
        "job_id": str(job.id),
        "job_name": "tidy",
        "execution_id": str(run.id),
        "status": "failed",
        "error": "it did not work",
    }
    assert body["finished_at"] is not None
    assert (notice["status"], notice["attempts"]) == ("sent", 1)
    assert notice["sent_at"] is not None


async def test_a_failure_is_mailed_in_the_language_of_the_installation(desk: Desk, settings):
    ward, study = "ward@clinic.example.org", "study@clinic.example.org"
    english = await desk.job("tidy", notify={"email": [ward, study]})
    await desk.run(english, failed())
    await desk.send()
    desk.sending = _sending(desk, settings, lang="zh_CN")
    chinese = await desk.job("report", notify={"email": [ward]})
    await desk.run(chinese, failed())
    await desk.send()

    notices = await desk.notices(channel="email")
    ids = {message["Message-ID"].strip("<>").split("@")[0] for message in desk.mail.accepted}
    assert sorted(desk.mail.recipients) == [study, ward, ward]
    assert ids == {str(notice["id"]) for notice in notices}
    assert [(message["Subject"], message["Content-Language"]) for message in desk.mail.accepted] == [
        ("Job tidy failed", "en"),
        ("Job tidy failed", "en"),
        ("任务 report 执行失败", "zh"),
    ]
    first, _, last = (message.get_content() for message in desk.mail.accepted)
    assert "Reason: it did not work" in first
    assert "原因：it did not work" in last
    assert "(Asia/Shanghai)" in first
    assert parseaddr(desk.mail.accepted[0]["From"])[1] == "qs@clinic.example.org"


async def test_a_timeout_is_told_as_one(desk: Desk):
    await desk.run(await desk.job(), TIMED_OUT)

    await desk.send()

    assert [(body.json["kind"], body.json["status"]) for body in desk.web.received] == [
        ("timeout", "timed_out")
    ]


async def test_a_job_that_names_no_webhook_uses_that_of_the_settings(desk: Desk):
    quiet = await desk.job("quiet")
    loud = await desk.job("loud", default_webhook=True, notify={"on": ["success", "failure"]})

    await desk.run(quiet)
    await desk.run(loud)
    await desk.run(loud, failed())
    await desk.send()

    targets = [(body.target, body.json["job_name"], body.json["kind"]) for body in desk.web.received]
    assert sorted(targets) == [
        ("/notifications/default", "loud", "failure"),
        ("/notifications/default", "loud", "success"),
    ]
    # The address may hold a secret, so it stays where it was written.
    assert {notice["address"] for notice in await desk.notices()} == {"scheduler.defaults.webhook"}


async def test_a_receiver_that_is_down_for_a_while_gets_it_under_the_same_id(desk: Desk):
    desk.web.answers = [500, 429, HANG, 200]
    desk.sending._limit = timedelta(milliseconds=300)
    await desk.run(await desk.job(), failed())
    await desk.send()
    [waiting] = await desk.notices()

    await desk.settle()

    [notice] = await desk.notices()
    assert (waiting["status"], waiting["error"]) == ("pending", "HTTP 500")
    assert (notice["status"], notice["attempts"], notice["error"]) == ("sent", 4, None)
    assert {body.headers["webhook-id"] for body in desk.web.received} == {str(notice["id"])}
    assert len({body.body for body in desk.web.received}) == 1
    for received in desk.web.received:
        verified(received)


async def test_a_receiver_that_asks_to_wait_is_heard(desk: Desk):
    desk.web.answers = [b"HTTP/1.1 503 Busy\r\nRetry-After: 7200\r\nContent-Length: 0\r\n\r\n"]
    await desk.run(await desk.job(), failed())
    await desk.send()

    wait = await desk.truth.fetchval("SELECT next_attempt_at - clock_timestamp() FROM job_notice")
    assert timedelta(hours=1, minutes=59) < wait <= timedelta(hours=2)


async def test_what_would_be_refused_again_is_given_up_at_once(desk: Desk):
    refusals = {404: "HTTP 404", 301: "HTTP 301", 410: "HTTP 410: the receiver is gone for good"}
    for answer in refusals:
        desk.web.answers = [answer]
        await desk.run(await desk.job(f"job {answer}"), failed())
        await desk.settle()

    notices = await desk.notices()
    assert [(row["status"], row["attempts"], row["error"]) for row in notices] == [
        ("dead", 1, reason) for reason in refusals.values()
    ]
    assert len(desk.web.received) == 3


async def test_what_may_pass_is_tried_again(desk: Desk):
    for answer in (408, 409, 425, 429, 500):
        desk.web.answers = [answer]
        await desk.run(await desk.job(f"job {answer}"), failed())
        await desk.settle()

    assert [(row["status"], row["attempts"]) for row in await desk.notices()] == [("sent", 2)] * 5


async def test_a_receiver_that_never_recovers_is_given_up_after_two_days(desk: Desk):
    desk.web.answers = [503] * 20
    await desk.run(await desk.job(), failed())

    await desk.settle()

    [notice] = await desk.notices()
    assert (notice["status"], notice["attempts"]) == ("dead", 16)
    assert notice["error"] == "given up after 16 attempts: HTTP 503"


async def test_without_a_secret_nothing_is_sent_and_the_setting_is_named(desk: Desk, settings):
    desk.sending = _sending(desk, settings, secrets=())
    await desk.run(await desk.job(), failed())

    await desk.send()

    [notice] = await desk.notices()
    assert (notice["status"], notice["attempts"]) == ("dead", 1)
    assert "notification.webhook.secrets" in notice["error"]
    assert desk.web.received == []


async def test_without_a_mail_server_nothing_is_mailed_and_the_settings_are_named(desk: Desk, settings):
    desk.sending = _sending(desk, settings, mail=False)
    await desk.run(await desk.job(notify={"email": ["ward@clinic.example.org"]}), failed())

    await desk.send()

    [notice] = await desk.notices()
    assert (notice["status"], notice["error"]) == (
        "dead",
        "no mail server is set up; set smtp.host and smtp.from",
    )


async def test_an_address_that_may_not_be_called_is_given_up(desk: Desk):
    job = await desk.job(notify={"webhook": "http://169.254.169.254/latest/meta-data"})
    await desk.run(job, failed())

    await desk.send()

    [notice] = await desk.notices()
    assert (notice["status"], notice["attempts"]) == ("dead", 1)
    assert "outbound.allow_networks" in notice["error"]


async def test_a_mail_server_that_refuses_for_now_is_tried_again(desk: Desk):
    desk.mail.answers_to_data = ["451 4.3.0 try later"]
    await desk.run(await desk.job(notify={"email": ["ward@clinic.example.org"]}), failed())

    await desk.settle()

    [notice] = await desk.notices()
    assert (notice["status"], notice["attempts"]) == ("sent", 2)
    assert len(desk.mail.accepted) == 1


async def test_a_crash_between_the_sending_and_its_record_sends_again_under_the_same_id(desk: Desk, settings):
    arrived = asyncio.Event()

    async def stop_there(point: str) -> None:
        if point == "notice.after_send":
            arrived.set()
            await asyncio.sleep(3600)

    await desk.run(await desk.job(), failed())
    with crash.armed(stop_there):
        assert await desk.sending.send_due()
        await asyncio.wait_for(arrived.wait(), 30)
        # The process is gone.
        await desk.sending.drain(timedelta(0))
    [held] = await desk.notices()
    survivor = desk.sending = _sending(desk, settings)
    assert not await survivor.send_due(), "the lease of the one that died still holds"

    await desk.let_pass(timedelta(hours=1))
    await desk.send()

    [notice] = await desk.notices()
    assert (held["status"], held["attempts"]) == ("pending", 1)
    assert (notice["status"], notice["attempts"]) == ("sent", 2)
    first, second = desk.web.received
    assert verified(first) == verified(second)
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == str(notice["id"])


async def test_a_sender_that_slept_past_its_lease_records_nothing(desk: Desk):
    await desk.run(await desk.job(), failed())
    uow = desk.container.job_uow()
    tenant = (await desk.notices())[0]["tenant_id"]
    claims: list[ClaimedNotice] = []
    for _ in range(2):
        async with uow(tenant) as unit:
            claims += await unit.notices.claim(1, timedelta(0))
            await unit.commit("test.claim")

    async with uow(tenant) as unit:
        late = await unit.notices.settle(claims[0], NoticeStatus.DEAD, "I was away", None)
        await unit.commit("test.settle")

    [notice] = await desk.notices()
    assert not late
    assert (notice["status"], notice["attempts"], notice["error"]) == ("pending", 2, None)


async def test_many_senders_send_each_notice_once(desk: Desk, settings):
    jobs = [await desk.job(f"job {number}") for number in range(15)]
    for job in jobs:
        await desk.run(job, failed())
    senders = [_sending(desk, settings) for _ in range(4)]

    async def work(sender: NoticeSending) -> None:
        while await sender.send_due():
            await sender.idle()

    await asyncio.gather(*map(work, senders))

    ids = [received.headers["webhook-id"] for received in desk.web.received]
    assert len(ids) == len(set(ids)) == 15
    assert {notice["status"] for notice in await desk.notices()} == {"sent"}


async def test_a_receiver_that_hangs_keeps_nobody_else_waiting(desk: Desk):
    desk.web.answers = [HANG]
    await desk.run(await desk.job("slow"), failed())
    assert await desk.sending.send_due()

    async def reached() -> bool:
        return len(desk.web.received) == 1

    await eventually(reached)
    await desk.run(await desk.job("quick"), failed())
    assert await desk.sending.send_due()

    async def quick_is_sent() -> bool:
        return [notice["status"] for notice in await desk.notices()].count("sent") == 1

    await eventually(quick_is_sent)


def _sending(
    desk: Desk,
    settings: Settings,
    *,
    lang: Literal["en", "zh_CN"] = "en",
    secrets: tuple[str, ...] | None = None,
    mail: bool = True,
) -> NoticeSending:
    """Another process's sender, perhaps with other settings."""
    webhook = settings.notification.webhook
    if secrets is not None:
        webhook = replace(webhook, secrets=secrets)
    smtp = settings.smtp if mail else replace(settings.smtp, host=None)
    changed = replace(
        settings, lang=lang, smtp=smtp, notification=replace(settings.notification, webhook=webhook)
    )
    container: Any = desk.container
    return making.make_notice_sending(
        changed,
        container.engine(),
        container.job_uow(),
        container.guarded_http(),
        making.make_mailer(changed),
        container.job_meter(),
    )
