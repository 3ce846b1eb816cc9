"""What all brokers have in common: a connection that is given up at the first doubt, and how messages are dealt with."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Generic, Protocol, TypeVar

import msgspec
import structlog

from qs.application.kernel import crash
from qs.application.kernel.brokers import BrokerUnavailable, DeadLetter, MessageHandler, OutgoingEvent
from qs.domain.kernel.errors import QsError
from qs.infra.brokers.names import AGAIN_AFTER_S, CONNECTED_WITHIN_S, LOOKED_AFTER_S, Names

_STOPPED_WITHIN_S = 3.0
_MOST_KEPT = 65_536

_log = structlog.get_logger()


class Client(Protocol):
    async def stop(self) -> None: ...


C = TypeVar("C", bound=Client)


class EventLink(ABC, Generic[C]):
    """Implements EventBroker. A client that left one question open is thrown away, whatever it would do by itself."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._client: C | None = None
        # Forwarding and forwarding again share the connection.
        self._turn = asyncio.Lock()

    @abstractmethod
    def _make(self) -> C:
        """A client that is not connected."""

    @abstractmethod
    async def _open(self, client: C) -> None:
        """Connects it and makes what is published to. Raises whatever the library raises."""

    @abstractmethod
    async def _send(self, client: C, events: Sequence[OutgoingEvent]) -> list[QsError | None]:
        """The outcome of each event."""

    async def connect(self) -> None:
        async with self._turn:
            if self._client is None:
                self._client = await opened(self._make(), self._open)

    async def publish(self, events: Sequence[OutgoingEvent]) -> Sequence[QsError | None]:
        async with self._turn:
            client = self._client
            if client is None:
                return [BrokerUnavailable() for _ in events]
            outcomes = await self._send(client, events)
            if any(isinstance(outcome, BrokerUnavailable) for outcome in outcomes):
                self._client = None
                await stopped(client)
            return outcomes

    async def aclose(self) -> None:
        async with self._turn:
            client, self._client = self._client, None
            if client is not None:
                await stopped(client)


class QueueLink(ABC, Generic[C]):
    """Implements MessageQueue."""

    def __init__(self, names: Names) -> None:
        self._names = names

    @abstractmethod
    def _make(self, dealing: "Dealing") -> C:
        """A client that will hand over what comes, and is not connected."""

    @abstractmethod
    async def _open(self, client: C) -> None:
        """Connects it and makes what messages come in by. Raises whatever the library raises."""

    @abstractmethod
    async def _alive(self, client: C) -> bool: ...

    async def consume(self, handle: MessageHandler, stop: asyncio.Event) -> None:
        dealing = Dealing(handle)
        async with self._opened(dealing) as client:
            while not stop.is_set():
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), LOOKED_AFTER_S)
                if not await self._alive(client):
                    raise BrokerUnavailable

    @asynccontextmanager
    async def _opened(self, dealing: "Dealing") -> AsyncIterator[C]:
        client = await opened(self._make(dealing), self._open)
        try:
            yield client
        finally:
            dealing.ended.set()
            await stopped(client)


class Dealing:
    """Deals with one message: handled, then a dead letter if need be, then acknowledged; else put back."""

    def __init__(self, handle: MessageHandler) -> None:
        self._handle = handle
        self.ended = asyncio.Event()

    async def deal(
        self,
        body: bytes,
        *,
        bury: Callable[[bytes], Awaitable[object]],
        acknowledge: Callable[[], Awaitable[object]],
        put_back: Callable[[], Awaitable[object]],
    ) -> bool:
        """Whether it is done with. ``bury`` stores a dead letter at the broker and raises when that is not certain."""
        try:
            letter = await self._handle(body)
            if letter is not None:
                await crash.hit("message.before_bury")
                await bury(dead_letter(letter, body))
                await crash.hit("message.after_bury")
                _log.warning("message_refused", code=letter.code)
            await crash.hit("message.before_acknowledge")
            await acknowledge()
            await crash.hit("message.after_acknowledge")
        except Exception as error:  # noqa: BLE001 - whatever it was, the message comes again
            _log.info("message_put_back", error=type(error).__name__)
            with suppress(TimeoutError):
                await asyncio.wait_for(self.ended.wait(), AGAIN_AFTER_S)
            # Where this fails the connection is gone, and the broker puts it back by itself.
            with suppress(Exception):
                await put_back()
            return False
        return True


class RefusedMessage(msgspec.Struct, frozen=True):
    """What is kept of a message that was refused for good: why, when, and its first 64 KiB as text."""

    code: str
    reason: str
    refused_at: datetime
    message: str


def dead_letter(letter: DeadLetter, body: bytes) -> bytes:
    """The dead letter as it is stored."""
    text = body[:_MOST_KEPT].decode(errors="replace")
    return msgspec.json.encode(RefusedMessage(letter.code, letter.reason, datetime.now(UTC), text))


async def opened(client: C, connect: Callable[[C], Awaitable[None]]) -> C:
    """The client, connected in time. Raises BrokerUnavailable."""
    try:
        async with asyncio.timeout(CONNECTED_WITHIN_S):
            await connect(client)
    except BaseException as error:
        await stopped(client)
        if isinstance(error, Exception):
            raise BrokerUnavailable from error
        raise
    return client


async def stopped(client: Client) -> None:
    """Ends a client that may be in any condition."""
    with suppress(Exception):
        async with asyncio.timeout(_STOPPED_WITHIN_S):
            await client.stop()
