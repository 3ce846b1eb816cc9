"""Who may sync and who may read, and what is answered to what cannot be."""

import asyncio
import csv
import io
from datetime import date
from urllib.parse import quote
from uuid import UUID

import pytest

from qs.application.statistics.ports import Kind
from qs.domain.kernel.ids import DEFAULT_TENANT, PLATFORM_TENANT
from tests.integration.plan_http.steps import (
    ABSENT_ID,
    V1,
    data_of,
    make_plan,
    make_testee,
    pointers_of,
    problem_of,
)
from tests.support.counting import TENANT_KEY

DUTIES = ("sync/daily", "sync/accumulated", "sync/plan", "validate")


@pytest.mark.parametrize("duty", DUTIES)
async def test_a_duty_is_carried_out_for_the_narrow_scope_alone(stranger, caller, duty):
    done = await stranger.post(f"{V1}/statistics/{duty}", headers=await caller("statistics:sync"))
    refused = await stranger.post(f"{V1}/statistics/{duty}", headers=await caller("statistics:read"))

    assert data_of(done)["execution_id"]
    problem_of(refused, 403, "auth.scope_missing")


@pytest.mark.parametrize("duty", DUTIES)
async def test_a_duty_may_be_queued_and_looked_at_by_who_asked(stranger, caller, duty):
    headers = await caller("statistics:sync")

    accepted = await stranger.post(f"{V1}/statistics/{duty}?async=true", headers=headers)

    assert accepted.status_code == 202
    async with asyncio.timeout(60):
        while True:
            seen = data_of(await stranger.get(accepted.headers["location"], headers=headers))
            if seen["status"] == "succeeded":
                break
            await asyncio.sleep(0.05)
    assert seen["name"] == duty.replace("/", "-")


@pytest.mark.parametrize("duty", DUTIES)
async def test_an_empty_body_is_taken_and_one_that_says_something_is_not(api, duty):
    path = f"{V1}/statistics/{duty}"

    for headers in ({}, {"Content-Type": "application/json"}, {"Content-Type": "text/plain"}):
        data_of(await api.post(path, content=b"", headers=headers))
    assert pointers_of(await api.post(path, json={"repair": True}), "invalid") == ["/repair"]
    assert pointers_of(await api.post(f"{path}?kind=daily"), "invalid") == ["/kind"]
    assert pointers_of(await api.post(f"{path}?async=maybe"), "invalid") == ["/async"]


@pytest.mark.parametrize("duty", DUTIES)
async def test_a_second_caller_is_told_which_execution_is_at_it(api, container, duty):
    at_it, kind = UUID(ABSENT_ID), Kind(duty.removeprefix("sync/"))

    async with container._sync_holding().held(DEFAULT_TENANT, kind, at_it):
        told = data_of(await api.post(f"{V1}/statistics/{duty}"))
    after = data_of(await api.post(f"{V1}/statistics/{duty}"))

    assert (told["status"], told["execution_id"]) == ("already_running", str(at_it))
    assert after["status"] in ("done", "consistent")
    assert after["execution_id"] != str(at_it)
    assert told.keys() == after.keys()


async def test_a_platform_account_syncs_all_tenants(stranger, container):
    created = await container.service_account_administration().create(
        PLATFORM_TENANT, "cron", ["statistics:sync"], actor="test"
    )
    granted = await container.client_granting().grant(created.account.client_id, created.client_secret)
    headers = {"Authorization": f"Bearer {granted.access_token}"}

    answers = [await stranger.post(f"{V1}/statistics/{duty}", headers=headers) for duty in DUTIES]

    assert [data_of(answer)["status"] for answer in answers] == ["done", "done", "done", "consistent"]
    problem_of(await stranger.get(f"{V1}/statistics/system", headers=headers), 403, "auth.platform_account")


async def test_what_exists_and_was_never_counted_has_zeros(api):
    plan = await make_plan(api)
    testee = await make_testee(api, external_id="P-1")

    for where in (
        f"plans/{plan['id']}",
        f"testees/{testee['id']}",
        "testees/ext:P-1",
        "scales/GAD-7",
        "system",
    ):
        found = data_of(await api.get(f"{V1}/statistics/{where}"))
        assert (found["as_of"], sum(found["totals"].values())) == (None, 0)
        assert found["rates"]["completion"] == {"n": 0, "d": 0, "rate": None}
        assert list(found["windows"]) == ["7", "15", "30"]
        for days, window in found["windows"].items():
            first, last = date.fromisoformat(window["from"]), date.fromisoformat(window["to"])
            assert ((last - first).days + 1, sum(window["counts"].values())) == (int(days), 0)
            assert window["rates"]["missed"] == {"n": 0, "d": 0, "rate": None}
    found = data_of(await api.get(f"{V1}/statistics/plans/{plan['id']}"))
    assert (found["survival"]["times"], found["latency"]["median_hours"], found["retention"]) == (
        [],
        None,
        [],
    )
    late = dict.fromkeys(("median_seconds", "p95_seconds", "longest_seconds"))
    assert found["opening"] == {"n": 0, **late}


