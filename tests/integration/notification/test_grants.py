"""One grant, one message: what is counted when messages go out, fail, or nobody knows."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import msgspec
import pytest

from qs.application.notification.granting import (
    GrantInvalid,
    GrantKeeping,
    GrantMissing,
    GrantSpending,
    GrantUnspent,
)
from qs.application.notification.ports import ChannelFailure, Message
from qs.container import Container
from qs.domain.notification.addressing import to_testee
from qs.domain.plan.testee import Contact, Guardian
from qs.settings.sections import NotificationSettings, OutboundSettings, WechatSettings
from tests.integration.notification.channels.conformance import a_message, running
from tests.support.http import app_over, serving
from tests.support.notifying import ACTOR, Clinic
from tests.support.wechat import APPID, OPENID, SECRET, TEMPLATE, WechatServer, told

ANNA = Contact("wechat", OPENID)
TENANT = Clinic.tenant_id


@pytest.fixture
async def wechat() -> AsyncIterator[WechatServer]:
    async with running(WechatServer()) as server:
        yield server


@pytest.fixture
def settings(settings, wechat):
    program = WechatSettings(
        appid=APPID,
        secret=SECRET,
        base_url=wechat.base_url,
        templates=({"message": "task_opened", "id": TEMPLATE, "fields": {"thing1": "{subject}"}},),
    )
    return msgspec.structs.replace(
        settings,
        notification=NotificationSettings(
            channels=("wechat",), wechat=program, max_attempts=3, backoff_s=0.01, backoff_max_s=0.02
        ),
        outbound=OutboundSettings(allow_networks=("127.0.0.0/8",)),
    )


@pytest.fixture
def keeping(container: Container) -> GrantKeeping:
    return container.grant_keeping()


@pytest.fixture
def spending(container: Container) -> GrantSpending:
    return GrantSpending(container.notification_uow())


async def given(keeping: GrantKeeping, testee_id, count: int = 1) -> None:
    await keeping.add(TENANT, testee_id, "wechat", TEMPLATE, count, actor=ACTOR)


async def left(keeping: GrantKeeping, testee_id) -> int:
    return sum(grant.left for grant in await keeping.of_testee(TENANT, testee_id))


def to(testee_id) -> Message:
    return a_message(tenant_id=TENANT, recipient=to_testee(testee_id))


async def accepted() -> str:
    return "accepted"


async def test_who_agreed_once_is_written_to_once(clinic, wechat, keeping):
    testee_id = await clinic.testee([ANNA], locale="zh")
    await given(keeping, testee_id)
    wechat.agreed[OPENID, TEMPLATE] = 5
    for _ in range(2):
        await clinic.opened(testee_id)
    await clinic.announce()

    await clinic.send()

    rows = sorted((row["status"], row["reason"]) for row in await clinic.deliveries("wechat"))
    assert rows == [("sent", None), ("skipped", "no_grant")]
    assert len(wechat.sends) == len(wechat.sent) == 1
    assert wechat.sent[0]["touser"] == OPENID
    assert await left(keeping, testee_id) == 0


async def test_a_grant_that_the_provider_does_not_know_is_written_off(clinic, wechat, keeping):
    testee_id = await clinic.testee([ANNA])
    await given(keeping, testee_id, 3)
    await clinic.opened(testee_id)
    await clinic.announce()

    await clinic.send()

    [row] = await clinic.deliveries("wechat")
    assert (row["status"], row["reason"], row["attempts"]) == ("dead", "no_grant", 1)
    assert await left(keeping, testee_id) == 0


async def test_what_is_refused_gives_its_grant_back_and_uses_it_when_it_is_sent_after_all(
    clinic, wechat, keeping
):
    testee_id = await clinic.testee([ANNA])
    await given(keeping, testee_id)
    wechat.agreed[OPENID, TEMPLATE] = 1
    wechat.answers += [told(45009), 503]
    await clinic.opened(testee_id)
    await clinic.announce()

    async with asyncio.timeout(30):
        while not wechat.sent:
            await clinic.send()
            await asyncio.sleep(0.005)

    [row] = await clinic.deliveries("wechat")
    assert await clinic.attempts(row["id"]) == ["temporary", "temporary", "sent"]
    assert await left(keeping, testee_id) == 0

    await given(keeping, testee_id)
    wechat.answers += [told(40037)]
    await clinic.opened(testee_id)
    await clinic.announce()
    await clinic.send()

    assert [row["status"] for row in await clinic.deliveries("wechat")] == ["sent", "dead"]
    assert await left(keeping, testee_id) == 1


async def test_a_send_repeated_after_a_crash_takes_no_second_grant(clinic, keeping, spending):
    testee_id = await clinic.testee([ANNA])
    await given(keeping, testee_id, 2)
    message = to(testee_id)

    async def killed() -> str:
        raise asyncio.CancelledError

    async def unknown() -> str:
        raise ChannelFailure("no answer in time", permanent=False)

    async def busy() -> str:
        raise GrantUnspent("errcode 45009", permanent=False)

    with pytest.raises(asyncio.CancelledError):
        await spending.spend(message, "wechat", TEMPLATE, killed)
    with pytest.raises(ChannelFailure):
        await spending.spend(message, "wechat", TEMPLATE, unknown)
    assert await left(keeping, testee_id) == 1

    with pytest.raises(GrantUnspent):
        await spending.spend(message, "wechat", TEMPLATE, busy)
    assert await left(keeping, testee_id) == 2

    await spending.spend(message, "wechat", TEMPLATE, accepted)
    assert await left(keeping, testee_id) == 1


async def test_what_was_granted_while_the_provider_refused_is_kept(clinic, keeping, spending):
    testee_id = await clinic.testee([ANNA])
    await given(keeping, testee_id, 3)

    async def refused() -> str:
        await given(keeping, testee_id, 2)
        raise GrantMissing("errcode 43101")

    with pytest.raises(GrantMissing):
        await spending.spend(to(testee_id), "wechat", TEMPLATE, refused)

    assert await left(keeping, testee_id) == 2


async def test_of_many_messages_at_once_as_many_go_out_as_were_granted(clinic, keeping, spending):
    testee_id, other = await clinic.testee([ANNA]), await clinic.testee([ANNA])
    await given(keeping, testee_id, 3)
    await given(keeping, other, 9)

    sends = (spending.spend(to(testee_id), "wechat", TEMPLATE, accepted) for _ in range(12))
    outcomes = await asyncio.gather(*sends, return_exceptions=True)

    assert sorted(str(each) for each in outcomes) == ["accepted"] * 3 + ["no_grant"] * 9
    assert (await left(keeping, testee_id), await left(keeping, other)) == (0, 9)


async def test_a_guardian_has_grants_of_their_own(clinic, wechat, keeping):
    eva = Contact("wechat", "oUpF8uMuAJO_M2pxb1Q9zNjWeEVA")
    testee_id = await clinic.testee(guardians=[Guardian("Eva", (eva,))])
    await given(keeping, testee_id)
    wechat.agreed[eva.address, TEMPLATE] = 2
    await clinic.opened(testee_id)
    await clinic.announce()
    await clinic.send()
    assert [row["reason"] for row in await clinic.deliveries("wechat")] == ["no_grant"]

    await keeping.add(TENANT, testee_id, "wechat", TEMPLATE, 1, guardian=0, actor=ACTOR)
    await clinic.opened(testee_id)
    await clinic.announce()
    await clinic.send()

    [sent] = wechat.sent
    assert sent["touser"] == eva.address
    assert [(grant.recipient, grant.left) for grant in await keeping.of_testee(TENANT, testee_id)] == [
        (f"guardian:{testee_id}:0", 0),
        (f"testee:{testee_id}", 1),
    ]


async def test_grants_are_noted_over_http_once_for_each_key(container, clinic):
    testee_id = await clinic.testee([ANNA], external_id="P-1")
    at = f"/api/v1/testees/{testee_id}/grants"
    issued = await container.token_issuing().issue(TENANT, ["admin"], timedelta(hours=1), actor="test")
    async with serving(app_over(container)) as api:
        api.headers["Authorization"] = f"Bearer {issued.token}"
        body = {"channel": "wechat", "template": TEMPLATE}

        for _ in range(2):
            noted = await api.post(at, json=body, headers={"Idempotency-Key": "tap-1"})
        more = await api.post("/api/v1/testees/ext:P-1/grants", json=body | {"count": 2, "guardian": 1})
        listed = await api.get(at)

        assert noted.json()["data"] == {
            "recipient": f"testee:{testee_id}",
            **body,
            "given": 1,
            "used": 0,
            "left": 1,
        }
        assert more.json()["data"]["recipient"] == f"guardian:{testee_id}:1"
        assert {(each["recipient"], each["given"]) for each in listed.json()["data"]} == {
            (f"testee:{testee_id}", 1),
            (f"guardian:{testee_id}:1", 2),
        }
        for wrong, pointer in (
            (body | {"channel": "email"}, "/channel"),
            (body | {"template": "unknown-template"}, "/template"),
            (body | {"count": 0}, "/count"),
            (body | {"guardian": 10}, "/guardian"),
        ):
            refused = await api.post(at, json=wrong)
            assert refused.status_code == 422
            assert [each["pointer"] for each in refused.json()["errors"]] == [pointer], refused.text
        assert (await api.post(f"/api/v1/testees/{uuid4()}/grants", json=body)).status_code == 404
        await api.delete(f"/api/v1/testees/{testee_id}")
        assert (await api.post(at, json=body)).status_code == 409


async def test_nobody_is_noted_as_agreeing_where_nothing_is_sent(clinic, container):
    testee_id = await clinic.testee()

    with pytest.raises(GrantInvalid, match="no message that is sent here"):
        await GrantKeeping(container.notification_uow(), {}).add(
            TENANT, testee_id, "wechat", TEMPLATE, 1, actor=ACTOR
        )
