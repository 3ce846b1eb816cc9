import json
from datetime import UTC, datetime
from uuid import UUID

import pytest
from msgspec.structs import replace

from qs.application.kernel import tracing
from qs.application.kernel.cloud_events import PublishedEvent, traceparent_of
from qs.application.kernel.forwarding import outgoing

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("header", "read"),
    [
        (f"00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-01"),
        (f"00-{TRACE}-{SPAN}-00", f"00-{TRACE}-{SPAN}-00"),
        (f" 00-{TRACE}-{SPAN}-03\t", f"00-{TRACE}-{SPAN}-03"),
        (f"00-{TRACE}-{SPAN}-ff", f"00-{TRACE}-{SPAN}-03"),
        (f"cc-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-01"),
        (f"cc-{TRACE}-{SPAN}-01-what-the-future-brings", f"00-{TRACE}-{SPAN}-01"),
        (f"00-{TRACE}-{SPAN}-01-more", None),
        (f"cc-{TRACE}-{SPAN}-01.more", None),
        (f"ff-{TRACE}-{SPAN}-01", None),
        (f"00-{'0' * 32}-{SPAN}-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{TRACE.upper()}-{SPAN}-01", None),
        (f"00-{TRACE[1:]}-{SPAN}-01", None),
        (f"00-{TRACE}-{SPAN}-1", None),
        (f"00-{TRACE}-{SPAN}", None),
        (f"00_{TRACE}_{SPAN}_01", None),
        (f"00-{TRACE}-{SPAN}-01\n", None),
        ("", None),
        ("é" * 55, None),
    ],
)
def test_a_traceparent_is_read_as_the_standard_has_it(header: str, read: str | None) -> None:
    assert tracing.read_traceparent(header) == read


def test_without_a_tracer_work_is_done_in_no_trace() -> None:
    with (
        tracing.span("x", {}, parent=f"00-{TRACE}-{SPAN}-01") as span,
        tracing.spans("y", {}, kind="producer", parents=[f"00-{TRACE}-{SPAN}-01"]),
    ):
        span.note("qs.attempt", 1)
        span.rename("z")
        span.fail("x")

        assert (tracing.is_on(), tracing.traceparent(), tracing.ids()) == (False, None, None)


@pytest.mark.parametrize(
    ("method", "named"), [("GET", "GET"), ("QUERY", "QUERY"), ("get", "_OTHER"), ("X", "_OTHER")]
)
def test_only_methods_that_everybody_knows_are_named(method: str, named: str) -> None:
    assert tracing.method_of(method) == named


def test_an_event_carries_its_trace_out_of_qs_and_says_nothing_of_one_that_it_has_not() -> None:
    some, instant = UUID(int=1), datetime(2026, 3, 2, 11, tzinfo=UTC)
    event = PublishedEvent(some, some, "plan", "TaskOpened", "tasks/1", some, 1, instant, "{}")
    traced = replace(event, traceparent=f"00-{TRACE}-{SPAN}-01")

    assert "traceparent" not in json.loads(outgoing(event).body)
    assert json.loads(outgoing(traced).body)["traceparent"] == traced.traceparent
    assert (traceparent_of(outgoing(event).body), traceparent_of(outgoing(traced).body)) == (
        None,
        traced.traceparent,
    )
