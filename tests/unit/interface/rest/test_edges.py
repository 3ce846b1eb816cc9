"""Who is calling, and from which pages it may be done."""

import pytest

from qs.interface.rest.cors import CorsPolicy
from qs.interface.rest.proxies import TrustedProxies

PROXIES = TrustedProxies(["10.0.0.0/8", "2001:db8::/32"])


def forwarded(*values: str) -> list[tuple[bytes, bytes]]:
    return [(b"x-forwarded-for", value.encode()) for value in values]


@pytest.mark.parametrize(
    ("peer", "headers", "client"),
    [
        ("10.0.0.1", forwarded("203.0.113.9"), "203.0.113.9"),
        ("10.0.0.1", forwarded("1.1.1.1, 203.0.113.9, 10.0.0.2"), "203.0.113.9"),
        ("10.0.0.1", forwarded("1.1.1.1", "203.0.113.9"), "203.0.113.9"),
        ("198.51.100.1", forwarded("1.1.1.1"), "198.51.100.1"),
        ("10.0.0.1", forwarded(), "10.0.0.1"),
        ("10.0.0.1", forwarded("nonsense"), "10.0.0.1"),
        ("10.0.0.1", forwarded("203.0.113.9, nonsense"), "10.0.0.1"),
        ("10.0.0.1", forwarded("10.0.0.3"), "10.0.0.3"),
        ("2001:db8::1", forwarded("[2001:4860::8]"), "2001:4860::8"),
        ("::ffff:10.0.0.1", forwarded("203.0.113.9"), "203.0.113.9"),
        ("testclient", forwarded("1.1.1.1"), "testclient"),
    ],
)
def test_the_client_is_the_nearest_address_that_is_no_proxy_of_ours(
    peer: str, headers: list[tuple[bytes, bytes]], client: str
) -> None:
    assert PROXIES.client(peer, headers) == client


def test_the_scheme_is_believed_from_a_proxy_of_ours_only() -> None:
    https = [(b"x-forwarded-proto", b"https")]

    assert PROXIES.scheme("10.0.0.1", https, "http") == "https"
    assert PROXIES.scheme("198.51.100.1", https, "http") == "http"
    assert PROXIES.scheme("10.0.0.1", [(b"x-forwarded-proto", b"gopher")], "http") == "http"


def test_an_origin_that_is_not_named_gets_no_permission() -> None:
    policy = CorsPolicy(["https://app.example.org"])

    assert policy.headers(b"https://evil.example") == [(b"vary", b"Origin")]
    assert policy.preflight(b"https://evil.example") is None
    assert policy.preflight(None) is None


def test_an_origin_that_is_named_may_call_without_credentials() -> None:
    policy = CorsPolicy(["https://app.example.org/"])
    origin = b"https://app.example.org"
    headers = dict([*policy.headers(origin), *(policy.preflight(origin) or [])])

    assert headers[b"access-control-allow-origin"] == b"https://app.example.org"
    assert b"Idempotency-Key" in headers[b"access-control-allow-headers"]
    assert b"access-control-allow-credentials" not in headers


def test_without_origins_there_is_no_policy() -> None:
    assert not CorsPolicy([])
