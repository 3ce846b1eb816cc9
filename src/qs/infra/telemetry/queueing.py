"""Spans on their way to the collector: handed over by a thread of their own, thrown away when there are too many."""

import threading
import time
from collections import deque
from collections.abc import Callable

import structlog
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

# Some 20 MB at most.
_WAITING = 8192
_AT_ONCE = 512
_EVERY_S = 1.0
_WARN_EVERY_S = 60.0
# Part of what a process may take to end.
_ENDS_WITHIN_S = 2.0

_log = structlog.get_logger()


class SpanQueue(SpanProcessor):
    """Never holds up whoever ends a span, and says at most once a minute that spans were lost.

    The processor that comes with OpenTelemetry may take half a minute to end, and tells of every batch that fails.
    """

    def __init__(
        self,
        exporter: SpanExporter,
        *,
        waiting: int = _WAITING,
        every_s: float = _EVERY_S,
        ends_within_s: float = _ENDS_WITHIN_S,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._exporter = exporter
        self._spans: deque[ReadableSpan] = deque()
        self._most = waiting
        self._every_s = every_s
        self._ends_within_s = ends_within_s
        self._monotonic = monotonic
        self._lost = 0
        self._warned_at: float | None = None
        self._due = threading.Event()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._work, name="spans", daemon=True)
        self._thread.start()

    def on_start(self, span: Span, parent_context: Context | None = None) -> None: ...

    def on_end(self, span: ReadableSpan) -> None:
        if len(self._spans) >= self._most:
            self._lost += 1
            return
        self._spans.append(span)
        if len(self._spans) >= _AT_ONCE:
            self._due.set()

    def shutdown(self) -> None:
        """Hands over what waits, as far as the collector takes it within two seconds."""
        self._ending.set()
        self._due.set()
        self._thread.join(self._ends_within_s)
        # Ends the wait before another try, and with it the thread.
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Hands over what waits without waiting for it."""
        self._due.set()
        return not self._spans

    def _work(self) -> None:
        while not self._ending.is_set():
            self._due.wait(self._every_s)
            self._due.clear()
            self._export()
        self._export()

    def _export(self) -> None:
        while self._spans:
            batch = [self._spans.popleft() for _ in range(min(_AT_ONCE, len(self._spans)))]
            try:
                taken = self._exporter.export(batch) is SpanExportResult.SUCCESS
            except Exception:  # noqa: BLE001 - whatever it was, the thread goes on
                taken = False
            if not taken:
                self._lost += len(batch)
            self._warn()

    def _warn(self) -> None:
        now = self._monotonic()
        if not self._lost or (self._warned_at is not None and now - self._warned_at < _WARN_EVERY_S):
            return
        self._warned_at = now
        lost, self._lost = self._lost, 0
        _log.warning("spans_lost", spans=lost, todo="see whether the collector at tracing.endpoint answers")
