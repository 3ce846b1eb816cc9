"""Tasks and testees on pages, without a script."""

from datetime import timedelta
from typing import Any

from tests.integration.plan_http.steps import (
    data_of,
    join,
    make_due,
    make_opened,
    make_plan,
    make_tasks,
    make_testee,
    task_of,
)

from .browser import Browser, Page

V1 = "/api/v1"


async def test_a_task_says_why_it_is_so_and_what_comes_next(api, container, signed_in):
    task = await make_opened(api, container)
    browser = await signed_in()

    page = await browser.open(f"/dashboard/tasks/{task['id']}")
    chinese = await browser.client.get(f"/dashboard/tasks/{task['id']}", headers={"Accept-Language": "zh-CN"})

    assert "PHQ-9, occasion 1 Open" in page.text
    assert "Waits for the answer" in page.text
    assert "等待作答" in chinese.text


async def test_the_link_is_shown_on_a_click_alone_and_that_is_recorded(api, container, signed_in):
    task = await make_opened(api, container)
    browser = await signed_in("coordinator")
    page = await browser.open(f"/dashboard/tasks/{task['id']}")
    before = data_of(await api.get(f"{V1}/audit?action=entry.read"))["items"]

    shown = await browser.send(page, page.form(f"/dashboard/tasks/{task['id']}/link"))
    read = data_of(await api.get(f"{V1}/audit?action=entry.read"))["items"]

    assert task["entry"]["token"] not in page.response.text
    assert task["entry"]["url"] in shown.text
    assert any(tag == "svg" for tag, _ in shown.tags)
    assert shown.response.headers["cache-control"] == "no-store"
    assert len(read) == len(before) + 1


async def test_a_new_link_takes_the_place_of_the_old_one(api, container, signed_in):
    task = await make_opened(api, container)
    browser = await signed_in("coordinator")
    page = await browser.open(f"/dashboard/tasks/{task['id']}")

    page = await browser.send(page, page.form(f"/dashboard/tasks/{task['id']}/reissue"))
    shown = await browser.send(page, page.form(f"/dashboard/tasks/{task['id']}/link"))

    assert "the old one is dead" in page.text
    assert task["entry"]["token"] not in shown.response.text


async def test_a_task_is_opened_rescheduled_and_canceled_by_hand(api, container, signed_in):
    first, second, third, _ = await make_tasks(api)
    await make_due(container, first)
    browser: Browser = await signed_in("coordinator")

    async def do(task: Any, deed: str, **fields: Any) -> Page:
        page = await browser.open(f"/dashboard/tasks/{task['id']}")
        return await browser.send(page, page.form(f"/dashboard/tasks/{task['id']}/{deed}"), **fields)

    await do(first, "open")
    at = (await container.clock_advancing().read()).now + timedelta(days=30)
    await do(second, "reschedule", planned_at=at.strftime("%Y-%m-%dT09:30"))
    await do(third, "cancel", reason="moved_away", note="told us by phone")

    assert (await task_of(api, first))["status"] == "opened"
    moved = await task_of(api, second)
    # On the clock of the reader, which is the installation's.
    assert (moved["pinned"], moved["planned_at"][11:16]) == (True, "01:30")
    ended = await task_of(api, third)
    assert (ended["status"], ended["reason"], ended["note"]) == ("canceled", "moved_away", "told us by phone")


async def test_what_cannot_be_done_is_told_on_the_page_of_the_task(api, signed_in):
    task = (await make_tasks(api))[0]
    browser = await signed_in("coordinator")
    page = await browser.open(f"/dashboard/tasks/{task['id']}")

    page = await browser.send(page, page.form(f"/dashboard/tasks/{task['id']}/open"), 409)

    assert page.form(f"/dashboard/tasks/{task['id']}/open")
    assert any(given.get("role") == "alert" for _, given in page.tags)


async def test_the_list_of_tasks_is_the_one_behind_the_numbers_of_today(api, container, signed_in):
    opened = await make_opened(api, container)
    browser = await signed_in()
    today = await browser.open("/dashboard/today")

    due = await browser.open("/dashboard/tasks?status=pending&due=yes")
    is_open = await browser.open("/dashboard/tasks?status=opened")

    assert "/dashboard/tasks?status=opened" in today.links
    assert "1 open now" in today.text
    assert f"/dashboard/tasks/{opened['id']}" in is_open.links
    assert "No task fits." in due.text


async def test_a_testee_is_written_down_found_changed_and_erased(api, signed_in):
    browser = await signed_in("coordinator")
    page = await browser.open("/dashboard/testees/new")

    made = await browser.send(
        page,
        page.form(holding="external_id"),
        name="Li Lei",
        external_id="P/1 ?",
        timezone="Europe/Berlin",
        channel="email",
        address="li.lei@example.org",
        guardian="Li Ming",
    )
    testee_id = made.path.partition("?")[0].rpartition("/")[2]
    found = await browser.open("/dashboard/testees?external_id=P%2F1%20%3F")
    edit = await browser.open(f"/dashboard/testees/{testee_id}/edit")
    await browser.send(edit, edit.form(holding="external_id"), name="Li Lei-Müller")
    changed = data_of(await api.get(f"{V1}/testees/{testee_id}"))
    ask = await browser.open(f"/dashboard/testees/{testee_id}/erase")
    gone = await browser.send(ask, ask.form(holding="etag"))

    assert made.path.endswith("?said=testee_created")
    assert "li.lei@example.org" not in found.text
    assert "l…@example.org" in found.text
    assert (changed["name"], changed["timezone"]) == ("Li Lei-Müller", "Europe/Berlin")
    assert changed["contacts"] == [{"channel": "email", "address": "li.lei@example.org"}]
    assert [each["name"] for each in changed["guardians"]] == ["Li Ming"]
    assert "Li Lei" not in gone.text
    assert data_of(await api.get(f"{V1}/testees/{testee_id}"))["erased_at"] is not None


async def test_the_page_of_a_testee_shows_their_calendar(api, signed_in):
    testee = await make_testee(api, name="Han Meimei")
    joined = await join(api, await make_plan(api), testee)
    browser = await signed_in()

    page = await browser.open(f"/dashboard/testees/{testee['id']}")

    assert "Han Meimei" in page.text
    for task in joined["tasks"]:
        assert f"/dashboard/tasks/{task['id']}" in page.links


async def test_nobody_found_by_an_id_is_said(signed_in):
    browser = await signed_in()

    page = await browser.open("/dashboard/testees?external_id=nobody")

    assert "Nobody has this id." in page.text
