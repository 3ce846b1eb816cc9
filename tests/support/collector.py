"""A real collector of traces: OTLP over HTTP, on loopback, in a thread of its own."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status


@dataclass(frozen=True)
class Kept:
    """A span as it came; ids in hexadecimal, ``parent_id`` empty at the beginning of a trace."""

    process: str
    service: str
    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    links: tuple[str, ...]
    attributes: Mapping[str, Any]
    failed: bool
    said: str
    """What is said of its status, and all that happened in it."""


class Collector:
    """Keeps what it is sent. ``status`` is what it answers; while ``hangs`` is set it does not answer at all."""

    def __init__(self) -> None:
        self.status = 200
        self.hangs = threading.Event()
        self.goes_on = threading.Event()
        self.requests = 0
        self.raw: list[bytes] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def spans(self) -> list[Kept]:
        """All that came, in the order in which it ended."""
        return [span for body in list(self.raw) for span in _read(body)]

    def of_trace(self, trace_id: str) -> list[Kept]:
        return [span for span in self.spans if span.trace_id == trace_id]

    def named(self, name: str) -> list[Kept]:
        return [span for span in self.spans if span.name == name]

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.goes_on.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> Callable[..., BaseHTTPRequestHandler]:
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                assert self.path == "/v1/traces"
                assert self.headers["Content-Type"] == "application/x-protobuf"
                # Whoever sees that it came may change the answer to what comes next.
                status = collector.status
                collector.requests += 1
                if collector.hangs.is_set():
                    collector.goes_on.wait()
                    self.close_connection = True
                    return
                if status == 200:
                    collector.raw.append(body)
                answer = ExportTraceServiceResponse().SerializeToString()
                self.send_response(status)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: Any) -> None: ...  # noqa: A002 - the name is the base class's

        return Handler


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector for the length of the block."""
    collector = Collector()
    collector.start()
    try:
        yield collector
    finally:
        collector.stop()


def _read(body: bytes) -> Iterator[Kept]:
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        facts = _attributes(resource.resource.attributes)
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield _kept(span, facts)


def _kept(span: Span, resource: Mapping[str, Any]) -> Kept:
    return Kept(
        process=resource["qs.process"],
        service=resource["service.name"],
        name=span.name,
        kind=Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        links=tuple(link.trace_id.hex() for link in span.links),
        attributes=_attributes(span.attributes),
        failed=span.status.code == Status.STATUS_CODE_ERROR,
        said=span.status.message + "".join(str(event) for event in span.events),
    )


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs if isinstance(pair, KeyValue)}


def _value(value: AnyValue) -> Any:
    return getattr(value, str(value.WhichOneof("value")))
