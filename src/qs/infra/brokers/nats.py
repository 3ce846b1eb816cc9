"""NATS JetStream: a stream that keeps the events, and a durable consumer for requests."""

import asyncio
from collections.abc import Iterable, Sequence

from faststream.nats import NatsBroker
from faststream.nats.security import NatsUserPassword
from faststream.security import BaseSecurity
from nats.aio.msg import Msg
from nats.errors import MaxPayloadError
from nats.js import JetStreamContext
from nats.js.api import ConsumerConfig, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import APIError, NotFoundError

from qs.application.kernel.background import apart_from_the_request
from qs.application.kernel.brokers import BrokerUnavailable, MessageRefused, OutgoingEvent
from qs.domain.kernel.errors import QsError
from qs.infra.brokers.addressing import BrokerAddress
from qs.infra.brokers.linking import Dealing, EventLink, QueueLink
from qs.infra.brokers.names import AT_ONCE, CONFIRMED_WITHIN_S, CONNECTED_WITHIN_S, Names, headers_of

_KEPT_S = 7 * 86_400.0
# An event that is sent again within that time is not stored a second time.
_RECOGNISED_S = 600.0
_TOO_LARGE = 10054
_HANDLED_WITHIN_S = 60.0
_CONNECTED_EVERY_S = 0.2


