"""HTTP/1.1 as uvicorn speaks it, with an end to everything: how long a head may be, how many fields it has, how long a request
may take to arrive. What is refused here never reaches the application, so the answers are written here as well.
"""

import asyncio
from typing import Any

import msgspec
from uuid_utils import uuid7
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

HEAD_FIELDS = 100
FIELDS_BYTES = 65_536
URL_BYTES = 131_072
LOOK_EVERY_S = 10.0
HEAD_WITHIN_S = 20.0
BODY_BYTES_A_LOOK = 4_096
"""What must have come of a body since the last look; less than any telephone sends."""

LINGER_S = 0.3
"""How long a connection on which nothing is under way is kept when the process ends, for what is on its way to it."""

_LONGEST_URL = 65_535
_LONGEST_HEAD = URL_BYTES + 2 * FIELDS_BYTES
_TITLES = {
    400: ("Bad Request", "request.malformed", "Malformed request"),
    408: ("Request Timeout", "request.timeout", "Request took too long"),
    414: ("URI Too Long", "request.url_too_long", "URL too long"),
    431: ("Request Header Fields Too Large", "request.head_too_large", "Header fields too large"),
}
_DETAILS = {
    400: "this is no request that HTTP/1.1 allows, so it was not read; send it through an HTTP client",
    408: "the request did not arrive in time, so it was given up; send it again over a better connection",
    414: f"the URL is longer than {URL_BYTES} bytes, so the request was not read; send a body instead",
    431: f"the header has more than {HEAD_FIELDS} fields or {FIELDS_BYTES} bytes, so the request was not read; send less",
}


class _TooMuch(Exception):
    def __init__(self, status: int) -> None:
        self.status = status


class BoundedProtocol(HttpToolsProtocol):
    """Refuses heads without end (414, 431) and requests that do not arrive (408), and says so as problem details.

    A URL longer than the parser can take is cut, so that the application answers it in its own words. Nothing valid is
    that long: what is left of a token that was cut is as wrong as the whole. Fields after the body (trailers) are
    dropped, since whoever checked the head has not seen them.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._status = 400
        self._look: asyncio.TimerHandle | None = None
        self._awaits_since: float | None = None
        self._has_begun = False
        self._is_last = False
        self._begin_head()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._awaits_since = self.loop.time()
        self._look_later()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._look is not None:
            self._look.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        # The parser keeps a field to itself until it has seen the end of it, before a body and after it.
        if self._unread_bytes > _LONGEST_HEAD:
            self._refuse(431)
            return
        self._unread_bytes += len(data)
        self._body_bytes += len(data)
        super().data_received(data)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._begin_head()
        self._has_begun = True
        self._awaits_since = self.loop.time()

    def on_url(self, url: bytes) -> None:
        self._url_bytes += len(url)
        if self._url_bytes > URL_BYTES:
            raise self._too_much(414)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_head:
            return
        self._fields += 1
        self._fields_bytes += len(name) + len(value)
        if self._fields > HEAD_FIELDS or self._fields_bytes > FIELDS_BYTES:
            raise self._too_much(431)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self.url = self.url[:_LONGEST_URL]
        self._in_head = False
        self._unread_bytes = self._body_bytes = 0
        super().on_headers_complete()
        if self._is_last and self._is_answering():
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        self._unread_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_head = True
        self._unread_bytes = 0
        self._awaits_since = None
        super().on_message_complete()

    def shutdown(self) -> None:
        """Answers what is under way and what was sent a moment ago, by someone who could not know that this ends."""
        self._is_last = True
        if self._is_answering():
            super().shutdown()
        else:
            self.loop.call_later(LINGER_S, self._end)

    def _end(self) -> None:
        if not (self.transport.is_closing() or self._is_answering()):
            self.transport.close()

    def _is_answering(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def send_400_response(self, msg: str) -> None:
        # uvicorn's way to say that a request cannot be parsed.
        self._refuse(self._status)

    def _begin_head(self) -> None:
        self._in_head = True
        self._url_bytes = self._fields = self._fields_bytes = self._unread_bytes = self._body_bytes = 0

    def _too_much(self, status: int) -> _TooMuch:
        # The parser hides what its callbacks raise.
        self._status = status
        return _TooMuch(status)

    def _look_later(self) -> None:
        self._look = self.loop.call_later(LOOK_EVERY_S, self._look_after)

    def _look_after(self) -> None:
        """Whether what was begun goes on: a head within its time, a body at some speed, nothing once it is answered."""
        if self.transport.is_closing():
            return
        self._look_later()
        if self._awaits_since is None or self.flow.read_paused:
            return
        waited = self.loop.time() - self._awaits_since
        if self._in_head and waited > HEAD_WITHIN_S:
            # Browsers open connections that they may never use.
            self._refuse(408) if self._has_begun else self.transport.close()
        elif not self._in_head and self.cycle.response_complete:
            self.transport.close()
        elif not self._in_head and waited > LOOK_EVERY_S:
            received, self._body_bytes = self._body_bytes, 0
            if received < BODY_BYTES_A_LOOK:
                self._refuse(408)

    def _refuse(self, status: int) -> None:
        """Answers unless an answer has begun, and takes no more of this connection."""
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or cycle.response_complete:
            self.transport.write(_answer(status))
        else:
            if not (cycle.response_started or self._in_head):
                self.transport.write(_answer(status))
            # Whoever reads the body learns that there is nobody left.
            cycle.disconnected = True
            cycle.message_event.set()
        self.transport.close()


def _answer(status: int) -> bytes:
    phrase, error, title = _TITLES[status]
    detail = _DETAILS[status]
    number = str(uuid7())
    problem = {
        "type": error.replace(".", "-").replace("_", "-"),
        "title": title,
        "status": status,
        "detail": detail,
        "instance": number,
        "error": error,
        "code": status,
        "message": detail,
    }
    body = msgspec.json.encode(problem)
    head = (
        f"HTTP/1.1 {status} {phrase}\r\ncontent-type: application/problem+json\r\ncontent-length: {len(body)}\r\n"
        f"x-request-id: {number}\r\ncache-control: no-store\r\nx-content-type-options: nosniff\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body
