"""Every page in a real browser: both languages, light and dark, wide and narrow, and nobody is left out."""

from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from .conftest import Open, shot_to

pytestmark = pytest.mark.system

PAGES = (
    "today",
    "plans",
    "plan",
    "new plan",
    "finish",
    "enroll",
    "tasks",
    "task",
    "testees",
    "testee",
    "new testee",
    "statistics",
    "scheduler",
    "job",
    "new job",
    "execution",
    "queues",
    "nodes",
    "messages",
    "webhooks",
    "webhook",
    "events",
    "audit",
    "users",
    "roles",
    "tenants",
    "tenant",
    "suspend",
    "lost",
    "machines",
    "organisation",
    "scales",
    "calendars",
    "texts",
    "text",
)
LOOKS: tuple[dict[str, Any], ...] = (
    {"locale": "en-GB", "width": 1280, "dark": False},
    {"locale": "zh-CN", "width": 390, "dark": True},
)


@pytest.mark.parametrize("look", LOOKS, ids=("wide, light, English", "narrow, dark, Chinese"))
def test_every_page_is_whole_and_open_to_everybody(
    open_page: Open,
    furnished: Mapping[str, str],
    service: str,
    complaints: list[str],
    look: dict[str, Any],
) -> None:
    """Nothing sticks out, nothing is asked elsewhere, the policy refuses nothing, and axe finds nothing (WCAG 2.2 AA)."""
    page = open_page("/today", **look)
    found: dict[str, list[str]] = {}
    for name in PAGES:
        page.goto(f"{service}/dashboard{furnished[name]}")
        if path := shot_to(f"{name.replace(' ', '-')}-{look['locale']}"):
            # Pictures further down are loaded when somebody comes near.
            page.evaluate("document.body.scrollIntoView({block: 'end'})")
            page.wait_for_timeout(1500)
            page.screenshot(path=path, full_page=True)
        wide = page.evaluate("document.documentElement.scrollWidth")
        if wide > look["width"]:
            found.setdefault(name, []).append(f"{wide} px wide")
        results = Axe().run(
            page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
        )
        for violation in results.response["violations"]:
            where = "; ".join(node["html"][:160] for node in violation["nodes"][:3])
            found.setdefault(name, []).append(f"{violation['id']}: {where}")

    assert set(PAGES) == furnished.keys()
    assert found == {}
    # Where no page is, the browser says itself.
    assert [each for each in complaints if "status of 404" not in each] == []


def test_a_page_follows_what_happens_over_a_restart_of_the_stream(
    open_page: Open, furnished: Mapping[str, str], api: httpx.Client, complaints: list[str]
) -> None:
    page = open_page("/plans")
    page.goto(page.url.replace("/plans", furnished["plan"]))
    before = page.locator("#live-grid tbody tr").count()
    testee = api.post("/testees", json={"name": "Newcomer"}).json()["data"]

    plan_id = furnished["plan"].rpartition("/")[2]
    joined = api.post(
        "/plans/enroll", json={"plan_id": plan_id, "testee_id": testee["id"], "start_date": "2030-01-07"}
    )

    assert joined.status_code == 201, joined.text
    expect(page.locator("#live-grid tbody tr")).to_have_count(before + 1, timeout=30_000)
    assert "Newcomer" in page.locator("#live-grid").inner_text()
    assert complaints == []


def test_a_schedule_is_previewed_while_it_is_typed(
    open_page: Open, furnished: Mapping[str, str], complaints: list[str]
) -> None:
    page = open_page(furnished["new plan"])
    page.locator("#live-occasions li").first.wait_for()

    page.fill("input[name=total_times]", "9")

    expect(page.locator("#live-occasions li")).to_have_count(9, timeout=30_000)
    page.select_option("select[name=schedule_type]", "fixed_date")
    assert page.locator("input[name=interval]").is_hidden()
    assert page.locator("input[name=fixed_dates]").is_visible()
    assert complaints == []


def test_a_plan_is_made_and_joined_by_keyboard_alone(open_page: Open, complaints: list[str]) -> None:
    page = open_page("/plans/new")
    page.locator("input[name=name]").focus()

    page.keyboard.type("By keyboard")
    page.keyboard.press("Tab")
    page.keyboard.type("PHQ-9")
    page.keyboard.press("Enter")

    page.wait_for_url("**/plans/*said=plan_created")
    assert page.locator("h1").inner_text().startswith("By keyboard")
    assert page.locator("[role=status]").is_visible()
    assert complaints == []


def test_the_grid_of_executions_is_one_stop_and_the_arrow_keys_go_on_from_it(
    open_page: Open, furnished: Mapping[str, str], api: httpx.Client, complaints: list[str]
) -> None:
    job_id = furnished["job"].rpartition("/")[2]
    for _ in range(2):
        run = api.post(f"/scheduler/jobs/{job_id}/run", params={"force": "true"})
        assert run.status_code == 200, run.text
    page = open_page("/scheduler")
    page.locator("a.spark").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**#history")
    cells = page.locator(".slots > .slot")
    last = cells.count() - 1

    cells.nth(last).focus()
    page.keyboard.press("ArrowLeft")
    left = cells.nth(last - 1).evaluate("cell => cell === document.activeElement")
    page.keyboard.press("Home")
    page.keyboard.press("Enter")

    assert last >= 2
    assert left
    page.wait_for_url("**/scheduler/executions/*")
    assert complaints == []


def test_everything_works_without_scripts(open_page: Open, furnished: Mapping[str, str]) -> None:
    page = open_page(furnished["finish"], java_script_enabled=False)

    page.go_back()
    page.goto(page.url)
    page.locator("details.me summary").click()
    page.select_option("select[name=language]", "zh")
    page.locator("form[action='/dashboard/likings'] button").click()

    assert page.locator("html").get_attribute("lang") == "zh-CN"
