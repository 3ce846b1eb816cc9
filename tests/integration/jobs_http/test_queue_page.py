"""``/queue``: off unless it is switched on, shown only to who is known, and nothing on it but text."""

import base64
from datetime import timedelta

import pytest
from msgspec.structs import replace
from sqlalchemy import text

from qs.application.identity import authenticating
from qs.container import Container, build_container, close
from qs.domain.kernel.ids import DEFAULT_TENANT
from tests.support.http import app_over, serving

from .steps import make_job, problem_of, run_job

PASSWORD = "correct horse battery staple"


@pytest.fixture
async def dashboard(settings):
    """The container of an installation that has the page."""
    feature = replace(settings.feature, queue_dashboard=True)
    container = build_container(replace(settings, feature=feature))
    yield container
    await close(container)


@pytest.fixture
async def browser(dashboard):
    async with serving(app_over(dashboard)) as client:
        yield client


async def user(container: Container, name: str = "anna", role: str = "viewer") -> dict[str, str]:
    await container.user_administration().create(DEFAULT_TENANT, name, PASSWORD, [role], actor="test")
    return basic(name, PASSWORD)


def basic(name: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


async def test_without_the_feature_there_is_no_page(api):
    for headers in ({}, basic("anna", PASSWORD), {"Authorization": ""}):
        problem_of(await api.get("/queue", headers=headers), 404, "absent")


async def test_the_page_shows_queues_and_executions_as_text(dashboard, browser):
    browser.headers.update(await user(dashboard, role="admin"))
    token = await dashboard.token_issuing().issue(DEFAULT_TENANT, ["admin"], timedelta(hours=1), actor="test")
    bearer = {"Authorization": f"Bearer {token.token}"}
    async with serving(app_over(dashboard)) as api:
        api.headers.update(bearer)
        job = await make_job(api, name="<script>alert(1)</script>", queue="slow")
        await run_job(api, job)

    page = await browser.get("/queue")

    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert page.headers["cache-control"] == "no-store"
    assert "<script" not in page.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.text
    assert "<td>slow</td><td>1</td><td>0</td>" in page.text
    assert 'style="' not in page.text
    chinese = await browser.get("/queue", headers={"Accept-Language": "zh"})
    assert "队列" in chinese.text
    assert (await browser.get("/queue", headers=bearer)).status_code == 200
    assert (await browser.head("/queue")).status_code == 200


async def test_who_is_not_known_is_asked_for_a_name_and_a_password(dashboard, browser):
    await user(dashboard)
    known = await user(dashboard, "bea")

    for headers in (
        {},
        basic("anna", "wrong password"),
        basic("nobody", PASSWORD),
        basic("", ""),
        basic("x" * 200, PASSWORD),
        basic("a\x00b", PASSWORD),
        {"Authorization": "Basic ???"},
        {"Authorization": "Basic /////w=="},
    ):
        answer = await browser.get("/queue", headers=headers)
        assert answer.status_code == 401, headers
        assert answer.headers["www-authenticate"].startswith('Basic realm="qs"')
    bad_token = await browser.get("/queue", headers={"Authorization": "Bearer nonsense"})
    assert bad_token.status_code == 401
    assert (await browser.get("/queue", headers=known)).status_code == 200


async def test_a_page_that_is_reloaded_begins_one_session(dashboard, browser, engine):
    headers = await user(dashboard)
    for _ in range(3):
        assert (await browser.get("/queue", headers=headers)).status_code == 200

    async with engine.connect() as connection:
        await connection.execute(
            text("SELECT set_config('qs.tenant_id', :t, true)"), {"t": str(DEFAULT_TENANT)}
        )
        begun = await connection.scalar(text("SELECT count(*) FROM audit WHERE action = 'session.begun'"))
    assert begun == 1


async def test_who_is_disabled_sees_the_page_no_more(dashboard, browser, monkeypatch):
    monkeypatch.setattr(authenticating, "BELIEVED_FOR_S", 0.0)
    headers = await user(dashboard)
    first = await browser.get("/queue", headers=headers)

    await dashboard.user_administration().disable(DEFAULT_TENANT, "anna", actor="test")
    second = await browser.get("/queue", headers=headers)

    assert (first.status_code, second.status_code) == (200, 401)


async def test_a_name_without_the_scope_is_let_in_nowhere(dashboard, browser):
    token = await dashboard.token_issuing().issue(
        DEFAULT_TENANT, ["plans:read"], timedelta(hours=1), actor="test"
    )

    answer = await browser.get("/queue", headers={"Authorization": f"Bearer {token.token}"})

    problem_of(answer, 403, "auth.scope_missing")


async def test_an_empty_page_says_that_there_is_nothing(dashboard, browser):
    page = await browser.get("/queue", headers=await user(dashboard))

    assert "Nothing waits" in page.text
