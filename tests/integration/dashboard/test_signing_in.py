"""Coming in and going out: a cookie that only we can make, that ends, and that no other site can use."""

from datetime import UTC, datetime, timedelta

import pytest

from qs.application.identity import browser_sessions
from qs.application.identity.browser_sessions import BrowserTerms
from qs.domain.kernel.ids import DEFAULT_TENANT

from .browser import ORIGIN, Browser, Page
from .conftest import PASSWORD


async def test_who_is_not_signed_in_is_led_to_the_form_and_back(member, browser):
    await member()
    wanted = "/dashboard/plans?status=active"
    led = await browser.open(wanted)

    page = await browser.sign_in("anna", PASSWORD, path=wanted)

    assert led.path == "/dashboard/sign-in?next=%2Fdashboard%2Fplans%3Fstatus%3Dactive"
    assert page.path == wanted


@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.example/dashboard/",
        "//evil.example/",
        "/dashboard/\\evil",
        "/api/v1/plans",
        "/dashboard/sign-in",
    ],
)
async def test_signing_in_leads_nowhere_else(member, browser, wanted):
    await member()
    page = await browser.open("/dashboard/sign-in")
    form = page.form(holding="username")
    form.action = f"/dashboard/sign-in?next={wanted}"

    page = await browser.send(page, form, username="anna", password=PASSWORD)

    assert page.path == "/dashboard/today"


async def test_a_wrong_password_says_no_more_than_an_unknown_name(member, browser):
    await member()

    wrong = await browser.sign_in("anna", "not the one", 401, "/dashboard/sign-in")
    unknown = await browser.sign_in("nobody", PASSWORD, 401, "/dashboard/sign-in")

    assert "User name or password is wrong." in wrong.text
    assert wrong.text == unknown.text
    assert wrong.form(holding="username").fields["password"] == ""


async def test_the_cookie_is_kept_from_scripts_and_other_sites_and_bound_to_https(member, browser):
    await member()
    page = await browser.open("/dashboard/sign-in")
    form = page.form(holding="username")
    sent = {**form.fields, "username": "anna", "password": PASSWORD}

    plain = await browser.client.post("/dashboard/sign-in", data=sent, headers={"Origin": ORIGIN})
    secure = await browser.client.post(
        "https://qs.test/dashboard/sign-in", data=sent, headers={"Origin": "https://qs.test"}
    )

    assert plain.headers["set-cookie"].startswith("qs=")
    assert secure.headers["set-cookie"].startswith("__Host-qs=")
    for cookie, is_secure in ((plain.headers["set-cookie"], False), (secure.headers["set-cookie"], True)):
        attributes = {each.strip().lower() for each in cookie.split(";")[1:]}
        assert {"path=/", "httponly", "samesite=lax"} <= attributes
        assert ("secure" in attributes) is is_secure
        assert not any(each.startswith(("domain", "max-age", "expires")) for each in attributes)


async def test_the_cookie_holds_nothing_that_can_be_read_and_one_letter_changed_is_none(signed_in, browser):
    await signed_in()
    cookie = browser.client.cookies["qs"]

    assert "anna" not in cookie
    assert "eyJ" not in cookie
    other = "A" if cookie[-10] != "A" else "B"
    browser.client.cookies.set("qs", cookie[:-10] + other + cookie[-9:], domain="qs.test")
    page = await browser.open("/dashboard/today")
    assert page.path.startswith("/dashboard/sign-in")


async def test_a_bearer_token_opens_no_page(api, browser):
    page = Page(await api.get("/dashboard/today", follow_redirects=True))

    assert page.path.startswith("/dashboard/sign-in")


async def test_signing_out_ends_the_session_for_whoever_kept_the_cookie(signed_in, browser, monkeypatch):
    await signed_in()
    kept = browser.client.cookies["qs"]
    page = await browser.open("/dashboard/today")

    page = await browser.send(page, page.form("/dashboard/sign-out"))

    assert "You are signed out." in page.text
    assert "qs" not in browser.client.cookies
    browser.client.cookies.set("qs", kept, domain="qs.test")
    forget_who_may_come_in(browser)
    page = await browser.open("/dashboard/today")
    assert page.path.startswith("/dashboard/sign-in")


def forget_who_may_come_in(browser: Browser) -> None:
    """What is believed for 3 s is asked for again."""
    app = browser.client._transport.app  # type: ignore[attr-defined]
    app.state.container.authentication()._in_good_standing._kept.clear()


async def test_a_user_who_is_disabled_is_out(signed_in, browser, container):
    await signed_in("viewer")
    users = container.user_administration()
    (anna,) = [each for each in await users.list(DEFAULT_TENANT) if each.username == "anna"]

    await users.disable(DEFAULT_TENANT, anna.id, actor="test")
    forget_who_may_come_in(browser)

    page = await browser.open("/dashboard/today")
    assert page.path.startswith("/dashboard/sign-in")


