"""Counts and times of gRPC calls; ``/metrics`` shows them beside those of HTTP."""

from prometheus_client import Counter, Histogram

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

_calls = Counter("qs_grpc_requests", "Calls answered.", ["method", "code"])
_seconds = Histogram(
    "qs_grpc_request_seconds", "Time to the end of the answer.", ["method"], buckets=_SECONDS
)


def observe(method: str, code: str, duration_s: float) -> None:
    """Counts one call of a method of ours; those of others are never answered."""
    _calls.labels(method, code).inc()
    _seconds.labels(method).observe(duration_s)
