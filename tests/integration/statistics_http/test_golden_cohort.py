"""A small cohort whose every figure can be worked out by hand; dates are those of May and June 2060.

due_days 3, entry_ttl_days 7, catch-up 7 days, as of 1 June 00:00 in Shanghai. A1 opened 1 May 19:00, done 2 May 19:00; A2
opened 8 May, done 13 May 19:00; A3 opened 15 May, expired 22 May; A4 opened 29 May, still open; B1 opened 1 May, done 1 May
20:00; B2 opened 8 May, canceled 10 May; B3 planned 15 May, missed; B4 planned 29 May, canceled 16 May.
"""

from datetime import date

import pytest

from qs.domain.plan.plan import ResumePolicy
from qs.domain.statistics.metrics import METRICS
from tests.integration.plan_http.steps import V1, data_of

WEEKS = {"schedule_type": "custom", "relative_weeks": [0, 1, 2, 4]}


@pytest.fixture
async def cohort(ward, api):
    """The plan of the cohort, counted, synced and validated."""
    plan = await ward.plan(**WEEKS, due_days=3, entry_ttl_days=7, catch_up_days=7, catch_up="all")
    a = await ward.enroll(plan, "2060-05-01")
    b = await ward.enroll(plan, "2060-05-01")
    of_a, of_b = ([task.id for task in each.tasks] for each in (a, b))
    await ward.advance("2060-05-01")
    await ward.sweep()
    await ward.advance("2060-05-01 20:00")
    await ward.submit(of_b[0])
    await ward.advance("2060-05-02")
    await ward.submit(of_a[0])
    await ward.advance("2060-05-08")
    await ward.sweep()
    await ward.advance("2060-05-10")
    await ward.operating.cancel(ward.tenant_id, of_b[1], "ill", actor="user:anna")
    await ward.advance("2060-05-13")
    await ward.submit(of_a[1])
    await ward.advance("2060-05-14")
    await ward.steering.pause_enrollment(ward.tenant_id, b.enrollment.id, actor="user:anna")
    await ward.advance("2060-05-15")
    await ward.sweep()
    await ward.advance("2060-05-16")
    await ward.operating.cancel(ward.tenant_id, of_b[3], "ill", actor="user:anna")
    await ward.advance("2060-05-22 19:30")
    await ward.steering.resume_enrollment(
        ward.tenant_id, b.enrollment.id, ResumePolicy.KEEP, actor="user:anna"
    )
    await ward.sweep()
    await ward.advance("2060-05-29")
    await ward.sweep()
    await ward.advance("2060-06-01 00:00")
    await ward.count()
    for kind in ("daily", "accumulated", "plan"):
        assert data_of(await api.post(f"{V1}/statistics/sync/{kind}"))["status"] == "done"
    return plan


def rate(n: int, d: int) -> dict[str, object]:
    return {"n": n, "d": d, "rate": n / d if d else None}


async def test_the_figures_of_the_cohort_are_those_counted_by_hand(api, cohort):
    found = data_of(await api.get(f"{V1}/statistics/plans/{cohort.id}"))

    assert found["totals"] == {
        "enrolled": 2,
        "opened": 6,
        "completed": 3,
        "on_time": 2,
        "expired": 1,
        "missed": 1,
        "canceled": 2,
        "canceled_open": 1,
        "followup_completed": 1,
        "followup_expired": 1,
    }
    assert found["rates"] == {
        "completion": rate(3, 4),
        "followup": rate(1, 2),
        "on_time": rate(2, 4),
        "on_time_of_completed": rate(2, 3),
        "entry_timeout": rate(1, 4),
        "missed": rate(1, 5),
    }
    assert found["reasons"] == {"canceled:ill": 2, "expired:entry_timeout": 1}
    states = ("total", "pending", "currently_open", "completed", "expired", "missed", "canceled")
    assert [found["counts"][name] for name in states] == [8, 0, 1, 3, 1, 1, 2]
    assert (found["counts"]["enrolled"], found["counts"]["active"]) == (2, 1)
    assert found["current_rates"] == found["rates"]
    assert (found["timezone"], found["definition_version"]) == ("Asia/Shanghai", 1)
    assert found["retention"] == [2, 1, 0, 0]


async def test_system_scale_and_testee_say_the_same_of_their_part(api, cohort):
    system = data_of(await api.get(f"{V1}/statistics/system"))
    scale = data_of(await api.get(f"{V1}/statistics/scales/PHQ-9"))
    plan = data_of(await api.get(f"{V1}/statistics/plans/{cohort.id}"))
    people = data_of(await api.get(f"{V1}/plans/{cohort.id}/enrollments"))["items"]
    each = [data_of(await api.get(f"{V1}/statistics/testees/{one['testee_id']}")) for one in people]

    assert system["totals"] == scale["totals"] == plan["totals"]
    assert {name: sum(one["totals"][name] for one in each) for name in METRICS} == plan["totals"]


async def test_windows_end_today_and_nothing_of_nothing_is_null(api, cohort):
    windows = data_of(await api.get(f"{V1}/statistics/system"))["windows"]

    assert {days: (one["from"], one["to"]) for days, one in windows.items()} == {
        "7": ("2060-05-26", "2060-06-01"),
        "15": ("2060-05-18", "2060-06-01"),
        "30": ("2060-05-03", "2060-06-01"),
    }
    assert windows["7"]["counts"]["opened"] == 1
    assert windows["7"]["rates"]["completion"] == rate(0, 0)
    assert windows["15"]["rates"]["completion"] == rate(0, 1)
    assert windows["30"]["rates"]["completion"] == rate(1, 2)


