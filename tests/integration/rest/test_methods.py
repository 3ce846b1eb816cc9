"""What is true of every answer: methods, request ids, headers, languages, metrics and one log line."""

from typing import Any

import pytest
from httpx import AsyncClient
from msgspec.structs import replace
from structlog.testing import capture_logs

from qs.application.kernel.request import request_id
from qs.container import Container, build_container, close
from qs.interface.rest.app import create_app
from qs.settings import Settings
from tests.integration.rest.conftest import Token
from tests.integration.rest.probes import KNOWN, Things
from tests.support.http import serving

THINGS = "/api/v1/things"


async def test_head_answers_like_get_without_a_body(client: AsyncClient) -> None:
    for path in (
        "/health/alive",
        f"{THINGS}?page=2",
        f"{THINGS}/{KNOWN}",
        f"{THINGS}/bug",
        "/nowhere",
        "/schema",
    ):
        get = await client.get(path, headers={"X-Request-Id": "same"})
        head = await client.head(path, headers={"X-Request-Id": "same"})

        # What is left of the caller's calls is less after each.
        assert bool(get.headers.pop("ratelimit", None)) == bool(head.headers.pop("ratelimit", None))
        assert (head.status_code, dict(head.headers)) == (get.status_code, dict(get.headers)), path
        assert head.content == b""
        assert int(head.headers["content-length"]) == len(get.content) > 0


async def test_head_of_a_stream_ends(client: AsyncClient) -> None:
    response = await client.head(f"{THINGS}/stream")

    assert (response.status_code, response.content) == (200, b"")


async def test_head_is_no_method_where_get_is_none(client: AsyncClient) -> None:
    response = await client.head(f"{THINGS}/sweep")

    assert (response.status_code, response.headers["allow"]) == (405, "OPTIONS, POST")


async def test_options_names_the_methods_without_a_token(stranger: AsyncClient) -> None:
    allowed = {
        path: (await stranger.options(path)).headers["allow"]
        for path in (THINGS, f"{THINGS}/sweep", f"{THINGS}/{KNOWN}", "/health/ready")
    }

    assert allowed == {
        THINGS: "GET, HEAD, OPTIONS, POST",
        f"{THINGS}/sweep": "OPTIONS, POST",
        f"{THINGS}/{KNOWN}": "DELETE, GET, HEAD, OPTIONS, PATCH",
        "/health/ready": "GET, HEAD, OPTIONS",
    }


async def test_a_literal_path_keeps_its_405_beside_an_id(client: AsyncClient) -> None:
    response = await client.get(f"{THINGS}/sweep")

    assert (response.status_code, response.headers["allow"]) == (405, "OPTIONS, POST")
    assert response.json()["error"] == "method.not_allowed"


async def test_a_callers_request_id_comes_back_in_header_problem_and_log(client: AsyncClient) -> None:
    with capture_logs() as lines:
        response = await client.get(f"{THINGS}/bug", headers={"X-Request-Id": "abc-123.x:y/z+="})

    assert response.headers["x-request-id"] == response.json()["instance"] == "abc-123.x:y/z+="
    assert [line["event"] for line in lines] == ["request_failed", "request_served"]
    assert request_id.get() is None


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, "a\tb", "ü", "a;b", "{}"])
async def test_a_request_id_that_could_harm_a_log_is_replaced(stranger: AsyncClient, given: str) -> None:
    response = await stranger.get("/health/alive", headers={b"X-Request-Id": given.encode()})

    assert response.headers["x-request-id"] != given
    assert len(response.headers["x-request-id"]) == 36


async def test_every_answer_is_protected(client: AsyncClient) -> None:
    for path in ("/health/alive", THINGS, "/nowhere", f"{THINGS}/bug"):
        headers = (await client.get(path)).headers

        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert headers["cache-control"] == "no-store"


async def test_pages_are_never_framed_and_what_has_a_version_is_revalidated(client: AsyncClient) -> None:
    page = (await client.get("/schema")).headers
    thing = (await client.get(f"{THINGS}/{KNOWN}")).headers

    assert page["x-frame-options"] == "DENY"
    assert "frame-ancestors 'none'" in page["content-security-policy"]
    assert (thing["etag"], thing["cache-control"]) == ('"v3"', "private, no-cache")


async def test_what_the_caller_has_already_is_not_sent_again(client: AsyncClient) -> None:
    first = await client.get(f"{THINGS}/{KNOWN}")
    again = await client.get(f"{THINGS}/{KNOWN}", headers={"If-None-Match": first.headers["etag"]})
    other = await client.get(f"{THINGS}/{KNOWN}", headers={"If-None-Match": '"v2"'})

    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    assert "content-length" not in again.headers
    assert "content-type" not in again.headers
    assert (other.status_code, other.content) == (200, first.content)


