"""Outgoing calls: where they may go, and what they refuse to carry or read."""

import asyncio
import contextlib
import socket
from datetime import timedelta

import pytest

from qs.infra.http.addresses import is_public
from qs.infra.http.guarded import MOST_BYTES, CallFailed, GuardedClient
from tests.support.receivers import ENDLESS, HANG, WebReceiver

PATIENT = timedelta(seconds=30)


@pytest.fixture
async def web():
    receiver = WebReceiver()
    await receiver.start()
    yield receiver
    await receiver.close()


@pytest.fixture
async def client():
    client = GuardedClient(["127.0.0.0/8"])
    yield client
    await client.aclose()


async def _post(client: GuardedClient, url: str, headers=None, deadline=PATIENT):
    return await client.post(url, headers or {}, b"{}", deadline=deadline)


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "100.100.100.200",
        "127.0.0.1",
        "127.255.255.254",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.8",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.1.1.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:8.8.8.8",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
    ],
)
def test_an_address_that_is_not_the_internets_is_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "100.128.0.1", "172.32.0.1", "2606:4700::1111", "2a00:1450::1"]
)
def test_an_address_of_the_internet_is_public(address):
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1",
        "https://[::1]",
        "https://[::ffff:127.0.0.1]",
        "https://0x7f000001",
        "https://2130706433",
        "https://127.1",
        "https://localhost",
        "http://8.8.8.8",
    ],
)
async def test_without_leave_no_inner_address_is_called_and_no_plain_http_spoken(web, url):
    client = GuardedClient()

    with pytest.raises(CallFailed) as failure:
        await _post(client, f"{url}:{web.port}/")

    assert failure.value.permanent
    assert web.received == []
    await client.aclose()


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/",
        "file:///etc/passwd",
        "unix:///run/redis.sock",
        "https://anna:secret@example.org/",
        "https://",
        "//example.org/",
        "example.org",
        "https://exa mple.org/",
        "https://example.org:99999/",
        "",
    ],
)
async def test_a_url_that_is_no_plain_web_address_is_refused(client, url):
    with pytest.raises(CallFailed) as failure:
        await _post(client, url)

    assert failure.value.permanent


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "example.org"},
        {"content-length": "0"},
        {"Transfer-Encoding": "chunked"},
        {"Connection": "upgrade"},
        {"X: y\r\nHost": "a"},
        {"X": "a\r\nHost: b"},
        {"X": "a\0"},
        {"": "a"},
        {"X y": "a"},
    ],
)
async def test_headers_that_steer_the_transport_are_refused(web, client, headers):
    with pytest.raises(CallFailed) as failure:
        await _post(client, web.url, headers)

    assert failure.value.permanent
    assert web.received == []


async def test_a_name_is_resolved_once_and_every_address_must_be_allowed(web, client, monkeypatch):
    asked = []
    addresses = ["127.0.0.1"]

    async def getaddrinfo(host, port, **options):
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    url = f"http://inside.example.org:{web.port}/x"

    assert (await _post(client, url)).status == 200
    assert asked == ["inside.example.org"]
    assert web.received[0].headers["host"] == f"inside.example.org:{web.port}"

    addresses.append("10.0.0.1")
    with pytest.raises(CallFailed) as failure:
        await _post(client, url)
    assert failure.value.permanent


async def test_a_name_nobody_knows_may_be_known_later(client):
    with pytest.raises(CallFailed) as failure:
        # A resolver that does not answer is no different.
        await _post(client, "https://nobody.invalid/", deadline=timedelta(seconds=5))

    assert not failure.value.permanent


async def test_proxies_of_the_environment_are_not_used(web, client, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")

    async with asyncio.timeout(30):
        other = GuardedClient(["127.0.0.0/8"])
        assert (await _post(other, web.url)).status == 200
        await other.aclose()


async def test_no_cookie_is_kept(web, client):
    web.answers.append(b"HTTP/1.1 200 OK\r\nSet-Cookie: who=anna; Path=/\r\nContent-Length: 0\r\n\r\n")

    for _ in range(2):
        await _post(client, web.url)

    assert ["cookie" in received.headers for received in web.received] == [False, False]


async def test_no_more_than_64_kib_are_read(web, client):
    web.answers.append(ENDLESS)

    answer = await _post(client, web.url)

    assert (len(answer.body), answer.truncated) == (MOST_BYTES, True)


async def test_the_deadline_counts_for_the_whole_call(web, client):
    web.answers.append(HANG)

    # The client's own limits for single steps are longer than this.
    async with asyncio.timeout(20):
        with pytest.raises(CallFailed) as failure:
            await _post(client, web.url, deadline=timedelta(milliseconds=200))

    assert not failure.value.permanent


async def test_a_refusal_does_not_repeat_the_url(client):
    with pytest.raises(CallFailed) as failure:
        await _post(client, "https://user:hunter2@example.org/secret-path")

    assert "hunter2" not in str(failure.value)
    assert "secret-path" not in str(failure.value)


@pytest.mark.parametrize("answer", [HANG, ENDLESS], ids=["hanging", "endless"])
@pytest.mark.parametrize("keep_alive", [True, False])
async def test_calls_that_are_given_up_take_no_place_from_later_ones(web, answer, keep_alive):
    client = GuardedClient(["127.0.0.0/8"], max_connections=3, keep_alive=keep_alive)
    web.answers.extend([answer] * 200)

    # Ends at every stage of a call: before it connects, as it does, while it reads, as it closes.
    async def call(number: int) -> None:
        with contextlib.suppress(CallFailed):
            await _post(client, web.url, deadline=timedelta(microseconds=200 + 150 * number))

    for first in range(0, 200, 20):
        await asyncio.gather(*(call(number) for number in range(first, first + 20)))
    web.answers.clear()
    answers = await asyncio.gather(*(_post(client, web.url) for _ in range(6)))

    assert [answered.status for answered in answers] == [200] * 6
    await client.aclose()
