"""The tracer that hands its spans to a collector over OTLP/HTTP."""

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from uuid import UUID

from opentelemetry.context import Context, attach, detach
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace import Span as OpenTelemetrySpan

from qs.application.kernel import tracing
from qs.domain.kernel.errors import QsError
from qs.infra.telemetry.queueing import SpanQueue
from qs.infra.telemetry.sampling import ShareOfTraces, WantedIds, wanted_trace

_PATH = "/v1/traces"
# For one batch, with what is tried again of it.
_EXPORT_WITHIN_S = 5.0
_KINDS: dict[tracing.Kind, SpanKind] = {
    "internal": SpanKind.INTERNAL,
    "server": SpanKind.SERVER,
    "client": SpanKind.CLIENT,
    "producer": SpanKind.PRODUCER,
    "consumer": SpanKind.CONSUMER,
}


def make_exporter(endpoint: str) -> SpanExporter:
    """``endpoint`` is the address of a collector; ``/v1/traces`` may be left out. Headers come from the environment."""
    # It logs each try that fails; the queue says it once for all of them.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    address = endpoint.rstrip("/")
    return OTLPSpanExporter(
        endpoint=address if address.endswith(_PATH) else address + _PATH, timeout=_EXPORT_WITHIN_S
    )


class _Span:
    def __init__(self, span: OpenTelemetrySpan) -> None:
        self._span = span
        self._failed = False

    def note(self, attribute: tracing.Attribute, value: str | int | bool) -> None:
        self._span.set_attribute(attribute, value)

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    def fail(self, error: str) -> None:
        # Whoever knew first knew best: what is raised on may be less exact.
        if not self._failed:
            self._failed = True
            self._span.set_attribute("error.type", error)
            self._span.set_status(StatusCode.ERROR)


class OpenTelemetryTracer:
    """Implements Tracer; nothing of it is global but the context that OpenTelemetry keeps for each task."""

    def __init__(self, exporter: SpanExporter, *, service: str, process: str, share: float) -> None:
        """``process`` is the role of this process (``api``, ``relay``), ``share`` that of the traces to be kept."""
        self._provider = TracerProvider(
            sampler=ParentBased(ShareOfTraces(share)),
            resource=Resource.create({"service.name": service, "qs.process": process}),
            id_generator=WantedIds(),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(SpanQueue(exporter))
        self._tracer = self._provider.get_tracer("qs")

    @contextmanager
    def span(
        self,
        name: str,
        kind: tracing.Kind,
        attributes: tracing.Attributes,
        *,
        parent: str | None,
        links: Iterable[str],
        trace: UUID | None,
        harmless: tuple[type[Exception], ...],
        current: bool,
    ) -> Iterator[tracing.Span]:
        wanted = wanted_trace.set(None if trace is None else trace.int)
        try:
            begun = self._tracer.start_span(
                name,
                context=None if parent is None else _remote(parent),
                kind=_KINDS[kind],
                attributes=dict(attributes.items()),
                links=[Link(_context_of(link)) for link in links],
                # The text of a failure, and its stack, may hold anything.
                record_exception=False,
                set_status_on_exception=False,
            )
        finally:
            wanted_trace.reset(wanted)
        span = _Span(begun)
        token = attach(set_span_in_context(begun)) if current else None
        try:
            yield span
        except harmless:
            raise
        except Exception as error:
            span.fail(_name_of(error))
            raise
        finally:
            if token is not None:
                detach(token)
            begun.end()

    def traceparent(self) -> str | None:
        context = get_current_span().get_span_context()
        if not context.is_valid:
            return None
        return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"

    def close(self) -> None:
        """Hands over what waits, within two seconds; what the collector does not take by then is lost."""
        self._provider.shutdown()


def _name_of(error: Exception) -> str:
    return error.code if isinstance(error, QsError) else type(error).__name__


def _remote(parent: str) -> Context:
    return set_span_in_context(NonRecordingSpan(_context_of(parent)), Context())


def _context_of(traceparent: str) -> SpanContext:
    _, trace_id, span_id, flags = traceparent.split("-")
    return SpanContext(
        int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16))
    )