class NatsEvents(EventLink[NatsBroker]):
    """Events to the subjects ``{prefix}.{context}.{EventName}`` of one stream, in the order of the connection."""

    def __init__(self, address: BrokerAddress, names: Names) -> None:
        super().__init__(names)
        self._address = address
        self._kept: set[str] = set()

    def _make(self) -> NatsBroker:
        return _broker(self._address)

    async def _open(self, client: NatsBroker) -> None:
        self._kept.clear()
        await client.connect()
        await client.connection.jetstream().account_info()

    async def _send(self, client: NatsBroker, events: Sequence[OutgoingEvent]) -> list[QsError | None]:
        contexts = {event.context for event in events}
        if not contexts <= self._kept:
            try:
                await _ensure_stream(client, _events_stream(self._names, contexts))
            except Exception:  # noqa: BLE001 - whatever it is, nothing would be stored
                return [BrokerUnavailable() for _ in events]
            self._kept |= contexts
        sent = [asyncio.create_task(self._send_one(client, event)) for event in events]
        waiting = set(sent)
        while waiting:
            _, waiting = await asyncio.wait(waiting, timeout=_CONNECTED_EVERY_S)
            if waiting and not client.connection.is_connected:
                # The library would have each of them wait to its end for an answer that cannot come.
                for each in waiting:
                    each.cancel()
                await asyncio.wait(waiting)
                break
        return [BrokerUnavailable() if each.cancelled() else each.result() for each in sent]

    async def _send_one(self, client: NatsBroker, event: OutgoingEvent) -> QsError | None:
        try:
            await client.publish(
                event.body,
                subject=self._names.subject(event),
                stream=self._names.events_stream,
                headers={**headers_of(event), "Nats-Msg-Id": event.id},
                correlation_id=event.id,
                timeout=CONFIRMED_WITHIN_S,
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, the event is not confirmed
            return MessageRefused() if _is_final(error) else BrokerUnavailable()
        return None


class NatsConsumer:
    """Pulls requests by a durable consumer.

    Not FastStream's subscriber: once its connection is closed that one asks on and on without ever waiting, and nothing
    else of the process gets a turn.
    """

    def __init__(self, client: NatsBroker, names: Names, dealing: Dealing) -> None:
        self._client = client
        self._names = names
        self._dealing = dealing
        self._pulling: asyncio.Task[None] | None = None

    @property
    def is_pulling(self) -> bool:
        return self._pulling is not None and not self._pulling.done() and self._client.connection.is_connected

    async def connect(self) -> None:
        await self._client.connect()
        await _ensure_stream(self._client, _requests_stream(self._names))
        subscription = await self._client.connection.jetstream().pull_subscribe(
            self._names.requests,
            durable=self._names.group,
            stream=self._names.requests_stream,
            config=ConsumerConfig(ack_wait=_HANDLED_WITHIN_S, max_deliver=-1),
        )
        self._pulling = asyncio.create_task(
            self._pull(subscription), name="nats-pull", context=apart_from_the_request()
        )

    async def stop(self) -> None:
        if self._pulling is not None:
            self._pulling.cancel()
            await asyncio.gather(self._pulling, return_exceptions=True)
        await self._client.stop()

    async def _pull(self, subscription: JetStreamContext.PullSubscription) -> None:
        while True:
            try:
                messages = await subscription.fetch(AT_ONCE, timeout=1.0)
            except TimeoutError:
                continue
            await asyncio.gather(*(self._deal(message) for message in messages))

    async def _deal(self, message: Msg) -> None:
        await self._dealing.deal(
            message.data, bury=self._bury, acknowledge=message.ack_sync, put_back=message.nak
        )

    async def _bury(self, letter: bytes) -> None:
        await self._client.publish(
            letter, subject=self._names.dead, stream=self._names.requests_stream, timeout=CONFIRMED_WITHIN_S
        )


class NatsQueue(QueueLink[NatsConsumer]):
    """Requests from the subject ``{prefix}.job-requests``, by a durable consumer that all processes share."""

    def __init__(self, address: BrokerAddress, names: Names) -> None:
        super().__init__(names)
        self._address = address

    def _make(self, dealing: Dealing) -> NatsConsumer:
        return NatsConsumer(_broker(self._address), self._names, dealing)

    async def _open(self, client: NatsConsumer) -> None:
        await client.connect()

    async def _alive(self, client: NatsConsumer) -> bool:
        return client.is_pulling


def _broker(address: BrokerAddress) -> NatsBroker:
    context = address.tls_context()
    security: BaseSecurity | None = None if context is None else BaseSecurity(ssl_context=context)
    if address.username is not None and address.password is not None:
        security = NatsUserPassword(address.username, address.password, ssl_context=context)
    return NatsBroker(
        f"nats://{address.authority}",
        security=security,
        name="qs",
        # A lost connection is told at once, and made anew by whoever holds the client.
        allow_reconnect=False,
        max_reconnect_attempts=1,
        reconnect_time_wait=0,
        connect_timeout=int(CONNECTED_WITHIN_S),
        apply_types=False,
        logger=None,
    )


def _events_stream(names: Names, contexts: Iterable[str]) -> StreamConfig:
    return StreamConfig(
        name=names.events_stream,
        subjects=names.subjects(contexts),
        storage=StorageType.FILE,
        max_age=_KEPT_S,
        duplicate_window=_RECOGNISED_S,
    )


def _requests_stream(names: Names) -> StreamConfig:
    return StreamConfig(
        name=names.requests_stream,
        subjects=[names.requests, names.dead],
        retention=RetentionPolicy.LIMITS,
        storage=StorageType.FILE,
        max_age=_KEPT_S,
    )


async def _ensure_stream(client: NatsBroker, wanted: StreamConfig) -> None:
    """Makes the stream where there is none. One that is there stays as its operator made it, but for missing subjects."""
    streams = client.connection.jetstream()
    assert wanted.name is not None
    try:
        found = (await streams.stream_info(wanted.name)).config
    except NotFoundError:
        await streams.add_stream(wanted)
        return
    missing = set(wanted.subjects or ()) - set(found.subjects or ())
    if missing:
        await streams.update_stream(found.evolve(subjects=[*(found.subjects or ()), *sorted(missing)]))


def _is_final(error: Exception) -> bool:
    return isinstance(error, MaxPayloadError) or (
        isinstance(error, APIError) and error.err_code == _TOO_LARGE
    )
