"""What comes over the wire is bounded before the application sees any of it, and every refusal is a problem."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from qs.container import Container
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.interface.cli import protocol
from qs.interface.rest import access_log
from qs.interface.rest.app import create_app
from qs.interface.rest.bodies import BODY_BYTES, BULK_BODY_BYTES
from tests.support.waiting import eventually

PLANS = "/api/v1/plans"
PLAN = b'{"name": "n", "scale_code": "PHQ-9", "schedule_type": "by_day", "interval": 1, "total_times": 1}'
NOWHERE = "/api/v1/plans/00000000-0000-7000-8000-000000000000"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> str:
        assert self.headers["content-type"] == "application/problem+json", self
        problem = json.loads(self.body)
        assert problem["status"] == problem["code"] == self.status
        assert problem["instance"] == self.headers["x-request-id"]
        return str(problem["error"])


class Wire:
    """One connection, on which a test writes what it likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, token: str) -> None:
        self.reader, self.writer, self.token = reader, writer, token

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        # Whoever is refused in the middle may find nobody who reads.
        try:
            await self.writer.drain()
        except ConnectionError:
            return

    async def ask(self, request: str, body: bytes = b"", **fields: str) -> Answer:
        """The answer to ``METHOD TARGET`` with an administrator's token."""
        await self.send(self.head(request, **fields) + body)
        return await self.answer()

    def head(self, request: str, **fields: str) -> bytes:
        fields = {"Host": "qs.test", "Authorization": f"Bearer {self.token}", **fields}
        lines = [f"{request} HTTP/1.1", *(f"{name.replace('_', '-')}: {v}" for name, v in fields.items())]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    async def answer(self) -> Answer:
        async with asyncio.timeout(60):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            status_line, *lines = head.rstrip().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return Answer(int(status_line.split()[1]), headers, body)

    async def ends(self) -> bytes:
        """What still comes until the server closes the connection."""
        async with asyncio.timeout(60):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""


Connect = Callable[[], Any]


@pytest.fixture
def state() -> ServerState:
    """What the server knows of its connections."""
    return ServerState()


@pytest.fixture
async def connect(container: Container, state: ServerState) -> AsyncIterator[Connect]:
    """Opens connections to the application behind the protocol of ``qs api``."""
    app = create_app(container)
    app.state.ready = True
    config = uvicorn.Config(app, log_config=None, lifespan="off", ws="none", proxy_headers=False)
    config.load()

    def accept() -> protocol.BoundedProtocol:
        return protocol.BoundedProtocol(config=config, server_state=state, app_state={})

    server = await asyncio.get_running_loop().create_server(accept, "127.0.0.1", 0)
    issued = await container.token_issuing().issue(
        DEFAULT_TENANT, ["admin"], timedelta(hours=1), actor="test"
    )

    @asynccontextmanager
    async def connect() -> AsyncIterator[Wire]:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        try:
            yield Wire(reader, writer, issued.token)
        finally:
            writer.close()

    yield connect
    server.close()
    for connection in list(state.connections):
        connection.transport.abort()
    async with asyncio.timeout(30):
        while state.tasks or state.connections:
            await asyncio.sleep(0.01)


JSON = {"Content_Type": "application/json"}


@pytest.mark.parametrize("used_before", [True, False])
async def test_a_request_that_meets_the_end_of_the_server_is_answered(
    connect: Connect, state: ServerState, used_before: bool
) -> None:
    async with connect() as wire:
        if used_before:
            assert (await wire.ask(f"GET {NOWHERE}")).status == 404
        await eventually(lambda: connected(state))
        for connection in list(state.connections):
            connection.shutdown()

        answer = await wire.ask(f"GET {NOWHERE}")

        assert (answer.status, answer.headers["connection"]) == (404, "close")
        assert await wire.ends() == b""


async def test_a_connection_without_a_request_does_not_keep_the_server_from_ending(
    connect: Connect, state: ServerState
) -> None:
    async with connect() as idle, connect() as begun:
        await begun.send(b"GET / HTTP/1.1\r\nX: ")
        await eventually(lambda: connected(state, 2))
        for connection in list(state.connections):
            connection.shutdown()

        assert await idle.ends() == b""
        assert await begun.ends() == b""


async def connected(state: ServerState, count: int = 1) -> bool:
    return len(state.connections) == count


