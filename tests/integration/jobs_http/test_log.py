"""What executions write: read piece by piece, and followed while it is written."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from httpx import AsyncClient

from qs.application.scheduler.executors import OutputStream
from qs.interface.rest.scheduler import following
from tests.support.waiting import eventually

from .steps import V1, data_of, details_of, make_job, problem_of, run_job

WEB = {"name": "web", "target": {"http": {"url": "https://example.org"}}}


class Stream:
    """A client that reads events as they come, over the ASGI application itself, and may go away."""

    def __init__(self, app: Any, path: str, query: str, headers: dict[str, str]) -> None:
        self.status: int | None = None
        self.headers: dict[str, str] = {}
        self.text, self.ended = "", False
        self._left = asyncio.Event()
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": query.encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
            "client": ("127.0.0.1", 50_000),
            "server": ("qs.test", 80),
        }
        self._task = asyncio.create_task(app(scope, self._receive, self._send))
        self._asked = False

    async def _receive(self) -> dict[str, Any]:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            self.text += message.get("body", b"").decode()
            self.ended = not message.get("more_body", False)
            if self.ended:
                self._left.set()

    def events(self) -> list[tuple[int, str, dict[str, Any]]]:
        """(id, event, data) of all that came."""
        found = []
        for block in self.text.split("\n\n"):
            lines = dict(line.split(": ", 1) for line in block.split("\n") if line and line[0] not in ":r")
            if "event" in lines:
                found.append((int(lines["id"]), lines["event"], json.loads(lines["data"])))
        return found

    async def until(self, condition: Callable[["Stream"], Any]) -> None:
        async def holds() -> Any:
            return condition(self)

        await eventually(holds)

    async def leave(self) -> None:
        self._left.set()
        await asyncio.wait_for(self._task, 30)


@pytest.fixture
def follow(app, api):
    streams = []

    def begin(run, query="follow=true", **headers):
        path = f"{V1}/executions/{run['id']}/log"
        authorization = {"Authorization": api.headers["Authorization"]}
        streams.append(Stream(app, path, query, authorization | headers))
        return streams[-1]

    return begin


@pytest.fixture
async def running(api, http, worker):
    """A run whose executor does what the test says."""
    http.may_end.clear()
    run = await run_job(api, await make_job(api, **WEB))
    await worker.begin()

    async def begun():
        return len(http.attempts)

    await eventually(begun)
    return run


async def written(api: AsyncClient, run: dict[str, Any], size: int) -> Any:
    async def kept() -> Any:
        log = data_of(await api.get(f"{V1}/executions/{run['id']}/log"))
        return log if log["next_offset"] >= size else None

    return await eventually(kept)


async def test_output_is_read_from_an_offset_on_until_it_is_over(api, http, worker, running):
    path = f"{V1}/executions/{running['id']}/log"
    empty = data_of(await api.get(path))
    await http.say(b"first line\n")
    await http.say(b"oops\n", OutputStream.STDERR)
    log = await written(api, running, 16)
    http.may_end.set()
    await worker.idle()

    assert empty == {"offset": 0, "next_offset": 0, "over": False, "pieces": []}
    assert [(piece["offset"], piece["stream"], piece["text"]) for piece in log["pieces"]] == [
        (0, "stdout", "first line\n"),
        (11, "stderr", "oops\n"),
    ]
    assert (log["over"], log["pieces"][0]["attempt"]) == (False, 1)
    part = data_of(await api.get(f"{path}?offset=6&limit=7"))
    assert [piece["text"] for piece in part["pieces"]] == ["line\n", "oo"]
    assert (part["next_offset"], part["over"]) == (13, False)
    rest = data_of(await api.get(f"{path}?offset=13"))
    assert ([piece["text"] for piece in rest["pieces"]], rest["over"]) == (["ps\n"], True)
    past = data_of(await api.get(f"{path}?offset=9007199254740992"))
    assert (past["pieces"], past["next_offset"]) == ([], 2**53)


async def test_plain_text_is_what_was_written_byte_by_byte(api, http, worker, running):
    data = b"\xff\x00 <script>\n" + "好".encode()
    await http.say(data)
    http.may_end.set()
    await worker.idle()
    path = f"{V1}/executions/{running['id']}/log"

    answer = await api.get(path, headers={"Accept": "text/plain"})
    part = await api.get(f"{path}?limit=4", headers={"Accept": "text/plain"})

    assert answer.content == data
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert (answer.headers["x-next-offset"], answer.headers["x-over"]) == (str(len(data)), "true")
    assert (part.content, part.headers["x-next-offset"]) == (data[:4], "4")


async def test_no_character_is_torn_whatever_the_pieces_are(api, http, worker, running):
    text = "测评 😀 done"
    await http.say(text.encode())
    http.may_end.set()
    await worker.idle()
    path, read, offset = f"{V1}/executions/{running['id']}/log", "", 0
    while True:
        log = data_of(await api.get(f"{path}?offset={offset}&limit=5"))
        read += "".join(piece["text"] for piece in log["pieces"])
        offset = log["next_offset"]
        if log["over"]:
            break

    assert read == text


async def test_a_long_output_is_read_in_one_go_or_in_many(api, http, worker, running):
    lines = b"".join(b"line %06d\n" % number for number in range(20_000))
    await http.say(lines)
    http.may_end.set()
    await worker.idle()

    whole = await api.get(
        f"{V1}/executions/{running['id']}/log?limit=1048576", headers={"Accept": "text/plain"}
    )

    assert whole.content == lines


async def test_a_follower_sees_output_as_it_is_written_and_the_end(http, worker, running, follow):
    stream = follow(running)
    await stream.until(lambda stream: "following" in stream.text)
    await http.say(b"one\r\ntwo\n")
    await stream.until(lambda stream: stream.events())
    await http.say(b"three", OutputStream.STDERR)
    await stream.until(lambda stream: len(stream.events()) == 2)
    http.may_end.set()
    await stream.until(lambda stream: stream.ended)

    assert stream.status == 200
    assert stream.headers["content-type"].startswith("text/event-stream")
    assert stream.headers["cache-control"] == "no-store"
    (first, kind, data), (second, _, err), (last, end, status) = stream.events()
    assert (first, kind, data) == (
        9,
        "output",
        {"offset": 0, "attempt": 1, "stream": "stdout", "text": "one\r\ntwo\n"},
    )
    assert (second, err["text"]) == (14, "three")
    assert (last, end, status) == (14, "end", {"status": "succeeded"})
    assert len(following.FOLLOWERS) == 0


async def test_a_follower_that_was_cut_off_goes_on_where_it_was(http, worker, running, follow):
    await http.say(b"seen\n")
    stream = follow(running)
    await stream.until(lambda stream: stream.events())
    await stream.leave()
    await http.say(b"unseen\n")
    http.may_end.set()
    await worker.idle()

    seen = stream.events()[-1][0]
    by_header = follow(running, **{"Last-Event-ID": str(seen)})
    by_query = follow(running, f"follow=true&offset={seen}")
    for again in (by_header, by_query):
        await again.until(lambda stream: stream.ended)
        assert [event[2].get("text") for event in again.events()] == ["unseen\n", None]
    assert len(following.FOLLOWERS) == 0


async def test_a_silent_stream_shows_that_it_lives(http, running, follow, monkeypatch):
    monkeypatch.setattr(following, "HEARTBEAT_S", 0.3)
    stream = follow(running)

    await stream.until(lambda stream: stream.text.count("still there") >= 2)
    await stream.leave()

    assert len(following.FOLLOWERS) == 0


async def test_there_is_room_for_so_many_followers(api, running, follow, monkeypatch):
    monkeypatch.setattr(following.FOLLOWERS, "_most", 1)
    stream = follow(running)
    await stream.until(lambda stream: len(following.FOLLOWERS) == 1)

    refused = await api.get(f"{V1}/executions/{running['id']}/log?follow=true")
    await stream.leave()

    problem_of(refused, 503, "execution.too_many_followers")
    assert refused.headers["retry-after"]
    again = follow(running)
    await again.until(lambda stream: "following" in stream.text)
    await again.leave()


async def test_who_may_no_longer_come_in_sees_nothing_more(container, http, running, follow, monkeypatch):
    monkeypatch.setattr(following, "_LET_IN_FOR_S", 0.0)
    stream = follow(running)
    await stream.until(lambda stream: "following" in stream.text)

    def forget(*_):
        from qs.domain.identity.errors import TokenInvalid

        raise TokenInvalid

    monkeypatch.setattr(container.authentication(), "authenticate", forget)
    await http.say(b"secret")
    await stream.until(lambda stream: stream.ended)

    assert "secret" not in stream.text


async def test_followers_are_let_go_when_the_process_stops(app, running, follow):
    stream = follow(running)
    await stream.until(lambda stream: "following" in stream.text)

    app.state.ready = False
    await stream.until(lambda stream: stream.ended)

    assert [event for event in stream.events() if event[1] == "end"] == []


async def test_what_nobody_can_read_is_refused(api, running):
    path = f"{V1}/executions/{running['id']}/log"
    for query, pointer in (
        ("offset=-1", "/offset"),
        ("offset=9007199254740993", "/offset"),
        ("offset=x", "/offset"),
        ("limit=0", "/limit"),
        ("limit=1048577", "/limit"),
        ("follow=maybe", "/follow"),
        ("tail=5", "/tail"),
    ):
        assert pointer in details_of(await api.get(f"{path}?{query}"), "invalid"), query
    for header in ("abc", "-1", "9" * 30, "1;2"):
        answer = await api.get(f"{path}?follow=true", headers={"Last-Event-ID": header})
        assert "/Last-Event-ID" in details_of(answer, "invalid")


async def test_head_of_a_followed_log_ends(api, running):
    answer = await api.head(f"{V1}/executions/{running['id']}/log?follow=true")

    assert (answer.status_code, answer.content) == (200, b"")
