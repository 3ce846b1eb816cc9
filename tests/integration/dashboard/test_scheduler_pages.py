"""Jobs, executions and the switch of the clock on pages, without a script."""

from typing import Any

import pytest
from httpx import AsyncClient

from tests.integration.plan_http.steps import data_of

V1 = "/api/v1/scheduler"
HOURLY = {
    "name": "hourly",
    "type": "cron",
    "schedule": "0 * * * *",
    "timezone": "Europe/Berlin",
    "target": {"builtin": "hello_job"},
}


async def make_job(api: AsyncClient, **fields: Any) -> Any:
    return data_of(await api.post(f"{V1}/jobs", json=HOURLY | fields), 201)


async def test_jobs_and_duties_are_listed_with_when_they_run(api, signed_in):
    job = await make_job(api)
    browser = await signed_in("operator")

    page = await browser.open("/dashboard/scheduler")

    assert f"/dashboard/scheduler/jobs/{job['id']}" in page.links
    assert "every hour" in page.text
    # The viewer's clock, and the job's beside it.
    assert "Europe/Berlin" in page.text
    assert "sweep" in page.text


async def test_a_job_is_made_by_its_form_run_switched_off_and_deleted(api, signed_in):
    browser = await signed_in("operator")
    page = await browser.open("/dashboard/scheduler/new")

    made = await browser.send(
        page, page.form(holding="schedule"), name="mine", schedule="*/5 * * * *", misfire="skip"
    )
    at = made.path.partition("?")[0]
    job_id = at.rpartition("/")[2]
    document = data_of(await api.get(f"{V1}/jobs/{job_id}"))["document"]
    ran = await browser.send(made, made.form(f"{at}/run"))
    page = await browser.open(at)
    off = await browser.send(page, page.form(f"{at}/disable"))
    switched = data_of(await api.get(f"{V1}/jobs/{job_id}"))["enabled"]
    ask = await browser.open(f"{at}/delete")
    gone = await browser.send(ask, ask.form(f"{at}/delete"))

    assert (document["schedule"], document["misfire"]["policy"]) == ("*/5 * * * *", "skip")
    assert ran.path.startswith("/dashboard/scheduler/executions/")
    assert "Queued" in ran.text
    assert "The job is switched off." in off.text
    assert switched is False
    assert "The job is deleted." in gone.text
    assert (await api.get(f"{V1}/jobs/{job_id}")).status_code == 404


async def test_what_the_form_does_not_show_stays_as_it_was_written(api, signed_in):
    more = {
        "retry": {"max_attempts": 4, "delay": "7s"},
        "notify": {"email": ["ops@example.org"]},
        "start_deadline": "3m",
    }
    job = await make_job(api, **more)
    before = data_of(await api.get(f"{V1}/jobs/{job['id']}"))["document"]
    browser = await signed_in("operator")
    page = await browser.open(f"/dashboard/scheduler/jobs/{job['id']}/edit")

    await browser.send(page, page.form(holding="schedule"), schedule="30 * * * *")

    after = data_of(await api.get(f"{V1}/jobs/{job['id']}"))["document"]
    assert after == {**before, "schedule": "30 * * * *"}


async def test_a_wrong_job_keeps_what_was_typed(api, signed_in):
    browser = await signed_in("operator")
    page = await browser.open("/dashboard/scheduler/new")

    page = await browser.send(
        page, page.form(holding="schedule"), 422, name="mine", schedule="every noon", target="{not json"
    )

    form = page.form(holding="schedule")
    assert (form.fields["schedule"], form.fields["target"]) == ("every noon", "{not json")
    assert data_of(await api.get(f"{V1}/jobs/total"))["total"] == 0


async def test_a_trigger_is_previewed_with_what_daylight_saving_does(signed_in):
    browser = await signed_in("operator")
    trigger = {"type": "cron", "schedule": "30 2 * 3 *", "timezone": "America/New_York", "misfire": "skip"}

    answer = await browser.client.get("/dashboard/scheduler/preview", params=trigger, headers={"X-Live": "1"})

    shown = answer.json()["occasions"]
    assert shown.count("<li") == 10
    assert "what was missed is left out" in shown


@pytest.mark.parametrize(
    ("language", "told"),
    [
        (
            "en",
            [
                "moved: that time does not exist on this day",
                "since the time before, clocks were moved by +1 h",
                "2 dates left out by calendar &lt;b&gt;ours before this",
            ],
        ),
        ("zh", ["当天不存在该时刻", "时钟调整了 +1 h", "此前有 2 个日期被日历 &lt;b&gt;ours 排除"]),
    ],
)
async def test_each_time_of_a_preview_says_what_clocks_and_a_calendar_did(api, signed_in, language, told):
    body = {"name": "<b>ours", "holidays": ["2030-03-28", "2030-03-29"]}
    data_of(await api.post(f"{V1}/calendars", json=body), 201)
    # Of 2030, whose clocks are put forward on 31 March.
    trigger = {
        "type": "cron",
        "schedule": "30 2 27-31 3 *",
        "timezone": "Europe/Berlin",
        "start_at": "2030-01-01T00:00:00Z",
        "calendar": "<b>ours",
    }
    browser = await signed_in("operator")
    browser.client.headers["Accept-Language"] = language

    answer = await browser.client.get("/dashboard/scheduler/preview", params=trigger, headers={"X-Live": "1"})
    job = await make_job(api, **trigger)
    page = await browser.client.get(f"/dashboard/scheduler/jobs/{job['id']}")

    for words in told:
        assert answer.json()["occasions"].count(words) >= 1
        assert page.text.count(words) >= 1
    assert "<b>" not in answer.json()["occasions"]


