"""A span for each request, named by its route: a URL may hold a link, a token, or what a clinic calls somebody."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from qs.application.kernel import tracing
from qs.interface.rest.problems import PROBLEM

# Asked for every few seconds by those who watch; nobody looks for them in a trace.
_QUIET = ("/health", "/metrics")


class Exchange(Protocol):
    id: str
    status: int


@contextmanager
def request_span(scope: Any, method: str, exchange: Exchange) -> Iterator[None]:
    """The span of a request while it is served, in the trace of its caller if there is one.

    Only 5xx are failures of ours, as OpenTelemetry's conventions for HTTP have it; ``qs.problem`` tells of the others.
    """
    if not tracing.is_on() or scope["path"].startswith(_QUIET):
        yield
        return
    named = tracing.method_of(method)
    told: tracing.Attributes = {
        "http.request.method": named,
        "network.protocol.version": scope.get("http_version", "1.1"),
        "qs.request_id": exchange.id,
        "url.scheme": scope["scheme"],
    }
    with tracing.span(named, told, kind="server", parent=_parent(scope)) as span:
        try:
            yield
        finally:
            # Routing is done by now, if anything was routed.
            if (route := scope.get("path_template")) is not None:
                span.rename(f"{named} {route}")
                span.note("http.route", route)
            span.note("http.response.status_code", exchange.status)
            if (problem := scope.get(PROBLEM)) is not None:
                span.note("qs.problem", problem)
            if exchange.status >= 500:
                span.fail(problem or str(exchange.status))


def _parent(scope: Any) -> str | None:
    found = [value for name, value in scope["headers"] if name == b"traceparent"]
    # Of several it could not be said which is meant.
    return tracing.read_traceparent(found[0].decode("latin-1")) if len(found) == 1 else None
