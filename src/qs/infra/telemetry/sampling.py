"""Which traces are kept, and under which ids they begin."""

from collections.abc import Sequence
from contextvars import ContextVar

from opentelemetry.context import Context
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanKind
from opentelemetry.trace.span import TraceState
from opentelemetry.util.types import Attributes

# What W3C Trace Context, level 2, says is random in a trace id; so it is in a UUIDv7.
_RANDOM = (1 << 56) - 1

wanted_trace: ContextVar[int | None] = ContextVar("wanted_trace", default=None)
"""The id of the trace that the next span begins, should it begin one."""


class WantedIds(RandomIdGenerator):
    """Random ids, but for a trace that is to have a certain one."""

    def generate_trace_id(self) -> int:
        return wanted_trace.get() or super().generate_trace_id()


class ShareOfTraces(Sampler):
    """Keeps the given share (0 to 1) of the traces that begin here, by what is random in their ids.

    OpenTelemetry's own sampler looks at 64 bits, of which two are always the same in a UUID.
    """

    def __init__(self, share: float) -> None:
        self._bound = round(share * (_RANDOM + 1))

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        if trace_id & _RANDOM < self._bound:
            return SamplingResult(Decision.RECORD_AND_SAMPLE, attributes)
        return SamplingResult(Decision.DROP)

    def get_description(self) -> str:
        return f"ShareOfTraces{{{self._bound / (_RANDOM + 1):g}}}"
