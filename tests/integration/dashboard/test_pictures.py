"""Pictures on pages: above their tables, in the reader's language and colours, with words for who does not see them."""

import re
import sys
import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta

import pytest

from tests.integration.plan_http.steps import data_of, join, make_due, make_plan, make_testee, soon

V1 = "/api/v1"
HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>{{ 7 * 7 }}$\\frac"
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
async def plan(api, container):
    """A plan of two people, whose first tasks are open, and one of them answered; synced."""
    plan = await make_plan(api, name=HOSTILE)
    tasks = []
    for name in ("Li Lei", "Han Meimei"):
        joined = await join(api, plan, await make_testee(api, name=name), soon())
        tasks.append(joined["tasks"][0])
    await make_due(container, tasks[0])
    for task in tasks:
        data_of(await api.post(f"{V1}/plans/tasks/{task['id']}/open"))
    data_of(await api.post(f"{V1}/plans/tasks/{tasks[0]['id']}/complete", json={"assessment_id": "a-1"}))
    for kind in ("daily", "accumulated", "plan"):
        data_of(await api.post(f"{V1}/statistics/sync/{kind}"))
    return plan


def dates_around(plan) -> str:
    """The query for dates in which the tasks of the plan were opened."""
    today = datetime.now(UTC).date()
    return f"from={today - timedelta(2)}&to={today + timedelta(10)}"


def images_of(page) -> list[dict[str, str]]:
    return [given for tag, given in page.tags if tag == "img" and "/picture/" in given["src"]]


async def texts_at(browser, source: str) -> list[str]:
    answer = await browser.client.get(source)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/svg+xml"
    return ["".join(each.itertext()) for each in ET.fromstring(answer.content).iter(f"{SVG}text")]


async def test_the_statistics_are_drawn_above_their_table(plan, signed_in):
    browser = await signed_in()

    page = await browser.open(f"/dashboard/statistics?{dates_around(plan)}")

    trend, completion = images_of(page)
    assert "2 opened, 1 completed, 0 expired, 0 missed in all" in trend["alt"]
    assert "1 of 1 closed tasks were completed" in completion["alt"]
    assert (trend["width"], trend["height"], trend["loading"]) == ("864", "614", "lazy")
    html = page.response.text
    assert html.index(trend["src"].partition("?")[0]) < html.rindex("<table>")
    assert "opened, 2 in all" in await texts_at(browser, trend["src"])
    assert "Completion: all plans" in await texts_at(browser, completion["src"])


async def test_a_plan_shows_completion_by_occasion_and_how_people_stay(plan, signed_in):
    browser = await signed_in()

    page = await browser.open(f"/dashboard/plans/{plan['id']}")

    completion, retention = images_of(page)
    assert "100 % at occasion 1" in completion["alt"]
    assert "of 2 enrollments 100 % still answer" in retention["alt"]
    assert f"Completion: {HOSTILE}" in await texts_at(browser, completion["src"])
    assert f"Retention: {HOSTILE}" in await texts_at(browser, retention["src"])


async def test_a_plan_in_the_statistics_is_drawn_by_date_and_by_occasion(plan, signed_in):
    browser = await signed_in()

    page = await browser.open(f"/dashboard/statistics?dimension=plan&key={plan['id']}&{dates_around(plan)}")

    trend, completion = images_of(page)
    assert f"Tasks a day: {HOSTILE}" in await texts_at(browser, trend["src"])
    assert "completed of closed tasks, by occasion" in " ".join(await texts_at(browser, completion["src"]))


