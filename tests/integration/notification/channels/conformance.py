"""What every channel promises, held against real servers.

A channel joins by a subclass of the class that fits it, with a fixture ``rig``: ``ChannelConformance`` for one that
nobody is behind, ``DistantConformance`` for one whose other end can fail, ``HttpConformance`` for one that calls over
HTTP.
"""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from dataclasses import replace as changed
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import TypeVar
from uuid import UUID, uuid4

import pytest
import structlog

from qs.application.notification.ports import Channel, ChannelFailure, Message
from qs.logs import configure_logging
from qs.settings.sections import LogSettings
from tests.support.certificates import make_certificate
from tests.support.receivers import ENDLESS, HANG, SLOW, MailReceiver, WebReceiver

PATIENT = timedelta(seconds=30)
HURRIED = timedelta(milliseconds=400)
LINK = "https://answer.example.org/e?token=0190a0b0-c0ff-8ee0-8000-feedfacebeef&task_id=1"
SECRETS = ("feedfacebeef", "answer.example.org", "anna", "安娜", "问卷")
"""What a message holds that nobody but its receiver may see."""

Answer = int | bytes | str
Receiver = TypeVar("Receiver", bound=MailReceiver | WebReceiver)


def a_message(**fields) -> Message:
    message = Message(
        notification_id=uuid4(),
        event_id=uuid4(),
        task_id=uuid4(),
        recipient=f"testee:{uuid4()}",
        address="anna@example.org",
        template="task_opened",
        locale="zh",
        subject="您有一份问卷待填写",
        text=f"安娜，您好：\n\n{LINK}\n.\n",
        link=LINK,
        expires_at=datetime(2026, 3, 9, 11, tzinfo=UTC),
    )
    return changed(message, **fields)


@dataclass
class Rig:
    """A channel and what is behind it.

    ``make`` gives the channel with a deadline for one attempt; ``ids`` are the notification ids that its receiver has
    got so far, repeats included. ``answer`` says what the receiver answers to the next message; ``temporary`` and
    ``permanent`` are answers of their kind. ``secrets`` are shown to nobody. ``with_context`` is the channel on a
    receiver with that TLS context. Whatever has nobody behind it leaves out what comes after ``ids``.
    """

    make: Callable[[timedelta], Channel]
    message: Message
    ids: Callable[[], list[str]]
    secrets: tuple[str, ...] = SECRETS
    answer: Callable[[Answer], None] = lambda _: None
    temporary: Answer = 500
    permanent: Answer = 404
    start: Callable[[], Awaitable[None]] | None = None
    stop: Callable[[], Awaitable[None]] | None = None
    with_context: Callable[[ssl.SSLContext], AbstractAsyncContextManager[Channel]] | None = None

    async def send(self, deadline: timedelta = PATIENT) -> str:
        return await self.make(deadline).send(self.message)

    async def fails(self, deadline: timedelta = PATIENT) -> ChannelFailure:
        with pytest.raises(ChannelFailure) as failure:
            await self.send(deadline)
        return failure.value

    @property
    def id(self) -> str:
        return str(self.message.notification_id)

    def shows_nothing(self, text: str) -> None:
        assert [secret for secret in self.secrets if secret in text] == []


class ChannelConformance:
    """Of every channel."""

    @pytest.fixture
    def logged(self, tmp_path: Path) -> Iterator[Callable[[], str]]:
        """What an installation would have written by now, at its most talkative."""
        path = tmp_path / "log" / "qs.log"
        root, receiver = logging.getLogger(), logging.getLogger("mail.log")
        level = root.level
        # What the mail server of the test says is not ours.
        receiver.propagate = False
        configure_logging(LogSettings(level="debug", format="json", console=False, path=path), "test")
        yield lambda: path.read_text() if path.exists() else ""
        configure_logging(LogSettings(level="warning", console=False), "test")
        root.setLevel(level)
        receiver.propagate = True
        structlog.reset_defaults()

    async def test_a_message_arrives_under_its_notification_id(self, rig: Rig) -> None:
        await rig.send()

        assert rig.ids() == [rig.id]

    async def test_a_message_sent_twice_carries_the_same_id(self, rig: Rig) -> None:
        await rig.send()
        await rig.send()

        assert rig.ids() == [rig.id] * 2

    async def test_answers_and_logs_hold_no_address_text_link_or_secret(
        self, rig: Rig, logged: Callable[[], str]
    ) -> None:
        answer = await rig.send()

        rig.shows_nothing(answer)
        rig.shows_nothing(logged())


