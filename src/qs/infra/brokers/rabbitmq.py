"""RabbitMQ: a durable topic exchange for the events, and a durable queue for requests."""

import asyncio
from collections.abc import Sequence
from typing import Any

import structlog
from aiormq.abc import DeliveredMessage
from faststream import AckPolicy
from faststream.rabbit import Channel, ExchangeType, RabbitBroker, RabbitExchange, RabbitMessage, RabbitQueue
from faststream.security import BaseSecurity, SASLPlaintext

from qs.application.kernel.brokers import CONTENT_TYPE, BrokerUnavailable, OutgoingEvent
from qs.domain.kernel.errors import QsError
from qs.infra.brokers.addressing import BrokerAddress
from qs.infra.brokers.linking import Dealing, EventLink, QueueLink
from qs.infra.brokers.names import AT_ONCE, CONFIRMED_WITHIN_S, CONNECTED_WITHIN_S, Names, headers_of

_log = structlog.get_logger()


class RabbitEvents(EventLink[RabbitBroker]):
    """Events to the exchange ``{prefix}.events``, with the routing key ``{prefix}.{context}.{EventName}``.

    They are persistent, and confirmed when every queue that is bound for them has them on its disk. What no queue is
    bound for is confirmed too, and told in the log.
    """

    def __init__(self, address: BrokerAddress, names: Names) -> None:
        super().__init__(names)
        self._address = address
        self._exchange = RabbitExchange(names.events, type=ExchangeType.TOPIC, durable=True)

    def _make(self) -> RabbitBroker:
        return _broker(self._address)

    async def _open(self, client: RabbitBroker) -> None:
        await client.connect()
        await client.declare_exchange(self._exchange)

    async def _send(self, client: RabbitBroker, events: Sequence[OutgoingEvent]) -> list[QsError | None]:
        told = await asyncio.gather(*(self._send_one(client, event) for event in events))
        unrouted = sum(isinstance(each, DeliveredMessage) for each in told)
        if unrouted:
            _log.warning("events_unrouted", exchange=self._names.events, events=unrouted)
        return [BrokerUnavailable() if isinstance(each, BrokerUnavailable) else None for each in told]

    async def _send_one(self, client: RabbitBroker, event: OutgoingEvent) -> object:
        """RabbitMQ's confirmation, or what it gave back; it refuses nothing for good."""
        try:
            return await client.publish(
                event.body,
                exchange=self._exchange,
                routing_key=self._names.subject(event),
                mandatory=True,
                persist=True,
                message_id=event.id,
                correlation_id=event.id,
                content_type=CONTENT_TYPE,
                headers={**headers_of(event)},
                timeout=CONFIRMED_WITHIN_S,
            )
        except Exception:  # noqa: BLE001 - whatever it is, the event is not confirmed
            return BrokerUnavailable()


class RabbitRequests(QueueLink[RabbitBroker]):
    """Requests from the queue ``{prefix}.job-requests``, which all processes share."""

    def __init__(self, address: BrokerAddress, names: Names) -> None:
        super().__init__(names)
        self._address = address

    def _make(self, dealing: Dealing) -> RabbitBroker:
        client = _broker(self._address)

        async def bury(letter: bytes) -> None:
            await client.publish(
                letter,
                queue=self._names.dead,
                persist=True,
                content_type="application/json",
                timeout=CONFIRMED_WITHIN_S,
            )

        async def receive(message: RabbitMessage) -> None:
            await dealing.deal(
                message.body, bury=bury, acknowledge=message.ack, put_back=lambda: message.nack(requeue=True)
            )

        client.subscriber(
            RabbitQueue(self._names.requests, durable=True), ack_policy=AckPolicy.MANUAL, decoder=_undecoded
        )(receive)
        return client

    async def _open(self, client: RabbitBroker) -> None:
        await client.connect()
        await client.declare_queue(RabbitQueue(self._names.dead, durable=True))
        await client.start()

    async def _alive(self, client: RabbitBroker) -> bool:
        return await client.ping(0.2)


def _broker(address: BrokerAddress) -> RabbitBroker:
    context = address.tls_context()
    security: BaseSecurity | None = None if context is None else BaseSecurity(ssl_context=context)
    if address.username is not None and address.password is not None:
        security = SASLPlaintext(address.username, address.password, ssl_context=context)
    return RabbitBroker(
        None,
        host=address.host,
        port=address.port,
        virtualhost=address.virtual_host,
        security=security,
        timeout=CONNECTED_WITHIN_S,
        default_channel=Channel(prefetch_count=AT_ONCE),
        app_id="qs",
        apply_types=False,
        logger=None,
    )


async def _undecoded(message: Any) -> Any:
    return message
