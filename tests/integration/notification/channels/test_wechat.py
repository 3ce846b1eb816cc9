"""Subscribe messages of a mini-program, against a server that keeps WeChat's rules."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from qs.application.notification.composing import Skip
from qs.application.notification.granting import GrantMissing, GrantUnspent
from qs.application.notification.ports import ChannelFailure, Message
from qs.infra.http.guarded import GuardedClient
from qs.infra.notification.channels.kit import MiniProgram
from qs.infra.notification.channels.wechat import WechatChannel
from qs.infra.notification.channels.wechat_templates import WechatTemplates
from tests.integration.notification.channels.conformance import (
    PATIENT,
    SECRETS,
    HttpConformance,
    Rig,
    a_message,
    running,
)
from tests.support.receivers import ENDLESS, HANG
from tests.support.wechat import APPID, OPENID, SECRET, TEMPLATE, WechatServer, told

PAGE = "pages/task/index?task_id={task_id}&token={token}"
FIELDS = {"thing1": "{subject}", "time2": "{expires}", "character_string3": "{task_id}", "phrase4": "待填写"}


class AllGranted:
    """Whoever it is agreed to it."""

    async def spend(
        self, message: Message, channel: str, template: str, send: Callable[[], Awaitable[str]]
    ) -> str:
        return await send()


def channel_to(
    wechat: WechatServer, client: GuardedClient, deadline: timedelta = PATIENT, **template: object
) -> WechatChannel:
    whole = {"message": "task_opened", "id": TEMPLATE, "page": PAGE, "fields": FIELDS, **template}
    program = MiniProgram(wechat.base_url, APPID, SECRET, "trial", WechatTemplates.read([whole]))
    return WechatChannel(client, program, AllGranted(), deadline=deadline)  # type: ignore[arg-type]


def to_anna(**fields: object) -> Message:
    """What stands in it for its id is the task's."""
    same = uuid4()
    return a_message(
        **{"notification_id": same, "task_id": same, "address": OPENID, "timezone": "Asia/Shanghai", **fields}
    )


@pytest.fixture
async def wechat() -> AsyncIterator[WechatServer]:
    async with running(WechatServer()) as server:
        server.agreed[OPENID, TEMPLATE] = 100
        yield server


@pytest.fixture
def channel(wechat: WechatServer, client: GuardedClient) -> WechatChannel:
    return channel_to(wechat, client)


class TestWechat(HttpConformance):
    @pytest.fixture
    def rig(self, wechat: WechatServer, client: GuardedClient) -> Rig:
        @asynccontextmanager
        async def with_context(context):
            async with running(WechatServer(context)) as server:
                yield channel_to(server, client)
                wechat.received += server.received

        return Rig(
            lambda deadline: channel_to(wechat, client, deadline),
            to_anna(),
            lambda: [str(UUID(body["data"]["character_string3"]["value"])) for body in wechat.sends],
            secrets=(*SECRETS, OPENID, SECRET, "68_token", "access_token"),
            answer=wechat.answers.append,
            temporary=told(-1),
            permanent=told(40003),
            start=wechat.start,
            stop=wechat.stop,
            with_context=with_context,
        )


async def test_a_message_is_what_the_settings_make_of_it(wechat, channel):
    message = to_anna()
    task_id = message.notification_id

    assert await channel.send(message) == "errcode 0"

    assert wechat.sent == [
        {
            "touser": OPENID,
            "template_id": TEMPLATE,
            "page": f"pages/task/index?task_id={task_id}&token=0190a0b0-c0ff-8ee0-8000-feedfacebeef",
            "data": {
                "thing1": {"value": "您有一份问卷待填写"},
                "time2": {"value": "2026年3月9日 19:00"},
                "character_string3": {"value": task_id.hex},
                "phrase4": {"value": "待填写"},
            },
            "miniprogram_state": "trial",
            "lang": "zh_CN",
        }
    ]


async def test_a_guardian_gets_the_template_of_the_testee_and_other_messages_are_skipped(wechat, channel):
    await channel.send(to_anna(template="task_opened_guardian"))
    with pytest.raises(Skip) as skipped:
        await channel.send(to_anna(template="task_expired"))

    assert skipped.value.reason == "no_template"
    assert len(wechat.sent) == len(wechat.sends) == 1


