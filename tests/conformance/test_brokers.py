"""What holds for every broker: events are stored as sent or sent again, requests are handled or kept for people.

NATS and RabbitMQ are the servers of Debian, Kafka is the mock cluster of its client's own tests, NSQ a server of its protocol.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from uuid import uuid4

import pytest

from qs.application.kernel.brokers import (
    BrokerUnavailable,
    DeadLetter,
    EventBroker,
    MessageHandler,
    MessageRefused,
    OutgoingEvent,
    settled,
)
from qs.infra.brokers.addressing import BrokerAddress
from qs.infra.brokers.choosing import make_events, make_queue
from tests.support.broker_worlds import NAMES, WORLDS, NsqWorld, World
from tests.support.brokers import NatsServer
from tests.support.certificates import make_certificate
from tests.support.ports import lasting_port
from tests.support.waiting import eventually

KINDS = [
    "kafka",
    "nsq",
    pytest.param("nats", marks=pytest.mark.system),
    pytest.param("rabbitmq", marks=pytest.mark.system),
]


@pytest.fixture(params=KINDS)
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    world: World = WORLDS[request.param]()
    try:
        await world.start()
        yield world
    finally:
        await world.close()


@pytest.fixture
async def broker(world: World) -> AsyncIterator[EventBroker]:
    made = make_events(world.kind, world.address, NAMES)
    yield made
    await made.aclose()


@asynccontextmanager
async def consuming(world: World, handle: MessageHandler) -> AsyncIterator[None]:
    """Takes requests for the length of the block, as a worker does: whatever happens to the connection."""
    stop = asyncio.Event()

    async def work() -> None:
        while not stop.is_set():
            with suppress(BrokerUnavailable):
                await make_queue(world.kind, world.address, NAMES).consume(handle, stop)
            await asyncio.sleep(0.05)

    working = asyncio.create_task(work())
    try:
        yield
    finally:
        stop.set()
        await working


def some_events(count: int, keys: int = 7) -> list[OutgoingEvent]:
    ids = [str(uuid4()) for _ in range(count)]
    return [
        OutgoingEvent(
            id_,
            f"key-{n % keys}",
            "plan",
            "TaskOpened",
            json.dumps({"n": n, "id": id_, "pad": "x" * 400}).encode(),
        )
        for n, id_ in enumerate(ids)
    ]


async def publish_all(
    broker: EventBroker,
    events: Sequence[OutgoingEvent],
    batch: int = 500,
    halfway: Callable[[], object] = lambda: None,
) -> int:
    """How often something was not confirmed."""
    left, again, half = list(events), 0, len(events) // 2
    async with asyncio.timeout(120):
        while left:
            done = 0
            with suppress(BrokerUnavailable):
                await broker.connect()
                done = settled(await broker.publish(left[:batch]))
            if done < len(left[:batch]):
                again += 1
                await asyncio.sleep(0.05)
            del left[:done]
            if half and len(left) <= half:
                halfway()
                half = 0
    return again


async def test_events_are_stored_as_sent_in_order_per_key_and_none_is_lost_over_a_restart(
    world: World, broker: EventBroker
):
    await world.listen()
    events = some_events(4_000)
    assert await publish_all(broker, events[:2_000]) == 0

    before = await world.events()

    if world.kind != "nsq":
        assert [id_ for id_, _ in before] == [json.loads(body)["id"] for _, body in before]
    for key in range(7):
        numbers = [json.loads(body)["n"] for _, body in before]
        assert [n for n in numbers if n % 7 == key] == list(range(key, 2_000, 7))

    restarts: list[asyncio.Task[None]] = []
    again = await publish_all(
        broker,
        events[2_000:],
        batch=100,
        # Begins while the next batch is on its way.
        halfway=lambda: restarts.append(asyncio.create_task(world.restart())),
    )
    await restarts[0]

    bodies = [body for _, body in [*before, *await world.events()]]
    assert set(bodies) == {event.body for event in events}
    if world.kind != "kafka":
        assert again > 0


@pytest.mark.parametrize(
    # The mock makes a new member of a group wait for what became of the one before.
    "world",
    [pytest.param("kafka", marks=pytest.mark.system), *KINDS[1:]],
    indirect=True,
)
async def test_requests_are_handled_put_back_or_kept_for_people(world: World):
    handled: list[bytes] = []

    async def handle(body: bytes) -> DeadLetter | None:
        handled.append(body)
        if body == b"bad":
            return DeadLetter("request.bad", "it is of no use")
        if body == b"later" and handled.count(body) == 1:
            raise TimeoutError
        return None

    async def until(*bodies: bytes) -> None:
        async def are_handled() -> bool:
            return set(bodies) <= set(handled)

        await eventually(are_handled)

    async def later_came_again() -> bool:
        return handled.count(b"later") >= 2

    async with consuming(world, handle):
        await world.ask([b"good", b"later", b"bad"])
        await until(b"good", b"bad")
        await eventually(later_came_again)
    handled.clear()

    async with consuming(world, handle):
        await world.ask([b"last"])
        await until(b"last")
        # What was acknowledged does not come again.
        assert handled == [b"last"]
        await world.restart()
        await world.ask([b"after"])
        await until(b"after")
    letters = await world.dead_letters()

    # A broker that is killed may forget an acknowledgement.
    assert {(each["code"], each["message"]) for each in letters} == {("request.bad", "bad")}


@pytest.mark.parametrize(
    # Kafka's client asks for four seconds, twice.
    "kind",
    [pytest.param("kafka", marks=pytest.mark.system), "nats", "rabbitmq", "nsq"],
)
async def test_a_broker_that_is_not_there_is_told_and_nothing_counts_as_stored(kind: str):
    nowhere = BrokerAddress("127.0.0.1", lasting_port())
    broker = make_events(kind, nowhere, NAMES)

    with pytest.raises(BrokerUnavailable):
        await broker.connect()
    outcomes = await broker.publish(some_events(2))
    with pytest.raises(BrokerUnavailable):
        await make_queue(kind, nowhere, NAMES).consume(nothing, asyncio.Event())
    await broker.aclose()

    assert [type(outcome) for outcome in outcomes] == [BrokerUnavailable, BrokerUnavailable]


async def nothing(body: bytes) -> None: ...


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_too_large_is_refused_and_holds_up_nobody(kind: str):
    if kind == "rabbitmq":
        pytest.skip("it takes messages of 128 MiB")
    world: World = WORLDS[kind]()
    await world.start()
    broker = make_events(kind, world.address, NAMES)
    try:
        await world.listen()
        small, large = some_events(1)[0], some_events(1)[0]._replace(body=b"x" * 2_000_000)
        await broker.connect()

        outcomes = await broker.publish([small, large])

        assert outcomes[0] is None
        assert isinstance(outcomes[1], MessageRefused)
        assert [body for _, body in await world.events()] == [small.body]
    finally:
        await broker.aclose()
        await world.close()


async def test_nsq_asks_for_its_secret():
    world = NsqWorld()
    world.server.secret = "s3cret"
    await world.start()
    known = BrokerAddress("127.0.0.1", world.address.port, password="s3cret")
    unknown = BrokerAddress("127.0.0.1", world.address.port)
    try:
        for address, good in ((known, True), (unknown, False)):
            broker = make_events("nsq", address, NAMES)
            if good:
                assert await publish_all(broker, some_events(3)) == 0
            else:
                with pytest.raises(BrokerUnavailable):
                    await broker.connect()
            await broker.aclose()
    finally:
        await world.close()

    assert len(await world.events()) == 3


@pytest.mark.system
async def test_nats_is_spoken_to_over_tls_with_a_login_and_to_nobody_else():
    server = NatsServer()
    certificate, key = make_certificate(server.home)
    server.options = ("--tls", "--tlscert", certificate, "--tlskey", key, "--user", "qs", "--pass", "s3cret")
    await server.start()
    good = BrokerAddress("127.0.0.1", server.port, "qs", "s3cret", tls=True, ca_file=certificate)
    bad = [replace(good, password="other"), replace(good, ca_file=None), replace(good, tls=False)]
    try:
        broker = make_events("nats", good, NAMES)
        assert await publish_all(broker, some_events(3)) == 0
        await broker.aclose()
        for address in bad:
            with pytest.raises(BrokerUnavailable):
                await make_events("nats", address, NAMES).connect()
    finally:
        await server.close()
