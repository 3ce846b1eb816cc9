"""Plans on pages, without a script: listed, made, edited with its effect told first, steered, enrolled into."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.integration.plan_http.steps import data_of, join, make_plan, make_testee, soon

V1 = "/api/v1"


async def test_the_list_shows_plans_and_leads_to_each(api, signed_in):
    browser = await signed_in()
    empty = await browser.open("/dashboard/plans")
    plan = await make_plan(api, name="Follow-up of 2026")

    page = await browser.open("/dashboard/plans")
    none = await browser.open("/dashboard/plans?status=paused")

    assert "No plan is here yet" in empty.text
    assert "Follow-up of 2026 PHQ-9 Active every week, 4 times" in page.text
    assert f"/dashboard/plans/{plan['id']}" in page.links
    assert "No plan is here yet" in none.text


async def test_a_plan_is_made_by_its_form_once_however_often_it_is_sent(api, signed_in):
    browser = await signed_in()
    form_page = await browser.open("/dashboard/plans/new")
    form = form_page.form(holding="scale_code")
    fields = {"name": "By form", "scale_code": "PHQ-9", "total_times": "3", "remind_after": "2d, 4d"}

    page = await browser.send(form_page, form, **fields)
    again = await browser.send(form_page, form, **fields)

    plans = data_of(await api.get(f"{V1}/plans"))
    assert [(each["name"], each["total_times"], each["reminders"]) for each in plans["items"]] == [
        ("By form", 3, [{"after": "2d"}, {"after": "4d"}])
    ]
    assert "Nobody follows it yet" in page.text
    assert again.path == page.path


async def test_a_form_that_is_wrong_keeps_what_was_typed_and_says_what_to_do(api, signed_in):
    browser = await signed_in()
    page = await browser.open("/dashboard/plans/new")

    page = await browser.send(
        page, page.form(holding="scale_code"), 422, name="Mine", scale_code="NONE", interval="0"
    )

    form = page.form(holding="scale_code")
    assert (form.fields["name"], form.fields["scale_code"], form.fields["interval"]) == ("Mine", "NONE", "0")
    assert "interval" in page.text
    assert any(given.get("role") == "alert" for _, given in page.tags)
    assert data_of(await api.get(f"{V1}/plans"))["total"] == 0


async def test_an_edit_tells_what_it_does_to_which_task_before_it_is_saved(api, signed_in):
    browser = await signed_in()
    plan = await make_plan(api)
    await join(api, plan)
    page = await browser.open(f"/dashboard/plans/{plan['id']}/edit")

    seen = await browser.send(page, page.form(holding="scale_code"), interval="2", button="try")
    unchanged = data_of(await api.get(f"{V1}/plans/{plan['id']}"))
    saved = await browser.send(seen, seen.form(holding="scale_code"), button="save")

    assert "3 tasks are rescheduled 0 tasks are made 0 tasks are canceled" in seen.text
    assert unchanged["interval"] == 1
    assert data_of(await api.get(f"{V1}/plans/{plan['id']}"))["interval"] == 2
    assert "The plan is changed." in saved.text


async def test_an_edit_over_somebody_elses_is_refused(api, signed_in):
    browser = await signed_in()
    plan = await make_plan(api)
    page = await browser.open(f"/dashboard/plans/{plan['id']}/edit")
    await api.patch(f"{V1}/plans/{plan['id']}", json={"name": "Theirs"})

    page = await browser.send(page, page.form(holding="scale_code"), 412, name="Mine", button="save")

    assert data_of(await api.get(f"{V1}/plans/{plan['id']}"))["name"] == "Theirs"
    assert page.form(holding="scale_code").fields["name"] == "Mine"


@pytest.mark.parametrize(
    ("steer", "effect", "status"),
    [
        ("pause", "No task changes.", "paused"),
        ("finish", "4 tasks are canceled", "finished"),
        ("cancel", "4 tasks are canceled", "canceled"),
    ],
)
async def test_a_command_says_what_happens_to_how_many_and_then_does_it(
    api, signed_in, steer, effect, status
):
    browser = await signed_in()
    plan = await make_plan(api)
    await join(api, plan)

    page = await browser.open(f"/dashboard/plans/{plan['id']}/steer/{steer}")
    before = data_of(await api.get(f"{V1}/plans/{plan['id']}"))["status"]
    await browser.send(page, page.form("", holding="etag"))

    assert effect in page.text
    assert before == "active"
    assert data_of(await api.get(f"{V1}/plans/{plan['id']}"))["status"] == status


async def test_resuming_shows_what_each_policy_does(api, container, signed_in):
    browser = await signed_in()
    plan = await make_plan(api)
    await join(api, plan)
    await api.post(f"{V1}/plans/{plan['id']}/pause")
    clock = container.clock_advancing()
    await clock.advance_to((await clock.read()).now + timedelta(days=2), actor="test")
    page = await browser.open(f"/dashboard/plans/{plan['id']}/steer/resume")

    shifted = await browser.send(page, page.form("", method="get"), policy="shift")
    await browser.send(shifted, shifted.form("", holding="etag"))

    assert "No task changes." in page.text
    assert "4 tasks are rescheduled" in shifted.text
    assert data_of(await api.get(f"{V1}/plans/{plan['id']}"))["status"] == "active"


async def test_the_effect_that_is_told_is_what_the_command_does(api, signed_in):
    plan = await make_plan(api)
    await join(api, plan)
    told = data_of(await api.post(f"{V1}/plans/{plan['id']}/finish?dry_run=true"))
    pending = data_of(await api.get(f"{V1}/plans/{plan['id']}/tasks?status=pending"))["items"]

    await api.post(f"{V1}/plans/{plan['id']}/finish")

    canceled = data_of(await api.get(f"{V1}/plans/{plan['id']}/tasks?status=canceled"))["items"]
    assert told["counts"] == {"reschedule": 0, "create": 0, "cancel": 4}
    assert {each["task_id"] for each in told["changes"]} == {task["id"] for task in canceled}
    assert len(pending) == 4


async def test_one_testee_is_enrolled_by_the_form(api, signed_in):
    browser = await signed_in()
    plan = await make_plan(api)
    await make_testee(api, external_id="P-1", name="<b>Li Lei</b>")
    page = await browser.open(f"/dashboard/plans/{plan['id']}/enroll")
    form = page.form(f"/dashboard/plans/{plan['id']}/enroll")

    page = await browser.send(page, form, external_id="P-1", start_date=soon())
    page_again = await browser.open(f"/dashboard/plans/{plan['id']}")

    assert "Enrolled, with 4 tasks." in page.text
    assert "<b>Li Lei</b>" in page_again.text


async def test_many_are_enrolled_after_a_dry_run(api, signed_in):
    browser = await signed_in()
    plan = await make_plan(api)
    csv = f"external_id,start_date,name\nP-1,{soon()},Li Lei\nP-2,yesterday,Han Meimei\n"
    page = await browser.open(f"/dashboard/plans/{plan['id']}/enroll")

    tried = await browser.send(page, page.form(holding="csv"), csv=csv, button="try")
    nobody = data_of(await api.get(f"{V1}/plans/{plan['id']}/enrollments"))["total"]
    done = await browser.send(tried, tried.form(holding="csv"), button="enroll")

    assert "1 would be enrolled 0 are enrolled already 1 would fail" in tried.text
    assert nobody == 0
    assert "1 testee was enrolled." in done.text
    assert data_of(await api.get(f"{V1}/plans/{plan['id']}/enrollments"))["total"] == 1


async def test_the_grid_shows_each_testee_by_occasion(api, signed_in):
    browser = await signed_in()
    plan = await make_plan(api)
    joined = await join(api, plan, await make_testee(api, name="Han Meimei"))

    page = await browser.open(f"/dashboard/plans/{plan['id']}")

    assert "Han Meimei" in page.text
    for task in joined["tasks"]:
        assert f"/dashboard/tasks/{task['id']}" in page.links


async def test_what_is_typed_is_previewed_with_what_the_calendar_does(signed_in):
    browser = await signed_in()
    year = datetime.now(UTC).year + 1
    given = {
        "schedule_type": "fixed_date",
        "fixed_dates": f"{year}-03-14",
        "trigger_time": "02:30",
        "timezone": "America/New_York",
    }

    answer = await browser.client.get("/dashboard/plans/preview", params=given, headers={"X-Live": "1"})
    wrong = await browser.client.get(
        "/dashboard/plans/preview", params={"schedule_type": "by_week"}, headers={"X-Live": "1"}
    )

    assert f"{year}-03-14" in answer.json()["occasions"]
    assert "interval" in wrong.json()["occasions"]


async def test_a_viewer_sees_plans_and_may_do_nothing_with_them(api, signed_in):
    plan = await make_plan(api)
    await join(api, plan, await make_testee(api, name="Han Meimei"))
    browser = await signed_in("viewer")

    page = await browser.open(f"/dashboard/plans/{plan['id']}")
    refused = await browser.open(f"/dashboard/plans/{plan['id']}/edit", 403)

    assert "Han Meimei" not in page.text
    assert not [link for link in page.links if link.endswith(("/edit", "/enroll", "/pause", "/finish"))]
    assert "Scope missing" in refused.text


async def test_another_tenants_plan_is_not_there(api, container, signed_in):
    plan = await make_plan(api)
    other = await container.tenant_administration().create("other", "Other", "Europe/London", actor="test")
    browser = await signed_in(tenant_id=other.id)

    page = await browser.open(f"/dashboard/plans/{plan['id']}", 404)
    absent = await browser.open("/dashboard/plans/01980000-0000-7000-8000-000000000000", 404)

    assert page.text.replace(page.response.headers["x-request-id"], "") == absent.text.replace(
        absent.response.headers["x-request-id"], ""
    )


async def test_what_a_page_does_is_on_record_as_if_it_had_come_over_http(api, signed_in):
    browser = await signed_in("coordinator")
    plan = await make_plan(api)
    page = await browser.open(f"/dashboard/plans/{plan['id']}/steer/pause")

    await browser.send(page, page.form("", holding="etag"))

    records = data_of(await api.get(f"{V1}/audit?action=plan.paused"))["items"]
    assert [(each["subject_id"], each["actor"].partition(":")[0]) for each in records] == [
        (plan["id"], "user")
    ]