async def test_a_long_subject_is_cut_and_a_page_that_needs_a_link_is_left_out_without_one(wechat, client):
    channel = channel_to(wechat, client, fields={"thing1": "{subject}"})

    await channel.send(to_anna(subject="问卷" * 30 + "\n", link=None, expires_at=None))

    [sent] = wechat.sent
    assert sent["data"]["thing1"]["value"] == "问卷" * 9 + "问" + "…"
    assert "page" not in sent


async def test_a_field_without_its_value_is_found_before_anything_is_sent(wechat, channel):
    with pytest.raises(ChannelFailure, match="field time2 has no value") as failure:
        await channel.send(to_anna(expires_at=None))

    assert failure.value.permanent
    assert wechat.received == []


@pytest.mark.parametrize(
    ("answer", "kind", "permanent", "retry_after"),
    [
        (told(43101), GrantMissing, True, None),
        (told(40003), GrantUnspent, True, None),
        (told(40037), GrantUnspent, True, None),
        (told(41030), GrantUnspent, True, None),
        (told(47003, "argument invalid! data.thing1.value is 安娜"), GrantUnspent, True, None),
        (told(45009), GrantUnspent, False, timedelta(hours=1)),
        (told(48001), GrantUnspent, False, None),
        (told(-1), ChannelFailure, False, None),
        (503, ChannelFailure, False, None),
        (404, GrantUnspent, True, None),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", ChannelFailure, False, None),
    ],
)
async def test_an_error_code_says_what_becomes_of_the_message_and_of_the_grant(
    wechat, channel, answer, kind, permanent, retry_after
):
    wechat.answers.append(answer)

    with pytest.raises(ChannelFailure) as failure:
        await channel.send(to_anna())

    assert type(failure.value) is kind
    assert (failure.value.permanent, failure.value.retry_after) == (permanent, retry_after)
    assert "安娜" not in failure.value.answer
    assert OPENID not in failure.value.answer


async def test_who_cannot_be_reached_has_sent_nothing_and_who_does_not_answer_may_have(wechat, client):
    wechat.answers += [HANG, ENDLESS]
    channel = channel_to(wechat, client, timedelta(milliseconds=500))

    for _ in range(2):
        with pytest.raises(ChannelFailure) as unknown:
            await channel.send(to_anna())
        assert type(unknown.value) is ChannelFailure
    await wechat.stop()
    with pytest.raises(GrantUnspent):
        await channel.send(to_anna())


async def test_one_token_serves_many_messages_and_a_refused_one_is_replaced_once(wechat, channel):
    for _ in range(3):
        await channel.send(to_anna())
    assert wechat.tokens_asked == [False]

    wechat.end_token()
    await channel.send(to_anna())

    assert wechat.tokens_asked == [False, False]
    assert len(wechat.sent) == 4


async def test_a_token_that_is_refused_though_it_is_the_latest_is_replaced_by_force_and_not_again_at_once(
    wechat, channel
):
    wechat.answers += [told(42001)]
    await channel.send(to_anna())
    assert wechat.tokens_asked == [False, False, True]

    wechat.answers += [told(40001), told(40014)]
    with pytest.raises(GrantUnspent) as failure:
        await channel.send(to_anna())

    assert not failure.value.permanent
    assert wechat.tokens_asked.count(True) == 1


async def test_a_token_near_its_end_is_replaced_before_it_is_refused(wechat, channel):
    wechat.token_lives_s = 0
    await channel.send(to_anna())
    wechat.end_token()

    await channel.send(to_anna())

    assert len(wechat.sends) == len(wechat.sent) == 2


async def test_an_account_that_gets_no_token_can_be_put_right_while_messages_wait(wechat, channel):
    wechat.token_answers += [
        told(40125, f"invalid appsecret {SECRET}"),
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{",
    ]

    for expected in ("no access token: errcode 40125", "the answer for the access token cannot be read"):
        with pytest.raises(GrantUnspent) as failure:
            await channel.send(to_anna())
        assert (failure.value.answer, failure.value.permanent) == (expected, False)
    await channel.send(to_anna())

    assert len(wechat.sent) == 1