async def test_dates_are_listed_with_what_happened_on_them(api, cohort):
    found = data_of(await api.get(f"{V1}/statistics/daily?from=2060-05-01&to=2060-05-16"))

    happened = {each["date"]: {name: n for name, n in each["counts"].items() if n} for each in found["items"]}
    assert happened == {
        "2060-05-01": {"opened": 2, "completed": 1, "on_time": 1},
        "2060-05-02": {"completed": 1, "on_time": 1},
        "2060-05-08": {"opened": 2},
        "2060-05-10": {"canceled": 1, "canceled_open": 1},
        "2060-05-13": {"completed": 1, "followup_completed": 1},
        "2060-05-15": {"opened": 1},
        "2060-05-16": {"canceled": 1},
    }


async def test_daily_figures_come_as_csv_too(api, cohort):
    answer = await api.get(
        f"{V1}/statistics/daily?from=2060-05-13&to=2060-05-13", headers={"Accept": "text/csv"}
    )

    header, line = answer.text.splitlines()
    assert answer.headers["content-type"].startswith("text/csv")
    assert (
        header
        == f"dimension,key,date,{','.join(METRICS)},generation,reason,as_of,timezone,definition_version"
    )
    assert ",2060-05-13,0,0,1,0,0,0,0,0,1,0,0,," in line


@pytest.mark.parametrize("metric", [*METRICS, "expired:entry_timeout", "canceled:ill", "expired:manual"])
async def test_behind_each_number_stand_as_many_tasks(api, cohort, metric):
    found = data_of(await api.get(f"{V1}/statistics/plans/{cohort.id}"))
    expected = (found["totals"] | found["reasons"]).get(metric, 0)
    people = data_of(await api.get(f"{V1}/plans/{cohort.id}/enrollments"))["items"]

    for where in (f"plans/{cohort.id}", "system", "scales/PHQ-9"):
        behind = data_of(await api.get(f"{V1}/statistics/{where}/tasks", params={"metric": metric}))
        assert (len(set(behind["items"])), behind["next_cursor"]) == (expected, None)
    each = [
        len(
            data_of(await api.get(f"{V1}/statistics/testees/{one['testee_id']}/tasks?metric={metric}"))[
                "items"
            ]
        )
        for one in people
    ]
    assert sum(each) == expected


async def test_behind_a_number_of_one_date_stand_the_tasks_of_that_date(api, cohort):
    where = f"{V1}/statistics/plans/{cohort.id}/tasks"
    first = data_of(await api.get(where, params={"metric": "opened", "date": "2060-05-08", "page_size": 1}))
    second = data_of(
        await api.get(
            where, params={"metric": "opened", "date": "2060-05-08", "cursor": first["next_cursor"]}
        )
    )

    assert (len(first["items"]), len(second["items"]), second["next_cursor"]) == (1, 1, None)
    tasks = [data_of(await api.get(f"{V1}/plans/tasks/{id_}")) for id_ in first["items"] + second["items"]]
    assert {task["seq"] for task in tasks} == {2}
    assert data_of(await api.get(where, params={"metric": "opened", "date": "2060-05-09"}))["items"] == []


async def test_the_cohort_is_consistent_and_a_difference_is_listed_and_repaired(api, cohort, truth):
    calm = data_of(await api.post(f"{V1}/statistics/validate"))
    await truth.execute(
        "UPDATE stat_daily SET opened = 7 WHERE dimension = 'tenant' AND day = $1", date(2060, 5, 1)
    )

    found = data_of(await api.post(f"{V1}/statistics/validate"))
    measured = (await api.get("/metrics")).text
    repaired = data_of(await api.post(f"{V1}/statistics/validate?repair=true"))
    after = data_of(await api.post(f"{V1}/statistics/validate"))

    assert "qs_statistics_differences 0.0" in (await api.get("/metrics")).text
    assert (calm["status"], calm["differences_total"]) == ("consistent", 0)
    assert found["status"] == "different"
    assert f"qs_statistics_differences {float(found['differences_total'])}" in measured
    assert 'qs_statistics_last_finished_timestamp_seconds{kind="daily"}' in measured
    (difference,) = [each for each in found["differences"] if each["date"]]
    assert difference | {"key": ""} == {
        "dimension": "tenant",
        "key": "",
        "date": "2060-05-01",
        "metric": "opened",
        "redis": None,
        "stored": 7,
        "expected": 2,
        "cause": "counted_twice",
    }
    assert (repaired["status"], after["status"]) == ("repaired", "consistent")
    changes = data_of(await api.get(f"{V1}/statistics/daily?from=2060-05-01&to=2060-05-01"))["revisions"]
    assert [(each["reason"], each["before"]["opened"], each["after"]["opened"]) for each in changes] == [
        ("repair", 7, 2)
    ]


async def test_a_quiet_key_is_as_of_the_last_sync_too(api, cohort, ward):
    before = data_of(await api.get(f"{V1}/statistics/plans/{cohort.id}"))
    await ward.advance("2060-06-02 12:00")

    for kind in ("daily", "accumulated", "plan"):
        await api.post(f"{V1}/statistics/sync/{kind}")

    after = data_of(await api.get(f"{V1}/statistics/plans/{cohort.id}"))
    assert before["as_of"] < "2060-06-02T" <= after["as_of"]
    assert before["counted_at"] < "2060-06-02T" <= after["counted_at"]
    assert after["totals"] == before["totals"]
