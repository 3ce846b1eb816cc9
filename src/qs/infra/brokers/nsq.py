"""NSQ: one topic for the events, and a topic with a channel for requests. One nsqd, without nsqlookupd."""

import asyncio
from collections.abc import Iterator, Sequence

from qs.application.kernel.background import apart_from_the_request
from qs.application.kernel.brokers import BrokerUnavailable, MessageRefused, OutgoingEvent
from qs.domain.kernel.errors import QsError
from qs.infra.brokers.addressing import BrokerAddress
from qs.infra.brokers.linking import Dealing, EventLink, QueueLink
from qs.infra.brokers.names import AGAIN_AFTER_S, AT_ONCE, CONFIRMED_WITHIN_S, Names
from qs.infra.brokers.nsq_client import NsqClient, NsqMessage

# What nsqd takes unless it is told otherwise: a message of 1 MiB, a command of 5 MiB.
_LARGEST = 1024 * 1024
_LARGEST_COMMAND = 4 * 1024 * 1024


class NsqEvents(EventLink[NsqClient]):
    """Events to the topic ``{prefix}.events``. NSQ keeps no order and no headers; the event itself holds its id."""

    def __init__(self, address: BrokerAddress, names: Names) -> None:
        super().__init__(names)
        self._address = address

    def _make(self) -> NsqClient:
        return _client(self._address)

    async def _open(self, client: NsqClient) -> None:
        await client.connect()

    async def _send(self, client: NsqClient, events: Sequence[OutgoingEvent]) -> list[QsError | None]:
        outcomes: list[QsError | None] = [
            MessageRefused() if len(event.body) > _LARGEST else BrokerUnavailable() for event in events
        ]
        try:
            async with asyncio.timeout(CONFIRMED_WITHIN_S):
                for numbers in _commands(events):
                    await client.publish(self._names.events, [events[number].body for number in numbers])
                    for number in numbers:
                        outcomes[number] = None
        except Exception:  # noqa: BLE001 - whatever it is, the rest is not confirmed
            return outcomes
        return outcomes


class NsqQueueClient:
    """Two connections: one that messages come by, one for the dead letters."""

    def __init__(self, address: BrokerAddress, dealing: Dealing, names: Names) -> None:
        self._names = names
        self._dealing = dealing
        self._incoming = _client(address)
        self._outgoing = _client(address)
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def is_open(self) -> bool:
        return self._incoming.is_open and self._outgoing.is_open

    async def connect(self) -> None:
        await self._outgoing.connect()
        await self._incoming.connect()
        await self._incoming.subscribe(self._names.requests, self._names.group, AT_ONCE, self._received)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._incoming.stop()
        await self._outgoing.stop()

    def _received(self, message: NsqMessage) -> None:
        task = asyncio.create_task(self._deal(message), name="nsq-message", context=apart_from_the_request())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deal(self, message: NsqMessage) -> None:
        async def bury(letter: bytes) -> None:
            async with asyncio.timeout(CONFIRMED_WITHIN_S):
                await self._outgoing.publish(self._names.dead, [letter])

        await self._dealing.deal(
            message.body,
            bury=bury,
            acknowledge=lambda: self._incoming.finish(message),
            put_back=lambda: self._incoming.put_back(message, int(AGAIN_AFTER_S * 1000)),
        )


class NsqQueue(QueueLink[NsqQueueClient]):
    """Requests from the topic ``{prefix}.job-requests``, by a channel that all processes share."""

    def __init__(self, address: BrokerAddress, names: Names) -> None:
        super().__init__(names)
        self._address = address

    def _make(self, dealing: Dealing) -> NsqQueueClient:
        return NsqQueueClient(self._address, dealing, self._names)

    async def _open(self, client: NsqQueueClient) -> None:
        await client.connect()

    async def _alive(self, client: NsqQueueClient) -> bool:
        return client.is_open


def _client(address: BrokerAddress) -> NsqClient:
    return NsqClient(address.host, address.port, tls=address.tls_context(), secret=address.password)


def _commands(events: Sequence[OutgoingEvent]) -> Iterator[list[int]]:
    """The numbers of the events that go together, in order; those too large go nowhere."""
    together: list[int] = []
    size = 0
    for number, event in enumerate(events):
        if len(event.body) > _LARGEST:
            continue
        if together and size + len(event.body) > _LARGEST_COMMAND:
            yield together
            together, size = [], 0
        together.append(number)
        size += len(event.body)
    if together:
        yield together
