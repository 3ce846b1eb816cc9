"""What becomes of messages after they were handed over: mails that come back, receipts of text messages."""

import asyncio
import hashlib
import hmac
import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from qs.domain.plan.testee import Contact
from qs.settings.sections import SmsReceiptSettings, SmsSettings
from tests.support.command_line import called
from tests.support.http import app_over, serving
from tests.support.notifying import Clinic, mailbox
from tests.unit.domain.test_bounces import a_notification

SECRET = "receipts-0123456789-abcdef"
TAKEN = b'{"code": "OK", "id": "m-1"}'
BOUNCES = "/api/v1/notifications/bounces"
RECEIPTS = "/api/v1/notifications/receipts/sms"
MAIL = {"Content-Type": "message/rfc822"}


@pytest.fixture
def receipts():
    return SmsReceiptSettings(secret=SECRET, delivered=("DELIVRD",), failed=("UNDELIV", "EXPIRED"))


@pytest.fixture
def settings(settings, web, receipts):
    web.body = TAKEN
    sms = SmsSettings(
        url=web.url,
        body='{"to": "{to}", "text": "{text}", "ref": "{id}"}',
        code="/code",
        accepted=("OK",),
        id="/id",
        receipts=receipts,
    )
    notification = msgspec.structs.replace(
        settings.notification, sms=sms, channels=("email", "sms"), unsubscribe_url="https://qs.example.org/u"
    )
    return msgspec.structs.replace(settings, notification=notification)


@pytest.fixture
async def stranger(container):
    async with serving(app_over(container)) as client:
        yield client


@pytest.fixture
async def token(container):
    issued = await container.token_issuing().issue(
        Clinic.tenant_id, ["notifications:write", "notifications:read"], timedelta(hours=1), actor="test"
    )
    return {"Authorization": f"Bearer {issued.token}"}


@pytest.fixture
async def sent(clinic):
    """The delivery of a mail and that of a text message, both sent."""
    contacts = [mailbox("anna@example.org"), Contact("sms", "+8613800138000")]
    await clinic.opened(await clinic.testee(contacts))
    await clinic.announce()
    await clinic.send()
    deliveries = {row["channel"]: row for row in await clinic.deliveries()}
    assert {row["status"] for row in deliveries.values()} == {"sent"}
    return deliveries


@pytest.fixture
def state(truth):
    async def state(delivery):
        query = (
            "SELECT d.status, d.reason, a.outcome, a.answer FROM delivery d JOIN delivery_attempt a"
            " ON a.delivery_id = d.id AND a.number = d.epoch WHERE d.id = $1"
        )
        return tuple(await truth.fetchrow(query, delivery["id"]))

    return state


@pytest.fixture
def audited(truth):
    async def audited():
        rows = await truth.fetch(
            "SELECT action, actor FROM audit WHERE action LIKE 'notification.%' ORDER BY id"
        )
        return [(row["action"], row["actor"]) for row in rows]

    return audited


def bounce_of(mail: Any, **fields: Any) -> Any:
    return a_notification(message_id=mail["Message-ID"], **fields)


async def test_a_mail_says_how_to_stop_it_and_a_text_message_is_short(stranger, truth, sent, mail, web):
    [message] = mail.accepted
    raw = dict(message.raw_items())["List-Unsubscribe"]

    assert raw.startswith("<https://qs.example.org/u/")
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    text = web.received[0].json["text"]
    assert text.startswith("A questionnaire is ready for you (7 days left): http")
    assert web.received[0].json["ref"] == str(sent["sms"]["id"])
    stopped = await stranger.post(f"/unsubscribe/{raw.partition('>')[0].rpartition('/')[2]}")
    assert stopped.status_code == 200
    wish = {"channel": "email", "plan_id": str(sent["email"]["plan_id"])}
    assert json.loads(await truth.fetchval("SELECT opt_outs FROM testee")) == [wish]


async def test_a_mail_that_came_back_is_given_up_once_and_told_of(
    stranger, token, sent, mail, state, audited
):
    bounce = bounce_of(mail.accepted[0])

    answers = [
        await stranger.post(BOUNCES, content=bounce, headers=MAIL | token),
        *await asyncio.gather(
            *(stranger.post(BOUNCES, content=bounce, headers=MAIL | token) for _ in range(3))
        ),
    ]

    assert {answer.status_code for answer in answers} == {200}
    view = answers[0].json()["data"]
    assert (view["id"], view["status"], view["reason"]) == (str(sent["email"]["id"]), "dead", "bounced")
    status, reason, outcome, answer = await state(sent["email"])
    assert (status, reason, outcome) == ("dead", "bounced", "permanent")
    assert answer.endswith("; bounced 5.1.1")
    assert "anna" not in answer
    assert [action for action, _ in await audited()] == ["notification.bounced"]