ABSENT = (
    f"plans/{ABSENT_ID}",
    "plans/nonsense",
    f"testees/{ABSENT_ID}",
    "testees/nonsense",
    "testees/ext:nobody",
    "testees/ext:",
    "scales/NONE",
)


@pytest.mark.parametrize("where", ABSENT)
async def test_what_is_not_there_is_absent_however_it_is_named(api, where):
    for path in (where, f"{where}/tasks?metric=opened"):
        problem_of(await api.get(f"{V1}/statistics/{path}"), 404, "statistics.absent")
    what, key = where.split("/", 1)
    daily = await api.get(f"{V1}/statistics/daily", params={"dimension": what.removesuffix("s"), "key": key})
    problem_of(daily, 404, "statistics.absent")


async def test_what_another_tenant_has_is_absent(api, ward, neighbour):
    (task,) = await ward.opened()
    await ward.count()
    await ward.sync()

    for dimension, key in (
        ("plan", str(task.plan_id)),
        ("testee", str(task.testee_id)),
        ("tenant", TENANT_KEY),
    ):
        daily = {"dimension": dimension, "key": key}
        assert (await api.get(f"{V1}/statistics/daily", params=daily)).status_code == 200
        foreign = [await api.get(f"{V1}/statistics/daily", params=daily, headers=neighbour)]
        for path in () if dimension == "tenant" else (f"{dimension}s/{key}", f"{dimension}s/{key}/tasks"):
            params = {"metric": "opened"} if path.endswith("tasks") else {}
            assert (await api.get(f"{V1}/statistics/{path}", params=params)).status_code == 200
            foreign.append(await api.get(f"{V1}/statistics/{path}", params=params, headers=neighbour))
        for answer in foreign:
            problem_of(answer, 404, "statistics.absent")
    for where in ("system", "scales/PHQ-9"):
        own = data_of(await api.get(f"{V1}/statistics/{where}", headers=neighbour))
        assert sum(own["totals"].values()) == 0
        behind = await api.get(f"{V1}/statistics/{where}/tasks?metric=opened", headers=neighbour)
        assert data_of(behind)["items"] == []


@pytest.mark.parametrize("code", ["a/b", "量表 é", "a?b#c", "100%", "ext:x", "a%2Fb", '"', "=1+1"])
async def test_a_scale_may_be_called_anything(api, truth, code):
    await truth.execute(
        'INSERT INTO scale (tenant_id, code, title) VALUES ($1, $2, \'{"en": "x", "zh": "x"}\')',
        DEFAULT_TENANT,
        code,
    )
    where = f"{V1}/statistics/scales/{quote(code, safe='')}"

    assert data_of(await api.get(where))["key"] == code
    assert data_of(await api.get(f"{where}/tasks?metric=opened"))["items"] == []
    daily = {"dimension": "scale", "key": code}
    assert data_of(await api.get(f"{V1}/statistics/daily", params=daily))["key"] == code


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("system/tasks", "/metric"),
        ("system/tasks?metric=nonsense", "/metric"),
        ("system/tasks?metric=expired:DROP", "/metric"),
        ("system/tasks?metric=opened:manual", "/metric"),
        ("system/tasks?metric=opened&date=2026-02-30", "/date"),
        ("system/tasks?metric=opened&date=0001-01-01", "/date"),
        ("system/tasks?metric=opened&cursor=x", "/cursor"),
        ("system/tasks?metric=opened&page_size=0", "/page_size"),
        ("system/tasks?metric=opened&page_size=101", "/page_size"),
        ("daily?dimension=nonsense", "/dimension"),
        ("daily?dimension=plan", "/key"),
        ("daily?dimension=scale", "/key"),
        (f"daily?dimension=scale&key={'x' * 301}", "/key"),
        ("daily?from=2026-01-01&to=2027-12-31", "/from"),
        ("daily?from=2026-02-01&to=2026-01-01", "/from"),
        ("daily?from=yesterday", "/from"),
        ("daily?from=1900-01-01", "/from"),
        ("system?unknown=1", "/unknown"),
        ("scales/PHQ-9?unknown=1", "/unknown"),
    ],
)
async def test_bad_input_is_refused_with_a_pointer(api, query, pointer):
    answer = await api.get(f"{V1}/statistics/{query}")

    assert answer.status_code == 422, answer.text
    assert [each["pointer"] for each in answer.json()["errors"]] == [pointer]


