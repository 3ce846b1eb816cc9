"""No job reaches what its author must not reach: 0 connections, whatever the URL, the headers or the answer say.

The canary listens on every address of the machine and every dial is noted, so that one which would have gone further
counts as well; controls show that both would have noticed.
"""

import asyncio
import socket

import pytest

from qs.application.scheduler.executors import Attempt, AttemptOutcome, AttemptStatus
from qs.infra.http import addresses, guarded
from qs.infra.scheduler.executors.http import HttpExecutor
from tests.conformance.rigs.rig import Target, an_attempt, output_of
from tests.integration.executors.http.canary import a_request
from tests.integration.executors.http.vectors import INNER, NAMED, URLS

# How many of the URLs reach the canary when nothing guards them; the others are malformed or lead elsewhere.
LIVE = 60


@pytest.fixture
def known(names):
    for name, answer in NAMED.items():
        names.know(name, answer)
    return names


def own_address() -> str:
    """The address of this machine in its network, without a packet being sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("203.0.113.1", 9))
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


async def _call(executor: HttpExecutor, target: Target) -> tuple[AttemptOutcome, Attempt]:
    attempt = an_attempt(target)
    outcome = await executor.execute(attempt)
    assert outcome.status in (AttemptStatus.FAILED, AttemptStatus.TIMED_OUT), outcome
    return outcome, attempt


def test_there_are_at_least_120_of_them():
    assert len(set(URLS)) == len(URLS) >= 120


@pytest.mark.parametrize("url", URLS, ids=lambda url: ascii(url)[1:-1])
async def test_a_url_that_leads_inside_is_not_called(make_executor, canary, dialled, known, url):
    url = url.format(p=canary.port)

    outcome, attempt = await _call(make_executor(), a_request(url))

    assert (canary.visits, dialled.addresses) == (0, [])
    # A name nobody knows may be known later.
    assert outcome.permanent or (outcome.code == "connect" and "not resolved" in (outcome.error or "")), (
        outcome
    )
    assert output_of(attempt).data == b""


async def test_without_the_guard_these_urls_would_reach_the_canary(
    make_executor, canary, dialled, known, monkeypatch
):
    monkeypatch.setattr(guarded, "is_public", lambda _address: True)
    monkeypatch.setattr(addresses.Networks, "hold", lambda _networks, _address: True)
    executor = make_executor()

    await asyncio.gather(
        *(executor.execute(an_attempt(a_request(url.format(p=canary.port)))) for url in URLS)
    )

    assert canary.visits >= LIVE
    assert len(dialled.addresses) >= canary.visits + len(INNER)


async def test_an_allowed_address_is_called(make_executor, canary, dialled, names):
    for network, url in (("127.0.0.1/32", "http://127.0.0.1:{p}/"), ("::1/128", "http://[::1]:{p}/")):
        outcome = await make_executor(network).execute(an_attempt(a_request(url.format(p=canary.port))))

        assert outcome.status is AttemptStatus.SUCCEEDED, outcome
    assert canary.visits == 2
    assert dialled.addresses == ["127.0.0.1", "::1"]


async def test_this_machines_own_address_in_its_network_is_not_called(make_executor, canary, dialled):
    await _call(make_executor(), a_request(f"https://{own_address()}:{canary.port}/"))

    assert (canary.visits, dialled.addresses) == (0, [])


@pytest.mark.parametrize("host", ["8.8.8.8", "public.example.org", "[2606:4700::1111]"])
async def test_plain_http_is_not_spoken_to_strangers(make_executor, dialled, names, host):
    names.know("public.example.org", ["8.8.8.8"])

    outcome, _ = await _call(make_executor(), a_request(f"http://{host}/"))

    assert outcome.permanent
    assert dialled.addresses == []


async def test_strangers_are_called_over_https(make_executor, dialled, names):
    names.know("public.example.org", ["8.8.8.8"])

    outcome, _ = await _call(make_executor(), a_request("https://public.example.org/"))

    assert (outcome.code, outcome.permanent) == ("connect", False)
    assert dialled.addresses == ["8.8.8.8"]


@pytest.mark.parametrize(
    ("network", "host"),
    [
        ("127.0.0.1/32", "127.0.0.2"),
        ("10.0.0.0/8", "127.0.0.1"),
        ("::1/128", "127.0.0.1"),
        ("127.0.0.1/32", "[::1]"),
        ("192.168.0.0/16", "[::ffff:127.0.0.1]"),
        ("0.0.0.0/8", "127.0.0.1"),
    ],
)
async def test_what_is_allowed_is_that_network_and_no_other(make_executor, canary, dialled, network, host):
    await _call(make_executor(network), a_request(f"http://{host}:{canary.port}/"))

    assert (canary.visits, dialled.addresses) == (0, [])


async def test_a_name_that_changes_its_mind_is_asked_once(make_executor, canary, dialled, names):
    names.know("rebinding.example.org", ["8.8.8.8"], ["127.0.0.1"])

    await _call(make_executor(), a_request(f"https://rebinding.example.org:{canary.port}/"))

    assert names.asked == ["rebinding.example.org"]
    assert (canary.visits, dialled.addresses) == (0, ["8.8.8.8"])


async def test_a_name_that_turned_inwards_is_refused_at_the_next_attempt(
    make_executor, canary, dialled, names
):
    names.know("rebinding.example.org", ["8.8.8.8"], ["127.0.0.1"])
    executor = make_executor()

    for _ in range(4):
        await _call(executor, a_request(f"https://rebinding.example.org:{canary.port}/"))

    assert (canary.visits, dialled.addresses) == (0, ["8.8.8.8"])


@pytest.mark.parametrize("status", [300, 301, 302, 303, 305, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_redirect_is_not_followed(executor, canary, web, dialled, status, method):
    elsewhere = f"http://127.0.0.1:{canary.port}/"
    head = f"HTTP/1.1 {status} Elsewhere\r\nLocation: {elsewhere}\r\nContent-Location: {elsewhere}\r\n"
    web.answers.append(f"{head}Refresh: 0; url={elsewhere}\r\nContent-Length: 0\r\n\r\n".encode())

    outcome, _ = await _call(executor, a_request(web.url, method=method))

    assert (outcome.code, outcome.permanent) == (f"http:{status}", True)
    assert canary.visits == 0
    assert len(web.received) == len(dialled.addresses) == 1


@pytest.mark.parametrize("success", ["3xx", ["2xx", 302]])
async def test_a_redirect_that_is_a_success_is_not_followed_either(executor, canary, web, success):
    web.answers.append(
        f"HTTP/1.1 302 Elsewhere\r\nLocation: http://127.0.0.1:{canary.port}/\r\nContent-Length: 0\r\n\r\n".encode()
    )

    outcome = await executor.execute(an_attempt(a_request(web.url, success=success)))

    assert outcome.status is AttemptStatus.SUCCEEDED
    assert canary.visits == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Host", "127.0.0.1"),
        ("host", "127.0.0.1"),
        ("HOST", "127.0.0.1"),
        ("Host ", "127.0.0.1"),
        (" Host", "127.0.0.1"),
        ("Host:", "127.0.0.1"),
        (":authority", "127.0.0.1"),
        ("Transfer-Encoding", "chunked"),
        ("transfer_encoding", "chunked"),
        ("Content-Length", "0"),
        ("Content_Length", "0"),
        ("Connection", "close, X-Qs-Job-Id"),
        ("Proxy-Connection", "keep-alive"),
        ("Keep-Alive", "timeout=99"),
        ("Upgrade", "h2c"),
        ("HTTP2-Settings", "AAMAAABkAARAAAAAAAIAAAAA"),
        ("TE", "trailers"),
        ("Trailer", "X"),
        ("Expect", "100-continue"),
        ("X", "a\r\nHost: 127.0.0.1"),
        ("X", "a\nHost: 127.0.0.1"),
        ("X", "a\rHost: 127.0.0.1"),
        ("X", "a\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n"),
        ("X", "a\0b"),
        ("X", " a"),
        ("X", "a\x0bb"),
        ("X", "a\u2028b"),
        ("X", "嗨"),
        ("X\r\nHost", "127.0.0.1"),
        ("X: y\r\nHost", "127.0.0.1"),
        ("X\0", "a"),
        ("X y", "a"),
        ("Ｈost", "a"),
        ("", "a"),
    ],
)
async def test_a_header_cannot_become_another_request(executor, web, dialled, name, value):
    outcome, _ = await _call(executor, a_request(web.url, headers={name: value}))

    assert outcome.permanent
    assert (web.received, dialled.addresses) == ([], [])


@pytest.mark.parametrize(
    "method",
    [*("CONNECT", "TRACE", "TRACK", "connect", "", " GET", "G ET", "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET")],
)
async def test_a_method_cannot_become_a_tunnel_or_another_request(executor, web, dialled, method):
    outcome, _ = await _call(executor, a_request(web.url, method=method))

    assert outcome.permanent
    assert (web.received, dialled.addresses) == ([], [])


@pytest.mark.parametrize(
    "url",
    [
        "https://secret://host:{p}/",
        "https://secret://host/",
        "secret://host",
        "https://example.org/secret://token",
        "https://secret://token@127.0.0.1:{p}/",
        "https://example.org:secret://token/",
        "https://127.0.0.1:{p}/?a=secret://Token",
        "https://127.0.0.1:{p}/?a=secret://",
        "https://127.0.0.1:{p}/?a=secret://a_b",
        "https://127.0.0.1:{p}/?a=secret://key",
    ],
)
async def test_a_secret_decides_of_no_address(make_executor, canary, dialled, url):
    outcome, _ = await _call(make_executor("127.0.0.0/8"), a_request(url.format(p=canary.port)))

    assert outcome.permanent
    assert (canary.visits, dialled.addresses) == (0, [])


async def test_a_secret_with_a_line_break_does_not_become_a_header(executor, web):
    outcome, _ = await _call(executor, a_request(web.url, headers={"X-Token": "secret://odd"}))

    assert outcome.permanent
    assert web.received == []


async def test_a_secret_in_a_query_stays_one_value(executor, web):
    await executor.execute(an_attempt(a_request(f"{web.url}?a=secret://token&b=secret://odd&c=1")))

    assert web.received[0].target == (
        "/notifications?a=s3cr3t%26%23%40%2F%2B%20value&b=line%0D%0AX-Evil%3A%201&c=1"
    )


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"])
async def test_no_proxy_of_the_environment_is_called(make_executor, canary, web, monkeypatch, variable):
    monkeypatch.setenv(variable, f"http://127.0.0.1:{canary.port}")

    outcome = await make_executor("127.0.0.1/32").execute(an_attempt(a_request(web.url)))

    assert outcome.status is AttemptStatus.SUCCEEDED
    assert (canary.visits, len(web.received)) == (0, 1)


async def test_no_credentials_are_taken_from_the_machine(make_executor, web, monkeypatch, tmp_path):
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login anna password hunter22\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))

    await make_executor("127.0.0.1/32").execute(an_attempt(a_request(web.url)))

    assert "authorization" not in web.received[0].headers