async def test_pictures_follow_the_system_unless_the_reader_chose_a_theme(plan, signed_in):
    browser = await signed_in()
    path = f"/dashboard/plans/{plan['id']}"

    by_system = await browser.open(path)
    browser.client.cookies.set("qs-theme", "dark")
    dark = await browser.open(path)
    browser.client.cookies.set("qs-theme", "light")
    light = await browser.open(path)

    sources = [given for tag, given in by_system.tags if tag == "source"]
    assert {given["media"] for given in sources} == {"(prefers-color-scheme: dark)"}
    assert all("theme=dark" in given["srcset"] for given in sources)
    assert len(sources) == len(images_of(by_system)) == 2
    for page, theme in ((by_system, "light"), (dark, "dark"), (light, "light")):
        assert all(given["src"].endswith(f"theme={theme}") for given in images_of(page))
    assert not [tag for page in (dark, light) for tag, _ in page.tags if tag == "source"]


async def test_pictures_are_in_the_readers_language(plan, signed_in):
    browser = await signed_in()
    browser.client.headers["Accept-Language"] = "zh-CN"

    page = await browser.open(f"/dashboard/statistics?{dates_around(plan)}")

    trend = images_of(page)[0]
    assert "每日任务：共开启 2、完成 1" in trend["alt"]
    assert "每日任务：全部计划" in await texts_at(browser, trend["src"])


async def test_a_picture_is_kept_for_its_reader_and_told_to_be_the_same(plan, signed_in):
    browser = await signed_in()
    source = images_of(await browser.open(f"/dashboard/plans/{plan['id']}"))[0]["src"]

    first = await browser.client.get(source)
    again = await browser.client.get(source, headers={"If-None-Match": first.headers["etag"]})

    assert first.headers["cache-control"] == "private, max-age=60"
    assert first.headers["vary"] == "Cookie"
    assert first.headers["content-security-policy"].startswith(
        "default-src 'none'; style-src 'unsafe-inline'"
    )
    assert first.headers["x-content-type-options"] == "nosniff"
    assert (again.status_code, again.content) == (304, b"")


async def test_what_was_synced_since_is_at_another_address(plan, api, container, signed_in):
    browser = await signed_in()
    path = f"/dashboard/plans/{plan['id']}"
    before = images_of(await browser.open(path))[0]["src"]

    data_of(await api.post(f"{V1}/statistics/sync/plan"))

    assert images_of(await browser.open(path))[0]["src"] != before


@pytest.mark.parametrize(
    ("file", "status"),
    [
        ("pie.svg", 404),
        ("trend", 404),
        ("trend.png", 404),
        ("trend.svg?dimension=plan&key=nonsense", 404),
        ("trend.svg?theme=sepia", 422),
        ("trend.svg?from=soon", 422),
        ("retention.svg", 422),
        ("..%2Fdaily.svg", 404),
    ],
)
async def test_what_is_no_picture_is_told_as_a_page(signed_in, file, status):
    browser = await signed_in()

    page = await browser.open(f"/dashboard/statistics/picture/{file}", status)

    assert page.response.headers["content-type"].startswith("text/html")


async def test_nobody_who_is_not_signed_in_gets_a_picture(browser):
    page = await browser.open("/dashboard/statistics/picture/trend.svg")

    assert page.path.startswith("/dashboard/sign-in")


async def test_where_nothing_was_counted_no_picture_is_shown(api, signed_in):
    plan = await make_plan(api)
    browser = await signed_in()

    pages = [
        await browser.open(f"/dashboard/plans/{plan['id']}"),
        await browser.open("/dashboard/statistics"),
    ]

    assert [images_of(page) for page in pages] == [[], []]


@pytest.mark.parametrize(("role", "is_told"), [("admin", True), ("viewer", False)])
async def test_without_the_drawing_library_tables_stand_alone_and_administrators_are_told(
    plan, signed_in, monkeypatch, role, is_told
):
    browser = await signed_in(role)
    monkeypatch.setitem(sys.modules, "matplotlib", None)

    for path in (f"/dashboard/plans/{plan['id']}", f"/dashboard/statistics?{dates_around(plan)}"):
        page = await browser.open(path)

        assert images_of(page) == []
        assert "<table>" in page.response.text
        assert ("pip install 'qs[plots]'" in page.text) is is_told
        assert re.search(r"<picture|/picture/", page.response.text) is None