@pytest.mark.parametrize("day", ["1900-01-01", "2199-12-31"])
async def test_the_first_and_last_dates_there_are_have_nothing_behind_them(api, day):
    behind = await api.get(f"{V1}/statistics/system/tasks?metric=opened&date={day}")

    assert data_of(behind)["items"] == []
    assert data_of(await api.get(f"{V1}/statistics/daily?from={day}&to={day}"))["items"] == []


async def test_without_dates_the_thirty_up_to_today_are_listed(api, ward):
    await ward.opened()
    await ward.advance("2060-03-30")
    await ward.count()
    await ward.sync()

    found = data_of(await api.get(f"{V1}/statistics/daily"))
    from_one = data_of(await api.get(f"{V1}/statistics/daily?from=2060-03-02"))
    up_to_one = data_of(await api.get(f"{V1}/statistics/daily?to=2060-03-01"))

    assert (found["from"], found["to"]) == ("2060-03-01", "2060-03-30")
    assert [each["date"] for each in found["items"]] == ["2060-03-01"]
    assert (from_one["from"], from_one["to"], from_one["items"]) == ("2060-03-02", "2060-03-30", [])
    assert (up_to_one["from"], up_to_one["to"]) == ("2060-02-01", "2060-03-01")


async def test_the_dates_of_a_testee_are_found_by_the_external_id(api, ward):
    testee = await ward.testee(external_id="P/1")
    await ward.enroll(await ward.plan(total_times=1), testee=testee)
    await ward.advance("2060-03-01")
    await ward.sweep()
    await ward.count()
    await ward.sync()

    found = data_of(await api.get(f"{V1}/statistics/daily", params={"dimension": "testee", "key": "ext:P/1"}))
    behind = data_of(await api.get(f"{V1}/statistics/testees/ext:P%2F1/tasks?metric=opened"))

    assert (found["key"], found["items"][-1]["counts"]["opened"]) == (str(testee), 1)
    assert len(behind["items"]) == 1


async def test_only_changes_of_the_dates_asked_for_are_told(api, ward):
    await ward.truth.executemany(
        "INSERT INTO stat_revision (tenant_id, dimension, key, day, generation, reason, before, after)"
        " VALUES ($1, 'tenant', $2, $3, $4, 'late_event', '{}', '{\"opened\": 1}')",
        [(DEFAULT_TENANT, TENANT_KEY, date(2060, 3, day), n) for day in (1, 2, 3) for n in (1, 2)],
    )

    found = data_of(await api.get(f"{V1}/statistics/daily?from=2060-03-02&to=2060-03-02"))

    assert [(each["date"], each["generation"]) for each in found["revisions"]] == [
        ("2060-03-02", 1),
        ("2060-03-02", 2),
    ]


async def test_a_csv_says_in_which_zone_and_by_which_definitions_it_was_counted(api, ward):
    await ward.truth.execute(
        "INSERT INTO scale (tenant_id, code, title) VALUES ($1, '=1+1', '{}')", DEFAULT_TENANT
    )
    await ward.truth.execute(
        "INSERT INTO stat_daily (tenant_id, dimension, key, day, opened, as_of)"
        " VALUES ($1, 'scale', '=1+1', '2060-03-01', 2, '2060-03-02T00:00Z')",
        DEFAULT_TENANT,
    )
    params = {"dimension": "scale", "key": "=1+1", "from": "2060-03-01", "to": "2060-03-02"}

    answer = await api.get(f"{V1}/statistics/daily", params=params, headers={"Accept": "text/csv"})

    (row,) = csv.DictReader(io.StringIO(answer.text))
    assert (row["key"], row["date"], row["opened"]) == ("'=1+1", "2060-03-01", "2")
    assert (row["timezone"], row["definition_version"]) == ("Asia/Shanghai", "1")
    assert (answer.headers["Vary"], answer.headers["content-type"]) == ("Accept", "text/csv; charset=utf-8")