class TestHowLongASessionLasts:
    """The clock of sessions is moved, not waited for."""

    @pytest.fixture
    def hours(self, container, monkeypatch):
        later = timedelta()

        def move(hours: float) -> None:
            nonlocal later
            later += timedelta(hours=hours)

        sessions = container.browser_sessions()
        monkeypatch.setattr(sessions, "_clock", lambda: datetime.now(UTC) + later)
        return move

    async def test_one_that_nobody_uses_is_over_after_an_hour(self, signed_in, hours, browser):
        await signed_in()
        hours(0.9)
        still = await browser.open("/dashboard/today")
        hours(0.9)
        used = await browser.open("/dashboard/today")
        hours(1.1)

        over = await browser.open("/dashboard/today")

        assert still.path == used.path == "/dashboard/today"
        assert over.path.startswith("/dashboard/sign-in")

    async def test_one_that_is_used_is_over_after_twelve_hours(self, signed_in, hours, browser):
        await signed_in()
        paths = []
        for _ in range(14):
            hours(0.9)
            paths.append((await browser.open("/dashboard/today")).path)

        assert paths[:13] == ["/dashboard/today"] * 13
        assert paths[13].startswith("/dashboard/sign-in")

    async def test_what_follows_a_page_by_itself_keeps_no_session_from_being_idle(
        self, signed_in, hours, browser
    ):
        await signed_in()
        for _ in range(3):
            hours(0.4)
            await browser.client.get("/dashboard/plans/preview", headers={"X-Live": "1"})

        over = await browser.open("/dashboard/today")

        assert over.path.startswith("/dashboard/sign-in")

    def test_the_terms_are_an_hour_and_twelve(self):
        assert BrowserTerms() == browser_sessions.BrowserTerms(timedelta(hours=1), timedelta(hours=12))


class TestOtherSites:
    async def test_what_comes_from_another_site_changes_nothing(self, signed_in, browser, api):
        await signed_in()
        page = await browser.open("/dashboard/plans/new")
        form = page.form(holding="scale_code")
        sent = {**form.fields, "name": "theirs", "scale_code": "PHQ-9"}

        answers = [
            await browser.client.post("/dashboard/plans/new", data=sent, headers=headers)
            for headers in (
                {},
                {"Origin": "https://evil.example"},
                {"Origin": "null"},
                {"Origin": ORIGIN, "Sec-Fetch-Site": "cross-site"},
                {"Origin": ORIGIN, "Sec-Fetch-Site": "same-site"},
            )
        ]

        assert [answer.status_code for answer in answers] == [403] * 5
        assert (await api.get("/api/v1/plans")).json()["data"]["total"] == 0

    @pytest.mark.parametrize("key", ["", "x" * 32, None])
    async def test_a_form_without_the_key_of_the_session_changes_nothing(self, signed_in, browser, api, key):
        await signed_in()
        page = await browser.open("/dashboard/plans/new")

        page = await browser.send(
            page, page.form(holding="scale_code"), 403, name="theirs", scale_code="PHQ-9", form_key=key
        )

        assert "nothing was done" in page.text
        assert (await api.get("/api/v1/plans")).json()["data"]["total"] == 0

    async def test_no_page_may_be_framed_cached_or_run_what_is_not_ours(self, signed_in, browser):
        await signed_in()
        for path in ("/dashboard/today", "/dashboard/plans", "/dashboard/plans/new", "/dashboard/sign-in"):
            page = await browser.open(path)
            headers = page.response.headers
            policy = {
                words[0]: words[1:]
                for words in (each.split() for each in headers["content-security-policy"].split(";"))
            }
            assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == ["'none'"]
            assert policy["script-src"] == policy["style-src"] == policy["form-action"] == ["'self'"]
            assert headers["cache-control"] == "no-store"
            for tag, given in page.tags:
                assert tag != "style", path
                assert "style" not in given, (path, tag)
                assert not any(name.startswith("on") for name in given), (path, tag)
                for name in ("src", "href", "action"):
                    assert not given.get(name, "/").startswith(("http", "//", "javascript")), (path, given)
                assert tag != "script" or given.get("src", "").startswith("/dashboard/assets/")


async def test_language_theme_and_zone_are_remembered(signed_in, browser):
    await signed_in()
    page = await browser.open("/dashboard/plans")

    page = await browser.send(
        page, page.form("/dashboard/likings"), language="zh", theme="dark", zone="America/New_York"
    )

    assert page.path == "/dashboard/plans"
    again = await browser.open("/dashboard/today")
    html = next(given for tag, given in again.tags if tag == "html")
    assert (html["lang"], html["data-theme"]) == ("zh-CN", "dark")
    assert "America/New_York" in again.text


async def test_a_liking_that_does_not_exist_changes_nothing(signed_in, browser):
    await signed_in()
    page = await browser.open("/dashboard/plans")

    page = await browser.send(
        page, page.form("/dashboard/likings"), language="tlh", theme="red", zone="../../etc/passwd"
    )

    assert not [name for name in browser.client.cookies if name.startswith("qs-")]
