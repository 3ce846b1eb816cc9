"""Addresses under /dashboard where nothing is are told to people as a page, and to machines as before."""

import pytest
from httpx import AsyncClient
from litestar import Litestar

from .browser import Browser, Page
from .conftest import SignedIn

WORDS = {"en": "There is no such page", "zh": "没有这个页面"}


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("is_signed_in", [True, False])
async def test_an_unknown_address_is_a_page_in_the_readers_language_with_a_way_back(
    browser: Browser, signed_in: SignedIn, language: str, *, is_signed_in: bool
) -> None:
    if is_signed_in:
        await signed_in("viewer")
    browser.client.headers["Accept-Language"] = language

    for path in (
        "/dashboard/nothing",
        "/dashboard/plans/a/b/c/d",
        "/dashboard/nothing%2Fat%2Fall",
        "/dashboard/lost",
    ):
        page = Page(await browser.client.get(path))

        assert page.status == 404, path
        assert page.response.headers["content-type"].startswith("text/html")
        assert WORDS[language] in page.text
        assert "/dashboard/today" in page.links
        # Who is signed in keeps the sections of their role, and nobody else has any.
        assert ("/dashboard/plans" in page.links) is is_signed_in
        assert "/dashboard/administration/users" not in page.links


async def test_the_language_that_was_chosen_goes_before_the_browsers(browser: Browser) -> None:
    browser.client.cookies.set("qs-language", "zh", path="/dashboard")

    page = Page(await browser.client.get("/dashboard/nothing", headers={"Accept-Language": "en"}))
    absent = Page(
        await browser.client.get("/dashboard/assets/x/nothing.js", headers={"Accept-Language": "en"})
    )

    assert WORDS["zh"] in page.text
    assert "未找到" in absent.text


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("DELETE", "/dashboard/today", "GET, HEAD, OPTIONS"),
        ("POST", "/dashboard/today", "GET, HEAD, OPTIONS"),
        ("GET", "/dashboard/sign-out", "OPTIONS, POST"),
        ("PUT", "/dashboard/plans/x/steer/pause", "GET, HEAD, OPTIONS, POST"),
        ("BREW", "/dashboard", "GET, HEAD, OPTIONS"),
    ],
)
async def test_a_method_that_no_page_takes_is_told_with_those_that_are_taken(
    browser: Browser, method: str, path: str, allow: str
) -> None:
    page = Page(await browser.client.request(method, path))

    assert page.status == 405
    assert page.response.headers["content-type"].startswith("text/html")
    assert page.response.headers["allow"] == allow
    assert WORDS["en"] in page.text


async def test_what_is_sent_to_nowhere_from_anywhere_does_nothing_and_is_told_so(browser: Browser) -> None:
    sent = await browser.client.post(
        "/dashboard/nothing", data={"a": "b"}, headers={"Sec-Fetch-Site": "cross-site"}
    )
    head = await browser.client.head("/dashboard/nothing")

    assert (sent.status_code, head.status_code) == (404, 404)
    assert head.content == b""


async def test_a_session_that_is_over_is_no_obstacle(browser: Browser) -> None:
    browser.client.cookies.set("qs", "nonsense")

    page = Page(await browser.client.get("/dashboard/nothing"))

    assert page.status == 404
    assert WORDS["en"] in page.text


async def test_machines_get_problems_as_before(served: Litestar, api: AsyncClient) -> None:
    answers = [
        await api.get("/api/v1/nothing"),
        await api.delete("/api/v1/plans"),
        await api.get("/nothing"),
        await api.get("/dashboards"),
    ]

    assert [answer.status_code for answer in answers] == [404, 405, 404, 404]
    assert {answer.headers["content-type"] for answer in answers} == {"application/problem+json"}