async def test_a_mail_about_several_questionnaires_that_came_back_ends_them_all(
    stranger, token, clinic, truth, mail
):
    testee = await clinic.testee([mailbox("anna@example.org")])
    for _ in range(2):
        await clinic.opened(testee, await clinic.plan())
    await clinic.announce()
    await clinic.send()
    first, second = (row["id"] for row in await clinic.deliveries("email"))
    await truth.execute("UPDATE delivery SET digest_id = $1 WHERE channel = 'email'", first)

    # By the id of either: what its receiver has is that of the first.
    answer = await stranger.post(BOUNCES, json={"notification_id": str(second)}, headers=token)

    assert answer.json()["data"]["id"] == str(first)
    assert [row["reason"] for row in await clinic.deliveries("email")] == ["bounced", "bounced"]


async def test_a_mail_that_is_late_is_not_given_up(stranger, token, sent, mail, state, audited):
    late = bounce_of(mail.accepted[0], action="delayed", status="4.4.1")

    answer = await stranger.post(BOUNCES, content=late, headers=MAIL | token)

    assert answer.status_code == 200
    assert (await state(sent["email"]))[:3] == ("sent", None, "sent")
    assert await audited() == []


async def test_a_mail_that_came_back_can_be_sent_anew_and_an_old_bounce_does_not_end_that(
    stranger, token, sent, clinic, mail, state
):
    path = f"/api/v1/notifications/{sent['email']['id']}"
    told = await stranger.post(BOUNCES, json={"notification_id": str(sent["email"]["id"])}, headers=token)
    await stranger.post(f"{path}/replay", headers=token)

    queued = await stranger.post(BOUNCES, content=bounce_of(mail.accepted[0]), headers=MAIL | token)
    await clinic.send()

    assert told.json()["data"]["reason"] == "bounced"
    assert queued.json()["data"]["status"] == "queued"
    assert (await state(sent["email"]))[:3] == ("sent", None, "sent")
    assert len(mail.accepted) == 2


async def test_a_bounce_of_another_tenant_or_of_nothing_is_absent(
    stranger, token, sent, mail, container, state
):
    other = await container.tenant_administration().create("other", "Other", "UTC", actor="test")
    issued = await container.token_issuing().issue(
        other.id, ["notifications:write"], timedelta(hours=1), actor="test"
    )
    theirs = {"Authorization": f"Bearer {issued.token}"}
    bounce = bounce_of(mail.accepted[0])

    foreign = await stranger.post(BOUNCES, content=bounce, headers=MAIL | theirs)
    absent = await stranger.post(BOUNCES, content=a_notification(), headers=MAIL | theirs)
    not_a_mail = await stranger.post(BOUNCES, json={"notification_id": str(sent["sms"]["id"])}, headers=token)
    junk = await stranger.post(BOUNCES, content=b"Subject: hello\r\n\r\nhi", headers=MAIL | token)
    text = await stranger.post(BOUNCES, content=b"x", headers={"Content-Type": "text/plain"} | token)

    assert (foreign.status_code, absent.status_code, not_a_mail.status_code) == (404, 404, 404)
    assert foreign.json()["detail"] == absent.json()["detail"]
    assert (junk.status_code, text.status_code) == (422, 415)
    assert (await state(sent["email"]))[0] == "sent"


async def test_at_the_terminal_a_mail_of_any_tenant_came_back_and_the_doctor_sees_who_is_gone(
    settings, sent, mail, truth, state
):
    given = {
        "QS_ENV": "test",
        "QS_HOME": str(settings.home),
        "QS_SECRET_KEY": settings.secret_key,
        "QS_DATABASE_URL": settings.database.url,
        "QS_REDIS_URL": settings.redis.url,
    }

    def qs(*words: str, stdin: str = "") -> Any:
        return asyncio.to_thread(called, given, *words, stdin=stdin)

    bounced = await qs("notifications", "bounce", "--json", stdin=bounce_of(mail.accepted[0]).decode())
    junk = await qs("notifications", "bounce", "-", stdin="Subject: hello\n\nhi")
    await truth.execute("UPDATE delivery SET status = 'dead', reason = 'gone' WHERE channel = 'sms'")
    doctor = await qs("doctor", "--json")

    assert bounced.returncode == 0, bounced.stderr
    assert json.loads(bounced.stdout)["id"] == str(sent["email"]["id"])
    assert (await state(sent["email"]))[:2] == ("dead", "bounced")
    assert junk.returncode == 1
    assert "delivery status notification" in junk.stderr
    [finding] = [each for each in json.loads(doctor.stdout)["findings"] if each["subject"] == "channel sms"]
    assert (finding["code"], "410" in finding["what"]) == ("channel.gone", True)
    assert "notification.sms.url" in finding["todo"]


