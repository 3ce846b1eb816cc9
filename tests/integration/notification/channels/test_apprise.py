"""Messages to staff through apprise, to real HTTP servers: never to where it must not, and never for ever."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from qs.application.notification.ports import ChannelFailure
from qs.infra.notification.channels.apprise import AppriseChannel
from qs.infra.notification.channels.apprise_posts import ApprisePosts
from tests.integration.notification.channels.conformance import (
    PATIENT,
    SECRETS,
    ChannelConformance,
    Rig,
    a_message,
    running,
)
from tests.support.receivers import HANG, WebReceiver

HERE = ("127.0.0.0/8",)
TOKEN = "TIiajkdnlazkcOXrIdevi7FQ"


def to_staff(web: WebReceiver, **fields: object):
    return a_message(**{"recipient": "staff:0", "address": f"json://127.0.0.1:{web.port}/{TOKEN}", **fields})


def channel(
    schemas=("json", "jsons", "slack"), networks=HERE, deadline: timedelta = PATIENT
) -> AppriseChannel:
    return AppriseChannel(ApprisePosts(schemas, networks, deadline=deadline))


@pytest.fixture
async def other() -> AsyncIterator[WebReceiver]:
    async with running(WebReceiver()) as receiver:
        yield receiver


class TestApprise(ChannelConformance):
    @pytest.fixture
    def rig(self, web: WebReceiver) -> Rig:
        message = to_staff(web)
        return Rig(
            lambda deadline: channel(deadline=deadline),
            # There is no place for the id but the text.
            to_staff(web, notification_id=message.notification_id, subject=str(message.notification_id)),
            lambda: [received.json["title"] for received in web.received],
            secrets=(*SECRETS, TOKEN),
        )


async def test_a_message_is_plain_text_and_names_nobody_but_us(web):
    await channel().send(to_staff(web, subject="任务过期", text="计划 1 的任务 <b>2</b> 已过期。\n"))

    [received] = web.received
    assert (received.json["title"], received.json["message"]) == (
        "任务过期",
        "计划 1 的任务 <b>2</b> 已过期。",
    )
    assert received.headers["user-agent"] == "qs"


async def test_what_is_not_accepted_is_tried_again_and_a_redirect_leads_nowhere(web, other):
    elsewhere = f"HTTP/1.1 302 Found\r\nLocation: {other.url}\r\nContent-Length: 0\r\n\r\n"
    web.answers += [500, elsewhere.encode()]
    # Each asks for more than it may have.
    asked = to_staff(web, address=f"json://127.0.0.1:{web.port}/{TOKEN}?redirect=yes&retry=0")

    outcomes = await asyncio.gather(
        channel().send(to_staff(web)), channel().send(asked), return_exceptions=True
    )

    for failure in outcomes:
        assert isinstance(failure, ChannelFailure)
        assert (failure.permanent, failure.answer) == (False, "not accepted")
    assert other.received == []


async def test_a_receiver_that_never_answers_does_not_hold_us(web):
    web.answers += [HANG]

    with pytest.raises(ChannelFailure, match="no answer in time") as failure:
        await channel(deadline=timedelta(seconds=2)).send(to_staff(web))

    assert not failure.value.permanent


async def test_networks_that_are_not_allowed_are_not_reached_whatever_the_name_says(web):
    secure = a_message(recipient="staff:0", address=f"jsons://localhost:{web.port}/{TOKEN}")

    outcomes = await asyncio.gather(
        channel(networks=()).send(to_staff(web)),
        channel(networks=()).send(secure),
        channel(networks=("10.0.0.0/8",)).send(to_staff(web)),
        return_exceptions=True,
    )

    for failure in outcomes:
        assert isinstance(failure, ChannelFailure)
        assert (failure.permanent, failure.answer) == (
            True,
            "the address is not allowed (outbound.allow_networks)",
        )
    assert web.received == []


async def test_only_staff_and_only_allowed_kinds_of_address_are_written_to(web):
    for message, told in (
        (to_staff(web, recipient="testee:1"), "for staff"),
        (to_staff(web, address=f"xml://127.0.0.1:{web.port}/"), "notification.apprise.schemas"),
        (to_staff(web, address=f"json://127.0.0.1:{web.port}/ json://127.0.0.1/"), "not an address"),
    ):
        with pytest.raises(ChannelFailure, match=told) as failure:
            await channel().send(message)
        assert failure.value.permanent
    assert web.received == []


async def test_an_address_is_looked_at_without_being_written_to(web):
    posts = ApprisePosts(["json", "slack", "dingtalk"], HERE, deadline=PATIENT)
    at_us = f"json://127.0.0.1:{web.port}/"

    found = await posts.problems(
        [at_us, "slack://x", f"slack://T1JJ3T3L2/A1BRTD4JD/{TOKEN}/#ward", at_us + "?verify=no", "xml://x"]
    )

    assert found == [
        None,
        "it is not an address of its kind",
        None,
        "it turns the check of certificates off",
        "its kind is not allowed here (notification.apprise.schemas)",
    ]
    assert web.received == []