class DistantConformance(ChannelConformance):
    """Of a channel whose other end can fail."""

    async def test_a_temporary_failure_says_so_and_the_next_attempt_succeeds(self, rig: Rig) -> None:
        rig.answer(rig.temporary)

        failure = await rig.fails()

        assert not failure.permanent
        rig.shows_nothing(failure.answer)
        await rig.send()

    async def test_a_permanent_failure_says_so(self, rig: Rig, logged: Callable[[], str]) -> None:
        rig.answer(rig.permanent)

        failure = await rig.fails()

        assert failure.permanent
        rig.shows_nothing(failure.answer)
        rig.shows_nothing(logged())

    async def test_a_receiver_that_is_away_gets_the_message_when_it_is_back(self, rig: Rig) -> None:
        assert rig.stop is not None
        assert rig.start is not None
        await rig.stop()
        failure = await rig.fails()
        assert not failure.permanent
        rig.shows_nothing(failure.answer)

        await rig.start()
        await rig.send()

        assert rig.ids() == [rig.id]

    async def test_a_receiver_that_does_not_answer_in_time_is_tried_again(self, rig: Rig) -> None:
        rig.answer(HANG)
        began = monotonic()

        failure = await rig.fails(HURRIED)

        assert not failure.permanent
        assert monotonic() - began < 10
        rig.shows_nothing(failure.answer)

    async def test_a_receiver_whose_certificate_nobody_vouches_for_gets_nothing(
        self, rig: Rig, tmp_path: Path
    ) -> None:
        assert rig.with_context is not None

        async with rig.with_context(_self_signed(tmp_path)) as channel:
            with pytest.raises(ChannelFailure) as failure:
                await channel.send(rig.message)

        assert not failure.value.permanent
        assert rig.ids() == []
        rig.shows_nothing(failure.value.answer)


class HttpConformance(DistantConformance):
    """Of a channel that calls a receiver over HTTP; ``answer`` takes what ``WebReceiver.answers`` do."""

    async def test_a_slow_answer_ends_with_the_deadline(self, rig: Rig) -> None:
        rig.answer(SLOW)
        began = monotonic()

        failure = await rig.fails(HURRIED)

        assert not failure.permanent
        assert monotonic() - began < 10

    async def test_an_endless_answer_is_cut_off(self, rig: Rig) -> None:
        rig.answer(ENDLESS)

        async with asyncio.timeout(20):
            [outcome] = await asyncio.gather(rig.send(), return_exceptions=True)

        # Who must read the answer to know whether the message was taken does not know it of this one.
        taken = isinstance(outcome, str)
        assert taken or (isinstance(outcome, ChannelFailure) and not outcome.permanent)
        rig.shows_nothing(str(outcome))

    async def test_a_redirect_is_not_followed(self, rig: Rig) -> None:
        rig.answer(b"HTTP/1.1 307 Elsewhere\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n")

        await rig.fails()

        assert rig.ids() == [rig.id]

    async def test_a_receiver_that_asks_to_wait_is_heard(self, rig: Rig) -> None:
        rig.answer(b"HTTP/1.1 429 Slow Down\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n")

        failure = await rig.fails()

        assert not failure.permanent
        assert failure.retry_after == timedelta(seconds=120)

    @pytest.mark.parametrize(
        "answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", b"nonsense\r\n\r\n", 503]
    )
    async def test_a_receiver_that_does_not_answer_properly_is_tried_again(
        self, rig: Rig, answer: Answer
    ) -> None:
        rig.answer(answer)

        failure = await rig.fails()

        assert not failure.permanent


@asynccontextmanager
async def running(receiver: Receiver) -> AsyncIterator[Receiver]:
    """The receiver, started, and closed in the end."""
    await receiver.start()
    try:
        yield receiver
    finally:
        await receiver.close()


def uuid_of(message_id: str) -> str:
    """The notification id in a Message-ID."""
    return str(UUID(message_id.strip("<>").split("@")[0]))


def _self_signed(directory: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*make_certificate(directory))
    return context
