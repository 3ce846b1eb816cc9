"""Every cause has a status over gRPC as it has one over HTTP."""

import grpc
import pytest

from qs.domain.kernel.errors import QsError
from qs.interface.grpc.metadata import address_of
from qs.interface.grpc.statuses import STATUSES, failure_of
from qs.interface.rest import problems

# Of the statuses of HTTP (RFC 9110), as google.rpc.Code maps them.
BY_HTTP = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    409: grpc.StatusCode.FAILED_PRECONDITION,
    410: grpc.StatusCode.FAILED_PRECONDITION,
    412: grpc.StatusCode.ABORTED,
    422: grpc.StatusCode.INVALID_ARGUMENT,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    503: grpc.StatusCode.UNAVAILABLE,
    500: grpc.StatusCode.INTERNAL,
}


def test_what_has_a_status_over_http_has_the_one_that_belongs_to_it() -> None:
    # Messages have no media type.
    expected = {kind: BY_HTTP[status] for kind, status in problems.STATUSES.items() if status != 415}

    assert expected == STATUSES


def test_a_cause_without_a_category_is_internal() -> None:
    failure = failure_of(QsError("nobody knows"), "en")

    assert (failure.code, failure.sentence) == (grpc.StatusCode.INTERNAL, "nobody knows")


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("ipv4:192.0.2.1:50000", "192.0.2.1"),
        ("ipv6:%5B2001:db8::1%5D:50000", "2001:db8::1"),
        ("ipv6:[::1]:50000", "::1"),
        ("unix:", ""),
    ],
)
def test_the_address_of_a_peer_is_read_however_it_is_written(peer: str, address: str) -> None:
    assert address_of(peer) == address
