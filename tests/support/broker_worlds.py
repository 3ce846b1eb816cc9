"""Each broker as another system sees it: reads the events, asks for executions, looks at the dead letters."""

import asyncio
import json
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Protocol

import aio_pika
import nats
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition
from nats.js.errors import NotFoundError

from qs.infra.brokers.addressing import BrokerAddress
from qs.infra.brokers.names import Names
from tests.support.brokers import BrokerProcess, KafkaMock, NatsServer, RabbitServer
from tests.support.nsqd import Nsqd
from tests.support.waiting import eventually

NAMES = Names("qs")
_QUIET_S = 2.0


class World(Protocol):
    kind: str

    @property
    def address(self) -> BrokerAddress: ...

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def restart(self) -> None:
        """Away for a moment, and back with what it stored."""

    async def listen(self) -> None:
        """Makes what keeps the events for a reader."""

    async def events(self) -> list[tuple[str | None, bytes]]:
        """Everything that was stored, as (id in its headers, body), in the order of the broker."""

    async def ask(self, bodies: Sequence[bytes]) -> None:
        """Sends requests for executions."""

    async def dead_letters(self) -> list[dict[str, Any]]: ...


class _OfProcess:
    server: BrokerProcess

    @property
    def address(self) -> BrokerAddress:
        return self.server.address

    async def start(self) -> None:
        await self.server.start()

    async def close(self) -> None:
        await self.server.close()

    async def restart(self) -> None:
        await self.server.kill()
        await self.server.start()


class NatsWorld(_OfProcess):
    kind = "nats"

    def __init__(self) -> None:
        self.server = NatsServer()

    async def listen(self) -> None:
        """The stream keeps everything."""

    async def events(self) -> list[tuple[str | None, bytes]]:
        return await self._read("qs.plan.*", NAMES.events_stream)

    async def ask(self, bodies: Sequence[bytes]) -> None:
        client = await nats.connect(f"nats://{self.address.authority}")
        streams = client.jetstream()

        async def is_there() -> bool:
            with suppress(NotFoundError):
                return bool(await streams.stream_info(NAMES.requests_stream))
            return False

        await eventually(is_there)
        for body in bodies:
            await streams.publish(NAMES.requests, body)
        await client.close()

    async def dead_letters(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in await self._read(NAMES.dead, NAMES.requests_stream)]

    async def _read(self, subject: str, stream: str) -> list[tuple[str | None, bytes]]:
        client = await nats.connect(f"nats://{self.address.authority}")
        found: list[tuple[str | None, bytes]] = []
        try:
            subscription = await client.jetstream().pull_subscribe(subject, stream=stream)
            with suppress(TimeoutError):
                while True:
                    for message in await subscription.fetch(1000, timeout=_QUIET_S):
                        found.append(((message.headers or {}).get("ce_id"), message.data))
                        await message.ack()
        finally:
            await client.close()
        return found


class RabbitWorld(_OfProcess):
    kind = "rabbitmq"

    def __init__(self) -> None:
        self.server = RabbitServer()
        self.events_queue = "reader"

    async def listen(self) -> None:
        async with await self._connect() as connection:
            channel = await connection.channel()
            exchange = await channel.declare_exchange(NAMES.events, aio_pika.ExchangeType.TOPIC, durable=True)
            queue = await channel.declare_queue(self.events_queue, durable=True)
            await queue.bind(exchange, "qs.plan.*")

    async def events(self) -> list[tuple[str | None, bytes]]:
        return await self._read(self.events_queue)

    async def ask(self, bodies: Sequence[bytes]) -> None:
        async with await self._connect() as connection:
            channel = await connection.channel()
            await channel.declare_queue(NAMES.requests, durable=True)
            for body in bodies:
                message = aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
                await channel.default_exchange.publish(message, routing_key=NAMES.requests)

    async def dead_letters(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in await self._read(NAMES.dead)]

    async def _connect(self) -> Any:
        return await aio_pika.connect(f"amqp://guest:guest@{self.address.authority}/")

    async def _read(self, name: str) -> list[tuple[str | None, bytes]]:
        found: list[tuple[str | None, bytes]] = []
        async with await self._connect() as connection:
            channel = await connection.channel()
            queue = await channel.declare_queue(name, durable=True)
            left = queue.declaration_result.message_count or 0
            done = asyncio.Event()

            async def take(message: Any) -> None:
                found.append((message.headers.get("ce_id"), message.body))
                if len(found) >= left:
                    done.set()

            if left:
                await queue.consume(take, no_ack=True)
                async with asyncio.timeout(300):
                    await done.wait()
        return found