@pytest.mark.parametrize("named", ["m-1", None])
async def test_a_text_message_is_delivered_or_not_as_its_provider_reports(
    stranger, sent, state, audited, named
):
    # By the provider's id, or by ours where the provider hands it back.
    name = named or str(sent["sms"]["id"])

    async def report(status: str) -> Any:
        answer = await stranger.post(RECEIPTS, params={"key": SECRET}, json={"id": name, "status": status})
        return answer.status_code, answer.json()["data"]

    assert await report("ACCEPTD") == (200, {"known": 0})
    assert await report("DELIVRD") == (200, {"known": 1})
    assert await report("DELIVRD") == (200, {"known": 1})
    assert await state(sent["sms"]) == ("sent", None, "sent", "HTTP 200 OK; delivered")
    assert await report("UNDELIV") == (200, {"known": 1})
    assert await report("UNDELIV") == (200, {"known": 1})
    assert await state(sent["sms"]) == (
        "dead",
        "undelivered",
        "permanent",
        "HTTP 200 OK; delivered; undelivered UNDELIV",
    )
    assert await audited() == [
        ("notification.delivered", "provider:sms"),
        ("notification.undelivered", "provider:sms"),
    ]


async def test_receipts_come_as_lists_and_forms_too(stranger, sent, state, container):
    many = [{"id": str(uuid4()), "status": "DELIVRD"}, {"id": "m-1", "status": "EXPIRED"}]

    listed = await stranger.post(RECEIPTS, params={"key": SECRET}, json=many)
    form = await stranger.post(RECEIPTS, params={"key": SECRET}, data={"id": "m-1", "status": "DELIVRD"})

    assert (listed.json()["data"], form.json()["data"]) == ({"known": 1}, {"known": 1})
    assert (await state(sent["sms"]))[3] == "HTTP 200 OK; undelivered EXPIRED; delivered"


async def test_what_is_no_receipt_changes_nothing(stranger, sent, state):
    for body, status in [
        ({"id": "m-2", "status": "DELIVRD"}, 404),
        ([], 200),
        ("text", 422),
        ({"status": "DELIVRD"}, 422),
        ({"id": "m-1"}, 422),
        ([{"id": "m-1", "status": "DELIVRD"}] * 1001, 422),
        ([1], 422),
    ]:
        answer = await stranger.post(RECEIPTS, params={"key": SECRET}, json=body)

        assert answer.status_code == status, body
    assert await state(sent["sms"]) == ("sent", None, "sent", "HTTP 200 OK")


async def test_a_receipt_of_nobody_is_not_believed(stranger, token, sent, state):
    receipt = {"id": "m-1", "status": "UNDELIV"}

    answers = [
        await stranger.post(RECEIPTS, json=receipt),
        await stranger.post(RECEIPTS, params={"key": SECRET + "x"}, json=receipt),
        await stranger.post(RECEIPTS, json=receipt, headers={"Authorization": f"Bearer {SECRET}"}),
        await stranger.post(RECEIPTS, params={"key": SECRET[:-1]}, json=receipt, headers=token),
    ]
    nowhere = await stranger.post(f"{RECEIPTS[:-3]}fax", params={"key": SECRET}, json=receipt)

    assert {answer.status_code for answer in answers} == {401}
    assert nowhere.status_code == 404
    assert await state(sent["sms"]) == ("sent", None, "sent", "HTTP 200 OK")


async def test_a_receipt_of_a_message_that_is_being_sent_comes_too_early(stranger, sent, truth, state):
    await truth.execute("UPDATE delivery SET status = 'sending' WHERE id = $1", sent["sms"]["id"])

    answer = await stranger.post(
        RECEIPTS, params={"key": SECRET}, json={"id": str(sent["sms"]["id"]), "status": "UNDELIV"}
    )

    assert (answer.status_code, answer.headers["Retry-After"]) == (409, "60")
    assert (await state(sent["sms"]))[3] == "HTTP 200 OK"


class TestSigned:
    @pytest.fixture
    def receipts(self):
        return SmsReceiptSettings(
            secret=SECRET,
            header="X-Signature",
            signature="hmac-sha256",
            reports="/data/reports",
            id="/msg/id",
            status="/msg/state",
        )

    async def test_a_signature_of_the_body_is_believed_and_no_other(self, stranger, sent, state):
        body = json.dumps({"data": {"reports": [{"msg": {"id": "m-1", "state": "failed"}}]}}).encode()
        good = hmac.digest(SECRET.encode(), body, hashlib.sha256).hex()

        async def post(content: bytes, signature: str, **params: Any) -> Any:
            headers = {"Content-Type": "application/json", "X-Signature": signature}
            return (
                await stranger.post(RECEIPTS, content=content, headers=headers, params=params)
            ).status_code

        assert await post(body + b" ", good) == 401
        assert await post(body, SECRET, key=SECRET) == 401
        assert (await state(sent["sms"]))[0] == "sent"
        assert await post(body, f"sha256={good}") == 200
        assert (await state(sent["sms"]))[:2] == ("dead", "undelivered")