async def test_stopping_the_clock_says_how_many_jobs_it_stops(api, signed_in):
    await make_job(api)
    browser = await signed_in("operator")

    page = await browser.open("/dashboard/scheduler/switch/stop")
    stopped = await browser.send(page, page.form("", method="post"))
    today = await browser.open("/dashboard/today")
    page_again = await browser.open("/dashboard/scheduler/switch/start")
    started = await browser.send(page_again, page_again.form("", method="post"))

    assert "Stop 1 job from firing" in page.response.text
    assert "Timed firing is stopped." in stopped.text
    assert "nothing opens by itself" in today.text
    assert "Timed firing is started." in started.text


async def test_an_execution_shows_what_it_did_and_can_be_stopped(api, signed_in):
    job = await make_job(api)
    run = data_of(await api.post(f"{V1}/jobs/{job['id']}/run"))
    browser = await signed_in("operator")
    page = await browser.open(f"/dashboard/scheduler/executions/{run['id']}")

    page = await browser.send(page, page.form(f"/dashboard/scheduler/executions/{run['id']}/cancel"))

    assert "Canceled" in page.text
    assert page.form(f"/dashboard/scheduler/executions/{run['id']}/retry")


async def test_the_grid_and_the_sparkline_show_how_a_job_went(api, signed_in):
    job = await make_job(api)
    run = data_of(await api.post(f"{V1}/jobs/{job['id']}/run"))
    await api.post(f"{V1}/executions/{run['id']}/cancel")
    browser = await signed_in("operator")

    listed = await browser.open("/dashboard/scheduler")
    page = await browser.open(f"/dashboard/scheduler/jobs/{job['id']}")

    (spark,) = [given for tag, given in listed.tags if tag == "a" and given.get("class") == "spark"]
    (cell,) = [given for _, given in page.tags if given.get("class", "").startswith("slot ")]
    assert spark["aria-label"] == "hourly: the last execution, 0 failed"
    assert spark["href"] == f"/dashboard/scheduler/jobs/{job['id']}#history"
    assert "history" in [given.get("id") for _, given in page.tags]
    assert cell["href"] == f"/dashboard/scheduler/executions/{run['id']}"
    assert cell["aria-label"].startswith("hourly, 20")
    assert cell["aria-label"].endswith(", Canceled")


async def test_the_grid_is_one_stop_however_many_executions_it_leads_to(api, signed_in):
    job = await make_job(api)
    for _ in range(3):
        run = data_of(await api.post(f"{V1}/jobs/{job['id']}/run"))
        await api.post(f"{V1}/executions/{run['id']}/cancel")
    browser = await signed_in("viewer")

    page = await browser.open(f"/dashboard/scheduler/jobs/{job['id']}")
    listed = await browser.open("/dashboard/scheduler")

    cells = [given for _, given in page.tags if given.get("class", "").startswith("slot ")]
    assert [given["tabindex"] for given in cells] == ["-1", "-1", "0"]
    # The newest is where one comes in; without a script the table below leads to each.
    assert cells[-1]["href"].endswith(run["id"])
    assert all(page.links.count(given["href"]) == 2 for given in cells)
    assert listed.response.text.count('class="spark"') == 1


async def test_who_may_only_read_sees_everything_and_no_button(api, signed_in):
    job = await make_job(api)
    browser = await signed_in("viewer")

    for path in ("", f"/jobs/{job['id']}", "/executions", "/queues", "/nodes"):
        page = await browser.open(f"/dashboard/scheduler{path}")
        posted = [form for form in page._read.forms if form.method == "post"]
        assert {form.action for form in posted} == {"/dashboard/likings", "/dashboard/sign-out"}
        assert not [link for link in page.links if link.endswith(("/edit", "/delete", "/new", "/stop"))]


async def test_recent_executions_are_told_for_several_jobs_at_once(api):
    first, second = await make_job(api), await make_job(api, name="other")
    run = data_of(await api.post(f"{V1}/jobs/{first['id']}/run"))

    found = data_of(await api.get(f"{V1}/jobs/recent?ids={first['id']},{second['id']}"))
    wrong = await api.get(f"{V1}/jobs/recent?ids={'-' * 36}")

    assert found == [{"job_id": first["id"], "runs": [{"id": run["id"], "status": "queued"}]}]
    assert wrong.status_code == 422