class KafkaWorld(_OfProcess):
    """The mock keeps nothing over a restart: it is frozen instead; past some seconds the producer gives up on what it sent.

    Nor does it keep more than 5 MiB of a partition, so that events are read while they come.
    """

    kind = "kafka"
    server: KafkaMock

    def __init__(self) -> None:
        self.server = KafkaMock()
        self.frozen_s = 1.0
        self._events: list[tuple[str | None, bytes]] = []
        self._closing = threading.Event()
        self._reading: threading.Thread | None = None

    async def close(self) -> None:
        self._closing.set()
        if self._reading is not None:
            await asyncio.to_thread(self._reading.join)
        await super().close()

    async def restart(self) -> None:
        self.server.freeze()
        await asyncio.sleep(self.frozen_s)
        self.server.thaw()

    async def listen(self) -> None:
        consumer, _ = await asyncio.to_thread(self._consumer, NAMES.events)
        self._reading = threading.Thread(target=self._collect, args=[consumer])
        self._reading.start()

    async def events(self) -> list[tuple[str | None, bytes]]:
        known = -1
        while len(self._events) > known:
            known = len(self._events)
            await asyncio.sleep(_QUIET_S)
        return list(self._events)

    async def ask(self, bodies: Sequence[bytes]) -> None:
        producer = Producer({"bootstrap.servers": self.address.authority})
        for body in bodies:
            producer.produce(NAMES.requests, body)
        assert await asyncio.to_thread(producer.flush, 30) == 0

    async def dead_letters(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in await asyncio.to_thread(self._read, NAMES.dead)]

    def _collect(self, consumer: Consumer) -> None:
        while not self._closing.is_set():
            for message in consumer.consume(1000, timeout=0.1):
                if not message.error():
                    self._events.append(_headed(message))
        consumer.close()

    def _consumer(self, topic: str) -> tuple[Consumer, int]:
        """From the first message of every partition on; with how many there are."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.address.authority,
                "group.id": "reader",
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "allow.auto.create.topics": True,
            }
        )
        # Asking makes the topic; it has partitions a moment later.
        while not (partitions := consumer.list_topics(topic, timeout=30).topics[topic].partitions):
            time.sleep(0.05)
        consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in partitions])
        return consumer, len(partitions)

    def _read(self, topic: str) -> list[tuple[str | None, bytes]]:
        consumer, partitions = self._consumer(topic)
        found: list[tuple[str | None, bytes]] = []
        ended: set[int] = set()
        try:
            while len(ended) < partitions:
                message = consumer.poll(30)
                assert message is not None, "the mock does not answer"
                if message.error():
                    ended.add(message.partition() or 0)
                else:
                    found.append(_headed(message))
        finally:
            consumer.close()
        return found


def _headed(message: Any) -> tuple[str | None, bytes]:
    headers = dict(message.headers() or [])
    return headers.get("ce_id", b"").decode() or None, message.value()


class NsqWorld:
    kind = "nsq"

    def __init__(self) -> None:
        self.server = Nsqd()

    @property
    def address(self) -> BrokerAddress:
        return BrokerAddress("127.0.0.1", self.server.port)

    async def start(self) -> None:
        await self.server.start()

    async def close(self) -> None:
        await self.server.stop()

    async def restart(self) -> None:
        await self.server.restart()

    async def listen(self) -> None:
        """The server keeps everything."""

    async def events(self) -> list[tuple[str | None, bytes]]:
        return [(None, body) for body in self.server.received[NAMES.events]]

    async def ask(self, bodies: Sequence[bytes]) -> None:
        for body in bodies:
            self.server.put(NAMES.requests, body)

    async def dead_letters(self) -> list[dict[str, Any]]:
        return [json.loads(body) for body in self.server.received[NAMES.dead]]


WORLDS = {world.kind: world for world in (NatsWorld, RabbitWorld, KafkaWorld, NsqWorld)}
