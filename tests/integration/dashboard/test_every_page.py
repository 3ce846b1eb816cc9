"""What is true of every page: who may open it, that it can be operated, and that what people wrote is text on it."""

from collections.abc import Mapping

import pytest
from httpx import AsyncClient
from litestar import Litestar
from litestar.routes import HTTPRoute
from msgspec.structs import replace

from qs.container import Container, build_container, close
from qs.domain.identity.scopes import ROLES, scopes_of
from qs.interface.rest.guards import is_public, scopes_of_route
from qs.settings import Settings
from tests.integration.plan_http.steps import data_of, join, make_due, make_plan, make_testee, soon
from tests.support.http import app_over, serving

from .browser import Browser, Page
from .conftest import PASSWORD, Member

V1 = "/api/v1"
# Each would do something if it were not text: as markup, in an attribute, in a script, in a template.
HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>{{ 7 * 7 }}${7*7}javascript:alert(1)"

# Nothing is to be seen there.
NO_PAGES = frozenset(
    {"/dashboard", "/dashboard/live", "/dashboard/assets/{version}/{name}", "/dashboard/sign-in"}
)

# Where pictures on pages come from.
OURS = ("/dashboard/assets/", "/dashboard/statistics/picture/")

# What scripts ask for while somebody types is a part of a page.
PARTS = ("/preview",)


@pytest.fixture
async def furnished(api: AsyncClient, container: Container) -> Mapping[str, str]:
    """Ids of one of everything, named as badly as can be, and a user for each role."""
    plan = await make_plan(api, name=HOSTILE)
    testee = await make_testee(
        api, name=HOSTILE, external_id=HOSTILE, contacts=[{"channel": "phone", "address": "+49 30 5555 0100"}]
    )
    joined = await join(api, plan, testee, soon())
    task = joined["tasks"][0]
    await make_due(container, task)
    await api.post(f"{V1}/plans/tasks/{task['id']}/open")
    await api.post(
        f"{V1}/plans/tasks/{joined['tasks'][1]['id']}/cancel", json={"reason": "moved_away", "note": HOSTILE}
    )
    job = data_of(
        await api.post(
            f"{V1}/scheduler/jobs",
            json={
                "name": HOSTILE,
                "type": "cron",
                "schedule": "0 * * * *",
                "target": {"builtin": "hello_job"},
                "payload": {"name": HOSTILE},
                "remarks": HOSTILE,
            },
        ),
        201,
    )
    run = data_of(await api.post(f"{V1}/scheduler/jobs/{job['id']}/run", json={"payload": {"name": HOSTILE}}))
    await api.post(f"{V1}/scheduler/calendars", json={"name": "ours", "holidays": ["2030-01-01"]})
    endpoint = {"name": HOSTILE, "url": "https://study.example.org/qs", "events": ["plan.*"]}
    webhook = data_of(await api.post(f"{V1}/webhooks", json=endpoint), 201)
    text = {"subject": "A few questions", "body": "{greeting} {link} <script>alert(1)</script>"}
    data_of(await api.put(f"{V1}/templates/task_opened/en", json=text))
    for kind in ("daily", "accumulated", "plan"):
        await api.post(f"{V1}/statistics/sync/{kind}")
    organisation = {"slug": "clinic", "name": HOSTILE, "timezone": "Europe/Berlin"}
    tenant = data_of(await api.post(f"{V1}/admin/tenants", json=organisation), 201)
    return {
        "tenant_id": tenant["id"],
        "turn": "suspend",
        "plan_id": plan["id"],
        "testee_id": testee["id"],
        "task_id": task["id"],
        "job_id": job["id"],
        "execution_id": run["id"],
        "webhook_id": webhook["id"],
        "name": "ours",
        "key": "task_opened",
        "locale": "en",
        "steer": "finish",
        "way": "stop",
        "picture_file": "trend.svg",
        "message_id": "01980000-0000-7000-8000-000000000000",
    }


def pages(app: Litestar) -> dict[str, frozenset[str]]:
    """Every page by its template, with the scopes any of which opens it."""
    return {
        route.path_format: frozenset(scopes_of_route(handler))
        for route in app.routes
        if isinstance(route, HTTPRoute) and route.path_format.startswith("/dashboard")
        for handler in route.route_handlers
        if "GET" in handler.http_methods and route.path_format not in NO_PAGES and not is_public(handler)
    }


