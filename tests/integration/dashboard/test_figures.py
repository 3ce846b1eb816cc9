"""Numbers of statistics on pages: what became of tasks by reason, and how late they were opened."""

import pytest

from tests.integration.plan_http.steps import data_of, join, make_due, make_plan, make_testee, soon

V1 = "/api/v1"


@pytest.fixture
async def plan(api, container):
    """A plan whose first task was opened half a minute or so after its time, and whose others are canceled; synced."""
    plan = await make_plan(api)
    first, *others = (await join(api, plan, await make_testee(api), soon()))["tasks"]
    await make_due(container, first)
    data_of(await api.post(f"{V1}/plans/tasks/{first['id']}/open"))
    for task in others:
        data_of(await api.post(f"{V1}/plans/tasks/{task['id']}/cancel", json={"reason": "moved_away"}))
    for kind in ("daily", "accumulated", "plan"):
        data_of(await api.post(f"{V1}/statistics/sync/{kind}"))
    return plan


@pytest.mark.parametrize(("language", "said"), [("en", "Canceled moved_away 3"), ("zh", "取消 moved_away 3")])
async def test_reasons_stand_with_how_often_each_was_given(plan, signed_in, language, said):
    browser = await signed_in("viewer")
    browser.client.headers["Accept-Language"] = language

    page = await browser.open(f"/dashboard/statistics?dimension=plan&key={plan['id']}")

    assert said in page.text
    assert "entry_timeout" not in page.text


async def test_a_plan_says_how_late_its_tasks_were_opened(api, plan, signed_in):
    browser = await signed_in("viewer")

    page = await browser.open(f"/dashboard/plans/{plan['id']}")

    opening = data_of(await api.get(f"{V1}/statistics/plans/{plan['id']}"))["opening"]
    assert opening["n"] == 1
    assert opening["median_seconds"] == opening["p95_seconds"] == opening["longest_seconds"] > 0
    assert "after its time, 95 of 100 tasks opened" in page.text