async def test_titles_and_their_language_follow_accept_language(client: AsyncClient) -> None:
    chinese = await client.get("/nowhere", headers={"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.1"})
    english = await client.get("/nowhere", headers={"Accept-Language": "fr;q=0.5, en;q=0.4"})

    assert (chinese.json()["title"], chinese.headers["content-language"]) == ("未找到", "zh")
    assert (english.json()["title"], english.headers["content-language"]) == ("Not found", "en")
    assert "Accept-Language" in chinese.headers["vary"]


async def test_who_prefers_nothing_gets_the_language_of_the_settings(settings: Settings) -> None:
    container = build_container(replace(settings, lang="zh_CN"))
    async with serving(create_app(container, controllers=[Things])) as client:
        assert (await client.get("/nowhere")).json()["title"] == "未找到"
    await close(container)


async def test_a_request_leaves_one_line_without_query_body_or_credentials(client: AsyncClient) -> None:
    with capture_logs() as lines:
        await client.post(
            f"{THINGS}/loose?token=hunter2",
            json={"password": "hunter2"},
            headers={"Cookie": "session=hunter2"},
        )
        await client.get(f"{THINGS}/{KNOWN}?x=hunter2")

    assert [line["event"] for line in lines] == ["request_served"] * 2
    assert "hunter2" not in str(lines)
    assert {**lines[1], "duration_ms": 0, "principal": ""} == {
        "event": "request_served",
        "log_level": "info",
        "method": "GET",
        "path": f"{THINGS}/{KNOWN}",
        "route": f"{THINGS}/{{thing_id}}",
        "status": 422,
        "duration_ms": 0,
        "client": "127.0.0.1",
        "principal": "",
    }
    assert lines[1]["principal"].startswith("token:")


async def test_requests_are_counted_by_route_and_not_by_path(client: AsyncClient, token: Token) -> None:
    for number in range(3):
        await client.get(f"{THINGS}/00000000-0000-7000-8000-00000000000{number}")
        await client.get(f"/nowhere/{number}")
        await client.request(f"BREW{number}", THINGS)

    text = (await client.get("/metrics")).text

    assert 'qs_http_requests_total{method="GET",route="/api/v1/things/{thing_id}",status="404"}' in text
    assert 'qs_http_requests_total{method="GET",route="unmatched",status="404"}' in text
    assert 'qs_http_requests_total{method="other",route="unmatched",status="405"}' in text
    assert "qs_http_request_seconds_bucket" in text
    assert "nowhere" not in text
    assert "BREW" not in text


async def test_other_origins_may_call_only_when_they_are_named(settings: Settings) -> None:
    page = "https://app.example.org"
    container = build_container(replace(settings, server=replace(settings.server, cors_origins=(page,))))
    ask = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "idempotency-key"}
    async with serving(create_app(container, controllers=[Things])) as client:
        preflight = await client.options(THINGS, headers={"Origin": page, **ask})
        refused = await client.options(THINGS, headers={"Origin": "https://evil.example", **ask})
        failure = await client.get("/nowhere", headers={"Origin": page})
    await close(container)

    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == page
    assert "PATCH" in preflight.headers["access-control-allow-methods"]
    assert "access-control-allow-origin" not in refused.headers
    assert failure.headers["access-control-allow-origin"] == page
    assert "X-Request-Id" in failure.headers["access-control-expose-headers"]
    assert "Origin" in failure.headers["vary"]


async def test_the_client_behind_a_trusted_proxy_is_the_one_that_is_logged(settings: Settings) -> None:
    server = replace(settings.server, trusted_proxies=("127.0.0.1",))
    container = build_container(replace(settings, server=server))
    headers = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}
    async with serving(create_app(container, controllers=[])) as client:
        with capture_logs() as lines:
            response = await client.get("/nowhere", headers=headers)
    await close(container)

    assert lines[0]["client"] == "203.0.113.9"
    assert response.headers["strict-transport-security"] == "max-age=31536000"


async def test_the_container_is_closed_when_the_application_ends(container: Container) -> None:
    ended: list[bool] = []

    async def closing(given: Any) -> None:
        assert given is container
        ended.append(app.state.ready)

    app = create_app(container, controllers=[], close=closing)
    async with serving(app):
        assert app.state.ready
        assert ended == []

    assert ended == [False]