async def test_a_head_has_an_end(connect: Connect) -> None:
    heads: list[tuple[dict[str, str], int]] = [
        ({f"X-{n}": "1" for n in range(protocol.HEAD_FIELDS - 2)}, 404),
        ({f"X-{n}": "1" for n in range(protocol.HEAD_FIELDS - 1)}, 431),
        ({"X": "1" * (protocol.FIELDS_BYTES - 1000)}, 404),
        ({"X": "1" * protocol.FIELDS_BYTES}, 431),
        ({"X" * protocol.FIELDS_BYTES: "1"}, 431),
    ]
    for fields, status in heads:
        async with connect() as wire:
            answer = await wire.ask(f"GET {NOWHERE}", **fields)

            assert answer.status == status
            if status == 431:
                assert answer.error == "request.head_too_large"
                assert await wire.ends() == b""


@pytest.mark.parametrize(
    "begun",
    [
        b"GET / HTTP/1.1\r\nX: ",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n \r\n0\r\nX: ",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;x=",
    ],
    ids=["in the head", "after the body", "in a chunk"],
)
async def test_a_field_that_never_ends_is_not_collected_for_ever(connect: Connect, begun: bytes) -> None:
    async with connect() as wire:
        await wire.send(begun)
        for _ in range(100):
            await wire.send(b"x" * 65_536)

        # Much more than fits between the two was sent, so somebody took it, or nobody is there any more.
        assert wire.writer.is_closing()


async def test_a_url_has_an_end(connect: Connect) -> None:
    for length, status, error in ((100_000, 404, "entry.absent"), (200_000, 414, "request.url_too_long")):
        async with connect() as wire:
            answer = await wire.ask(f"GET /api/v1/entries?token={'A' * length}")

            assert (answer.status, answer.error) == (status, error)


