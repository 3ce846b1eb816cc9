"""Who may sync and who may read, and what is answered to what cannot be."""

import asyncio

import pytest

from qs.domain.kernel.ids import PLATFORM_TENANT
from tests.integration.plan_http.steps import ABSENT_ID, V1, data_of, make_plan, make_testee, problem_of

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
    async with asyncio.timeout(20):
        while True:
            seen = data_of(await stranger.get(accepted.headers["location"], headers=headers))
            if seen["status"] == "succeeded":
                break
            await asyncio.sleep(0.05)
    assert seen["name"] == duty.replace("/", "-")


async def test_a_platform_account_syncs_all_tenants(stranger, container):
    created = await container.service_account_administration().create(
        PLATFORM_TENANT, "cron", ["statistics:sync"], actor="test"
    )
    granted = await container.client_granting().grant(created.account.client_id, created.client_secret)
    headers = {"Authorization": f"Bearer {granted.access_token}"}

    answers = [await stranger.post(f"{V1}/statistics/{duty}", headers=headers) for duty in DUTIES]

    assert [data_of(answer)["status"] for answer in answers] == ["done", "done", "done", "consistent"]


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
    found = data_of(await api.get(f"{V1}/statistics/plans/{plan['id']}"))
    assert (found["survival"]["times"], found["latency"]["median_hours"], found["retention"]) == (
        [],
        None,
        [],
    )


@pytest.mark.parametrize(
    "where",
    [f"plans/{ABSENT_ID}", "plans/nonsense", f"testees/{ABSENT_ID}", "testees/ext:nobody", "scales/NONE"],
)
async def test_what_is_not_there_is_absent(api, where):
    for path in (where, f"{where}/tasks?metric=opened"):
        assert (await api.get(f"{V1}/statistics/{path}")).status_code == 404


async def test_another_tenants_plan_is_absent(api, stranger, neighbour):
    plan = await make_plan(api)

    foreign = await stranger.get(f"{V1}/statistics/plans/{plan['id']}", headers=neighbour)
    absent = await stranger.get(f"{V1}/statistics/plans/{ABSENT_ID}", headers=neighbour)

    assert foreign.status_code == absent.status_code == 404
    same = ("type", "title", "detail", "error")
    assert [foreign.json()[name] for name in same] == [absent.json()[name] for name in same]


@pytest.mark.parametrize(
    "query",
    [
        "system/tasks",
        "system/tasks?metric=nonsense",
        "system/tasks?metric=expired:DROP",
        "system/tasks?metric=opened&date=2026-02-30",
        "system/tasks?metric=opened&cursor=x",
        "system/tasks?metric=opened&page_size=0",
        "daily?dimension=nonsense",
        "daily?from=2026-01-01&to=2027-12-31",
        "daily?from=2026-02-01&to=2026-01-01",
        "daily?from=yesterday",
        "system?unknown=1",
    ],
)
async def test_bad_input_is_refused_with_a_pointer(api, query):
    answer = await api.get(f"{V1}/statistics/{query}")

    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"]


async def test_dates_of_no_key_are_absent(api):
    assert (await api.get(f"{V1}/statistics/daily?dimension=plan")).status_code == 404
    assert (await api.get(f"{V1}/statistics/daily?dimension=plan&key=x")).status_code == 404
