"""Kafka: one topic for the events, partitioned by their partition key, and one for requests."""

import asyncio
from collections.abc import Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from faststream import AckPolicy
from faststream.confluent import KafkaBroker, KafkaMessage, Topic
from faststream.confluent.helpers.config import ConfluentConfig

from qs.application.kernel.brokers import BrokerUnavailable, MessageRefused, OutgoingEvent
from qs.domain.kernel.errors import QsError
from qs.infra.brokers.addressing import BrokerAddress
from qs.infra.brokers.linking import Dealing, EventLink, QueueLink
from qs.infra.brokers.names import CONFIRMED_WITHIN_S, CONNECTED_WITHIN_S, Names, headers_of

_FINAL = (KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_MSG, KafkaError.INVALID_RECORD)
# The broker's own clock stops the wait for a message a little before ours.
_GIVEN_UP_AFTER_S = CONFIRMED_WITHIN_S - 1


class KafkaEvents(EventLink[KafkaBroker]):
    """Events to the topic ``{prefix}.events``: stored by all replicas in sync, once per sending, in order per key."""

    def __init__(self, address: BrokerAddress, names: Names) -> None:
        super().__init__(names)
        self._address = address

    def _make(self) -> KafkaBroker:
        return _broker(self._address)

    async def _open(self, client: KafkaBroker) -> None:
        await client.connect()
        if not await client.ping(CONNECTED_WITHIN_S - 1):
            raise BrokerUnavailable

    async def _send(self, client: KafkaBroker, events: Sequence[OutgoingEvent]) -> list[QsError | None]:
        sent = [await self._begin(client, event) for event in events]
        waiting = [each for each in sent if isinstance(each, asyncio.Future)]
        if waiting:
            await asyncio.wait(waiting, timeout=CONFIRMED_WITHIN_S)
        return [_outcome(each) if isinstance(each, asyncio.Future) else each for each in sent]

    async def _begin(self, client: KafkaBroker, event: OutgoingEvent) -> "asyncio.Future[Any] | QsError":
        """The confirmation to come, or what is wrong already."""
        try:
            return await client.publish(
                event.body,
                topic=self._names.events,
                key=event.key.encode(),
                headers=headers_of(event),
                correlation_id=event.id,
                no_confirm=True,
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, the event is not confirmed
            return MessageRefused() if _is_final(error) else BrokerUnavailable()


class KafkaQueue(QueueLink[KafkaBroker]):
    """Requests from the topic ``{prefix}.job-requests``, by a consumer group that all processes share."""

    def __init__(self, address: BrokerAddress, names: Names) -> None:
        super().__init__(names)
        self._address = address

    def _make(self, dealing: Dealing) -> KafkaBroker:
        client = _broker(self._address)

        async def bury(letter: bytes) -> None:
            await client.publish(letter, topic=self._names.dead)

        async def put_back() -> None:
            """Nothing is put back into a partition: what comes behind waits."""

        async def receive(message: KafkaMessage) -> None:
            # A commit is one of everything read so far, so nothing may be acknowledged behind what was given up.
            while not dealing.ended.is_set():
                if await dealing.deal(message.body, bury=bury, acknowledge=message.ack, put_back=put_back):
                    return

        # Topics are made by the broker where it allows that, with its own number of partitions and replicas.
        client.subscriber(
            Topic(self._names.requests, declare=False),
            group_id=self._names.group,
            auto_offset_reset="earliest",
            ack_policy=AckPolicy.MANUAL,
            decoder=_undecoded,
        )(receive)
        return client

    async def _open(self, client: KafkaBroker) -> None:
        await client.connect()
        if not await client.ping(CONNECTED_WITHIN_S - 1):
            raise BrokerUnavailable
        await client.start()

    async def _alive(self, client: KafkaBroker) -> bool:
        # Its client finds the brokers again by itself, whatever became of them.
        return True


def _broker(address: BrokerAddress) -> KafkaBroker:
    return KafkaBroker(
        address.authority,
        client_id="qs",
        acks="all",
        enable_idempotence=True,
        linger_ms=5,
        config=_config(address),
        apply_types=False,
        logger=None,
    )


def _config(address: BrokerAddress) -> ConfluentConfig:
    protocol = "ssl" if address.tls else "plaintext"
    config: ConfluentConfig = {"delivery.timeout.ms": int(_GIVEN_UP_AFTER_S * 1000)}
    if address.username is not None and address.password is not None:
        protocol = f"sasl_{protocol}"
        config["sasl.mechanism"] = address.mechanism.upper()
        config["sasl.username"] = address.username
        config["sasl.password"] = address.password
    config["security.protocol"] = protocol
    if address.ca_file is not None:
        config["ssl.ca.location"] = str(address.ca_file)
    return config


async def _undecoded(message: Any) -> Any:
    return message


def _outcome(confirmation: "asyncio.Future[Any]") -> QsError | None:
    if not confirmation.done():
        return BrokerUnavailable()
    error = confirmation.exception()
    if error is None:
        return None
    return MessageRefused() if _is_final(error) else BrokerUnavailable()


def _is_final(error: BaseException) -> bool:
    first = error.args[0] if isinstance(error, KafkaException) and error.args else None
    return isinstance(first, KafkaError) and first.code() in _FINAL