async def test_a_body_has_an_end_with_and_without_a_length(connect: Connect) -> None:
    async with connect() as wire:
        said = await wire.ask(f"POST {PLANS}", Content_Length=str(BODY_BYTES + 1), **JSON)
    async with connect() as wire:
        await wire.send(wire.head(f"POST {PLANS}", Transfer_Encoding="chunked", **JSON))
        for _ in range(BODY_BYTES // 65_536 + 2):
            await wire.send(b"10000\r\n" + b" " * 65_536 + b"\r\n")
        unsaid = await wire.answer()
    bulk = f"{NOWHERE}/enrollments/bulk"
    async with connect() as wire:
        large = await wire.ask(f"POST {bulk}", Content_Length=str(BULK_BODY_BYTES + 1), **JSON)
    async with connect() as wire:
        body = b'{"rows": [' + b" " * (2 * BODY_BYTES) + b"]}"
        fits = await wire.ask(f"POST {bulk}", body, Content_Length=str(len(body)), **JSON)

    assert (said.status, said.error) == (413, "body.too_large")
    assert (unsaid.status, unsaid.error) == (413, "body.too_large")
    assert (large.status, large.error) == (413, "body.too_large")
    assert fits.status in (404, 422)


async def test_a_body_in_chunks_is_read_as_any_other(connect: Connect) -> None:
    async with connect() as wire:
        chunks = b"".join(b"%x\r\n%s\r\n" % (1, PLAN[n : n + 1]) for n in range(len(PLAN)))
        answer = await wire.ask(f"POST {PLANS}", chunks + b"0\r\n\r\n", Transfer_Encoding="chunked", **JSON)

    assert answer.status == 201


async def test_fields_after_the_body_are_not_believed(connect: Connect) -> None:
    async with connect() as wire:
        head = wire.head(f"POST {PLANS}", Authorization="", Transfer_Encoding="chunked", **JSON)
        trailer = f"Authorization: Bearer {wire.token}\r\n".encode()
        await wire.send(head + b"%x\r\n%s\r\n0\r\n%s\r\n" % (len(PLAN), PLAN, trailer))

        assert (await wire.answer()).status == 401


async def test_compressed_bodies_are_not_read(connect: Connect) -> None:
    body = gzip.compress(PLAN)
    for encoding in ("gzip", "deflate", "br", "gzip, identity"):
        async with connect() as wire:
            answer = await wire.ask(
                f"POST {PLANS}", body, Content_Encoding=encoding, Content_Length=str(len(body)), **JSON
            )

            assert (answer.status, answer.error) == (415, "media_type.encoded")
            assert answer.headers["accept-encoding"] == "identity"


async def test_requests_that_do_not_wait_for_an_answer_get_theirs_in_order(connect: Connect) -> None:
    async with connect() as wire:
        asked = [
            wire.head("GET /health/alive"),
            wire.head(f"POST {PLANS}", Content_Length=str(len(PLAN)), **JSON) + PLAN,
            wire.head(f"HEAD {PLANS}"),
            wire.head(f"GET {NOWHERE}"),
        ]
        await wire.send(b"".join(asked))
        first, second = await wire.answer(), await wire.answer()
        head = (await wire.reader.readuntil(b"\r\n\r\n")).decode()
        last = await wire.answer()

    assert (first.status, second.status, last.status) == (200, 201, 404)
    assert head.startswith("HTTP/1.1 200 ")


async def test_a_target_may_name_the_host_and_nothing_believes_it(connect: Connect) -> None:
    async with connect() as wire:
        answer = await wire.ask("GET http://elsewhere.example/health/alive")

    assert answer.status == 200
    assert b"elsewhere" not in answer.body


NO_REQUESTS = [
    b"nonsense\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET http://host HTTP/1.1\r\nHost: x\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    b"CONNECT host:443 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /health/alive HTTP/1.1\r\nBad Name: x\r\n\r\n",
    b"GET /health/alive HTTP/1.1\r\nX: a\x00b\r\n\r\n",
    b"GET /health/alive HTTP/1.1\nHost: x\n Folded: y\n\n",
    b"POST /api/v1/plans HTTP/1.1\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcd",
    b"POST /api/v1/plans HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\nabcd",
    b"POST /api/v1/plans HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    b"POST /api/v1/plans HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
    b"POST /api/v1/plans HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    b"POST /api/v1/plans HTTP/1.1\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
]


@pytest.mark.parametrize("sent", NO_REQUESTS, ids=lambda sent: repr(sent[:60]))
async def test_what_is_no_request_is_answered_with_400_or_a_refusal_and_never_with_500(
    connect: Connect, sent: bytes
) -> None:
    async with connect() as wire:
        await wire.send(sent)
        answer = await wire.answer()

        assert answer.status in (400, 401, 404, 405), answer
        assert answer.error


async def test_a_head_that_does_not_come_is_given_up(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(protocol, "HEAD_WITHIN_S", 0.5)

    async with connect() as silent, connect() as slow:
        await slow.send(b"GET /health/alive HTTP/1.1\r\nHo")
        answer = await slow.answer()

        assert (answer.status, answer.error) == (408, "request.timeout")
        assert await slow.ends() == await silent.ends() == b""


async def test_a_body_that_does_not_come_is_given_up(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "LOOK_EVERY_S", 0.05)

    async with connect() as wire:
        await wire.send(wire.head(f"POST {PLANS}", Content_Length="1000", **JSON) + b"{")
        answer = await wire.answer()

        assert (answer.status, answer.error) == (408, "request.timeout")
        assert await wire.ends() == b""


async def test_what_is_answered_and_still_comes_is_cut_off(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    # By the first look it must have been answered.
    monkeypatch.setattr(protocol, "LOOK_EVERY_S", 1.0)

    async with connect() as wire:
        answer = await wire.ask(f"POST {PLANS}", Content_Length=str(10 * BODY_BYTES), **JSON)

        assert answer.status == 413
        assert await wire.ends() == b""


async def test_an_open_connection_is_not_given_up_while_its_requests_come(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "LOOK_EVERY_S", 0.02)

    async with connect() as wire:
        for _ in range(5):
            assert (await wire.ask("GET /health/alive")).status == 200
            # Not before: the first head has its time from the connection on.
            monkeypatch.setattr(protocol, "HEAD_WITHIN_S", 0.02)
            await asyncio.sleep(0.05)


async def test_whoever_goes_away_in_the_middle_of_a_body_causes_no_failure(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[int] = []
    monkeypatch.setattr(access_log, "record", lambda *facts: served.append(facts[3]))

    for fields in ({}, {"Idempotency_Key": "k"}):
        async with connect() as wire:
            await wire.send(wire.head(f"POST {PLANS}", Content_Length="1000", **JSON, **fields) + b"{")
            # The server has the head once it answers somebody else on a later connection.
            async with connect() as other:
                await other.ask("GET /health/alive")
            wire.writer.transport.abort()

    async def all_over() -> bool:
        return len(served) == 4

    await eventually(all_over)
    assert sorted(served) == [200, 200, 400, 400]
