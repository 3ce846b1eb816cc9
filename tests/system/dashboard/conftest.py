"""Debian's Chromium before the real service, which is filled with a plan, testees, answers and jobs."""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.support.service import running_service

USERNAME, PASSWORD = "root", "correct horse battery staple of the browser"
_QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>"

Open = Callable[..., Page]


@pytest.fixture(scope="session")
def service() -> Iterator[str]:
    with running_service(USERNAME, PASSWORD) as address:
        yield address


@pytest.fixture(scope="session")
def api(service: str) -> Iterator[httpx.Client]:
    login = httpx.post(
        f"{service}/api/v1/auth/login", json={"username": USERNAME, "password": PASSWORD}, timeout=30
    ).raise_for_status()
    headers = {"Authorization": f"Bearer {login.json()['access_token']}"}
    with httpx.Client(base_url=f"{service}/api/v1", headers=headers, timeout=30) as client:
        yield client


@pytest.fixture(scope="session")
def furnished(api: httpx.Client) -> Mapping[str, str]:
    """Addresses of pages by what they show."""
    today = datetime.now(UTC).date()
    weekly = {"scale_code": "PHQ-9", "schedule_type": "by_week", "interval": 1, "total_times": 6}
    plan = _made(api, "/plans", {"name": "PHQ-9 after discharge", "catch_up_days": None, **weekly})
    for number, name in enumerate(("李雷", "韩梅梅", "Anna Schmidt", "John O'Neil", HOSTILE, "María García")):
        testee = _made(
            api,
            "/testees",
            {
                "name": name,
                "external_id": f"P-{number:04}",
                "contacts": [{"channel": "email", "address": f"p{number}@example.org"}],
            },
        )
        start = today - timedelta(days=7 * (number % 4))
        _made(
            api,
            "/plans/enroll",
            {"plan_id": plan["id"], "testee_id": testee["id"], "start_date": start.isoformat()},
        )
    _asked(api, "/plans/tasks/schedule")
    tasks = api.get("/plans/tasks", params={"status": "opened", "page_size": 100}).json()["data"]["items"]
    for task in tasks[::2]:
        _asked(api, f"/plans/tasks/{task['id']}/complete", {"assessment_id": f"a-{task['id'][-6:]}"})
    job = _made(
        api,
        "/scheduler/jobs",
        {"name": "nightly", "type": "cron", "schedule": "0 2 * * *", "target": {"builtin": "hello_job"}},
    )
    run = _asked(api, f"/scheduler/jobs/{job['id']}/run")
    endpoint = {"name": "study system", "url": "https://study.example.org/qs", "events": ["plan.*"]}
    webhook = _made(api, "/webhooks", endpoint)
    organisation = {"slug": "day-hospital", "name": HOSTILE, "timezone": "Asia/Shanghai"}
    tenant = _made(api, "/admin/tenants", {**organisation, "quotas": {"max_testees": 5000, "max_jobs": 0}})
    for kind in ("daily", "accumulated", "plan"):
        _asked(api, f"/statistics/sync/{kind}")
    return {
        "today": "/today",
        "plans": "/plans",
        "plan": f"/plans/{plan['id']}",
        "new plan": "/plans/new",
        "finish": f"/plans/{plan['id']}/steer/finish",
        "enroll": f"/plans/{plan['id']}/enroll",
        "tasks": "/tasks",
        "task": f"/tasks/{tasks[1]['id']}",
        "testees": "/testees",
        "testee": f"/testees/{testee['id']}",
        "new testee": "/testees/new",
        "statistics": "/statistics",
        "scheduler": "/scheduler",
        "job": f"/scheduler/jobs/{job['id']}",
        "new job": "/scheduler/new",
        "execution": f"/scheduler/executions/{run['id']}",
        "queues": "/scheduler/queues",
        "nodes": "/scheduler/nodes",
        "messages": "/notifications",
        "webhooks": "/webhooks",
        "webhook": f"/webhooks/{webhook['id']}",
        "events": "/events",
        "audit": "/audit",
        "users": "/administration/users",
        "roles": "/administration/roles",
        "tenants": "/administration/tenants",
        "tenant": f"/administration/tenants/{tenant['id']}",
        "suspend": f"/administration/tenants/{tenant['id']}/suspend",
        "lost": "/no/such/page",
        "machines": "/administration/machines",
        "organisation": "/administration/organisation",
        "scales": "/administration/scales",
        "calendars": "/administration/calendars",
        "texts": "/administration/texts",
        "text": "/administration/texts/task_opened/zh",
    }


# What drives the browser leaves its event loop running in the thread, in which no other file's tests could run one of theirs.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    program = shutil.which("chromium")
    assert program is not None, "these tests need Chromium; on Debian: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(_QUIET))
        yield browser
        browser.close()


@pytest.fixture
def complaints() -> list[str]:
    """What a browser said against a page: errors in the console, refusals by the policy, calls to elsewhere."""
    return []


@pytest.fixture
def open_page(chromium: Browser, service: str, complaints: list[str]) -> Iterator[Open]:
    """Opens pages, signed in, in a context of its own: ``open_page("/plans", locale="zh-CN", width=390, dark=True)``."""
    contexts: list[BrowserContext] = []

    def open_page(
        path: str, *, locale: str = "en-GB", width: int = 1280, dark: bool = False, **more: Any
    ) -> Page:
        context = chromium.new_context(
            viewport={"width": width, "height": 900},
            locale=locale,
            color_scheme="dark" if dark else "light",
            **more,
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(f"a dialog says {dialog.message}"))
        page.on(
            "request",
            lambda asked: None if asked.url.startswith((service, "data:")) else complaints.append(asked.url),
        )
        page.goto(f"{service}/dashboard/sign-in?next=/dashboard{path}")
        page.fill("#username", USERNAME)
        page.fill("#password", PASSWORD)
        page.click("form[action*='sign-in'] button")
        page.wait_for_url(f"**/dashboard{path}")
        return page

    yield open_page
    for context in contexts:
        context.close()


def shot_to(name: str) -> str | None:
    """Where a picture of a page goes, for people to look at; nowhere unless QS_SHOTS names a folder."""
    folder = os.environ.get("QS_SHOTS")
    return f"{folder}/{name}.png" if folder else None


def _made(api: httpx.Client, path: str, body: dict[str, Any]) -> Any:
    answer = api.post(path, json=body)
    assert answer.status_code in (200, 201), answer.text
    return answer.json()["data"]


def _asked(api: httpx.Client, path: str, body: dict[str, Any] | None = None) -> Any:
    answer = api.post(path, json=body) if body is not None else api.post(path)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]
