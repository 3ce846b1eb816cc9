"""Spans of the work under way and the trace they belong to (W3C Trace Context); without a tracer, nothing at all.

Whoever works names a span by what is done, never by whom it is done for: names and attributes are read by people who
may know no link, no contact and no scale. A change keeps the ``traceparent`` of its span in the outbox, so that what
follows from it elsewhere and later joins the same trace.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Final, Literal, Protocol
from uuid import UUID

Kind = Literal["internal", "server", "client", "producer", "consumer"]

# A name that is not here does not get through mypy, so that nothing comes in by the way.
Attribute = Literal[
    "error.type",
    "http.request.method",
    "http.response.status_code",
    "http.route",
    "messaging.batch.message_count",
    "messaging.operation.type",
    "network.protocol.version",
    "qs.attempt",
    "qs.channel",
    "qs.duty",
    "qs.event_id",
    "qs.execution_id",
    "qs.fired_by",
    "qs.job_id",
    "qs.notification_id",
    "qs.problem",
    "qs.request_id",
    "qs.skipped",
    "qs.subscriber",
    "qs.target",
    "rpc.method",
    "rpc.response.status_code",
    "rpc.system.name",
    "url.scheme",
]
"""All that may stand in a span."""

Attributes = Mapping[Attribute, str | int | bool]

_HEADER = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_METHODS = frozenset(
    {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"}
)


class Span(Protocol):
    """A piece of work that is under way."""

    def note(self, attribute: Attribute, value: str | int | bool) -> None:
        """Adds a fact."""

    def rename(self, name: str) -> None: ...

    def fail(self, error: str) -> None:
        """Marks it as failed, unless it is; ``error`` is a stable code or a class's name, never the text of a failure."""


class Tracer(Protocol):
    """What keeps the spans of this process."""

    def span(
        self,
        name: str,
        kind: Kind,
        attributes: Attributes,
        *,
        parent: str | None,
        links: Iterable[str],
        trace: UUID | None,
        harmless: tuple[type[Exception], ...],
        current: bool,
    ) -> AbstractContextManager[Span]:
        """A span for the length of the block, failed by the class or code of what the block raises if not ``harmless``.

        ``parent`` and ``links`` are traceparents; without a parent it is a child of the current span. A span without
        either begins a trace, whose id is ``trace`` if that is given. With ``current`` it is the parent of what begins
        within the block.
        """

    def traceparent(self) -> str | None:
        """That of the current span."""


class _NoSpan:
    """Stands in for the spans of a process that keeps none."""

    def note(self, attribute: Attribute, value: str | int | bool) -> None: ...

    def rename(self, name: str) -> None: ...

    def fail(self, error: str) -> None: ...

    def __enter__(self) -> Span:
        return self

    def __exit__(self, *_: object) -> None: ...


_NO_SPAN: Final = _NoSpan()

_tracer: Tracer | None = None


def install(tracer: Tracer | None) -> None:
    """From now on the spans of this process are that tracer's; None keeps none any more."""
    global _tracer  # noqa: PLW0603 - one process, one tracer
    _tracer = tracer


def is_on() -> bool:
    """Whether this process keeps spans, so that it pays to find out what belongs into one."""
    return _tracer is not None


def span(
    name: str,
    attributes: Attributes,
    *,
    kind: Kind = "internal",
    parent: str | None = None,
    links: Iterable[str] = (),
    trace: UUID | None = None,
    harmless: tuple[type[Exception], ...] = (),
) -> AbstractContextManager[Span]:
    """The current span for the length of the block; see ``Tracer.span``."""
    if _tracer is None:
        return _NO_SPAN
    return _tracer.span(
        name, kind, attributes, parent=parent, links=links, trace=trace, harmless=harmless, current=True
    )


@contextmanager
def spans(name: str, attributes: Attributes, *, kind: Kind, parents: Iterable[str | None]) -> Iterator[None]:
    """A span in each of the traces that a batch comes from, for the length of the block.

    ``parents`` has one for each message of the batch. What follows from the block belongs to a trace only where the
    whole batch has one parent: it could not be said of which of several.
    """
    if _tracer is None:
        yield
        return
    counts = Counter(parents)
    with ExitStack() as stack:
        for parent, messages in counts.items():
            if parent is not None and is_sampled(parent):
                counted: Attributes = {**attributes, "messaging.batch.message_count": messages}
                only = len(counts) == 1
                stack.enter_context(
                    _tracer.span(
                        name, kind, counted, parent=parent, links=(), trace=None, harmless=(), current=only
                    )
                )
        yield


def traceparent() -> str | None:
    """That of the current span, for whoever goes on with what is done here; None where no trace is kept."""
    return None if _tracer is None else _tracer.traceparent()


def ids() -> tuple[str, str] | None:
    """The trace id and the span id of the current span, in hexadecimal."""
    current = traceparent()
    return None if current is None else (current[3:35], current[36:52])


def read_traceparent(header: str) -> str | None:
    """The traceparent that a caller sent, as version 00 has it; None for anything that the standard does not allow."""
    found = _HEADER.fullmatch(header.strip(" \t"))
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    if version == "ff" or (version == "00" and more) or not int(trace_id, 16) or not int(span_id, 16):
        return None
    # Later versions mean the same by these parts, and nobody knows what by other flags than sampled and random.
    return f"00-{trace_id}-{span_id}-{int(flags, 16) & 3:02x}"


def is_sampled(parent: str) -> bool:
    """Whether the trace of a traceparent is kept."""
    return bool(int(parent[53:55], 16) & 1)


def method_of(method: str) -> str:
    """The HTTP method as a span names it: methods that nobody knows are a caller's text."""
    return method if method in _METHODS else "_OTHER"
