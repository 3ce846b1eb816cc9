"""What spans cost the process that keeps them, and what the places where they would be cost one that keeps none.

``python -m bench.spans``: CPU time, so that it may be run on a machine that is busy; nothing leaves the process.
"""

import json
import time
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from qs.application.kernel import tracing
from qs.infra.telemetry.tracer import OpenTelemetryTracer
from qs.interface.rest.request_spans import request_span

_EVENTS = 1000
_SCOPE: dict[str, Any] = {
    "path": "/api/v1/plans",
    "path_template": "/api/v1/plans",
    "headers": [(b"accept", b"*/*"), (b"host", b"qs.example.org"), (b"authorization", b"Bearer x")] * 2,
    "http_version": "1.1",
    "scheme": "http",
}
_EXCHANGE = SimpleNamespace(id="01a2195f-0529-7573-b98f-9019430d65f2", status=200)
_PARENTS = [f"00-{number:032x}-{number:016x}-01" for number in range(1, _EVENTS + 1)]


class _Nowhere(SpanExporter):
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return SpanExportResult.SUCCESS


def _request() -> None:
    with request_span(_SCOPE, "GET", _EXCHANGE):
        pass


def _batch(parents: Sequence[str]) -> None:
    with tracing.spans("publish events", {}, kind="producer", parents=parents):
        pass


def _microseconds(work: Callable[[], None], times: int) -> float:
    began = time.process_time()
    for _ in range(times):
        work()
    return round((time.process_time() - began) / times * 1e6, 2)


def _costs() -> dict[str, float]:
    return {
        "a request": _microseconds(_request, 20_000),
        f"{_EVENTS} events of one trace": _microseconds(lambda: _batch(_PARENTS[:1] * _EVENTS), 500),
        f"{_EVENTS} events of {_EVENTS} traces": _microseconds(lambda: _batch(_PARENTS), 5),
    }


def main() -> None:
    """Prints microseconds by what was asked for, and by the work."""
    found = {"off": _costs()}
    for share in (0.0, 1.0):
        tracer = OpenTelemetryTracer(_Nowhere(), service="qs", process="bench", share=share)
        tracing.install(tracer)
        found[f"sample_ratio {share:g}"] = _costs()
        tracing.install(None)
        tracer.close()
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