@pytest.mark.parametrize("role", sorted(ROLES))
async def test_a_page_opens_for_whom_the_api_would_answer(
    served: Litestar, furnished: Mapping[str, str], browser: Browser, member: Member, role: str
) -> None:
    await member(role, role)
    await browser.sign_in(role, PASSWORD, path="/dashboard/sign-in")
    held = scopes_of([role])
    opened = 0

    for template, scopes in pages(served).items():
        page = Page(await browser.client.get(template.format(**furnished), follow_redirects=True))
        may = "admin" in held or bool(held & scopes)
        is_there = "{message_id}" not in template
        expected = 403 if not may else 200 if is_there else 404
        assert page.status == expected, (role, template, page.text)
        opened += may
        if not template.endswith(PARTS) and page.response.headers["content-type"].startswith("text/html"):
            _is_in_order(page, template)

    assert opened > 0 or role == "service"


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_what_people_wrote_is_text_on_every_page(
    served: Litestar, furnished: Mapping[str, str], browser: Browser, member: Member, language: str
) -> None:
    await member("admin", "root")
    await browser.sign_in("root", PASSWORD, path="/dashboard/sign-in")
    browser.client.headers["Accept-Language"] = language
    shown = 0

    for template in pages(served):
        page = Page(await browser.client.get(template.format(**furnished), follow_redirects=True))
        if not page.response.headers["content-type"].startswith("text/html"):
            continue
        shown += "alert(1)" in page.response.text
        for tag, given in page.tags:
            assert tag != "script" or given.get("src", "").startswith("/dashboard/assets/"), template
            assert not any(name.startswith("on") for name in given), (template, tag, given)
            assert tag != "img" or given["src"].startswith(OURS), template
        assert ">49<" not in page.response.text
        assert "{{" not in page.response.text.replace("{{ 7 * 7 }}", "")

    assert shown > 10


def _is_in_order(page: Page, template: str) -> None:
    tags = [tag for tag, _ in page.tags]
    ids = [given["id"] for _, given in page.tags if "id" in given]
    assert tags.count("h1") == 1, template
    assert tags.count("main") == 1, template
    assert len(ids) == len(set(ids)), (template, ids)
    referred = {given["for"] for tag, given in page.tags if tag == "label" and "for" in given}
    referred |= {given["aria-labelledby"] for _, given in page.tags if "aria-labelledby" in given}
    assert referred <= set(ids), (template, referred - set(ids))
    for tag, given in page.tags:
        if tag == "th":
            assert given.get("scope") in ("col", "row"), template
        if tag == "img":
            assert "alt" in given, template
    for form in page._read.forms:
        if form.method == "post" and form.action != "/dashboard/likings":
            assert form.fields.get("form_key"), (template, form)


async def test_a_page_that_does_not_exist_is_told_as_one(browser: Browser, member: Member) -> None:
    await member("admin", "root")
    await browser.sign_in("root", PASSWORD, path="/dashboard/sign-in")

    page = await browser.open("/dashboard/plans/no-such-thing", 404)

    assert "Not found" in page.text or "not found" in page.text
    assert page.response.headers["content-type"].startswith("text/html")


async def test_following_a_page_tells_its_parts_and_then_what_changed(
    api: AsyncClient, browser: Browser, member: Member
) -> None:
    await member("admin", "root")
    await browser.sign_in("root", PASSWORD, path="/dashboard/sign-in")
    page = await browser.client.get("/dashboard/today", headers={"X-Live": "1"})
    await join(api, await make_plan(api))

    later = await browser.client.get("/dashboard/today", headers={"X-Live": "1"})

    assert set(page.json()) == {"status", "alerts", "duties"}
    assert page.json()["status"] != later.json()["status"]
    assert "events not acted on yet" in page.json()["status"]


async def test_nothing_but_pages_can_be_followed(browser: Browser, member: Member) -> None:
    await member("admin", "root")
    await browser.sign_in("root", PASSWORD, path="/dashboard/sign-in")

    for wanted in (
        "/api/v1/plans",
        "/dashboard/live",
        "https://evil.example/",
        "//evil.example/dashboard/",
        "",
    ):
        answer = await browser.client.get("/dashboard/live", params={"page": wanted})
        assert answer.status_code == 404, wanted


async def test_without_the_feature_there_are_no_pages(settings: Settings) -> None:
    container = build_container(replace(settings, feature=replace(settings.feature, dashboard=False)))
    try:
        async with serving(app_over(container)) as client:
            for path in ("/dashboard", "/dashboard/today", "/dashboard/sign-in"):
                assert (await client.get(path)).status_code == 404
    finally:
        await close(container)


@pytest.mark.parametrize("is_on", [True, False])
async def test_the_address_of_other_systems_leads_to_the_queues_where_it_is_switched_on(
    settings: Settings, *, is_on: bool
) -> None:
    container = build_container(replace(settings, feature=replace(settings.feature, queue_dashboard=is_on)))
    try:
        async with serving(app_over(container)) as client:
            answer = await client.get("/queue")
    finally:
        await close(container)

    assert answer.status_code == (303 if is_on else 404)
    assert answer.headers.get("location") == ("/dashboard/scheduler/queues" if is_on else None)
