from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest
from httpx import AsyncClient
from uuid_utils.compat import uuid7

from qs.container import Container
from qs.domain.kernel.ids import DEFAULT_TENANT, PLATFORM_TENANT
from qs.domain.scheduler.execution import FiredBy
from qs.interface.rest.app import create_app
from tests.support.http import app_over, serving
from tests.support.waiting import eventually

from .machines import ASKED

ACCOUNT = "nightly"
AS_ACCOUNT = {"actor": f"service:{ACCOUNT}", "fired_by": FiredBy.HTTP}

Caller = Callable[..., Awaitable[dict[str, str]]]


@pytest.fixture
async def client(container: Container) -> AsyncIterator[AsyncClient]:
    async with serving(app_over(container)) as client:
        yield client


@pytest.fixture
def caller(container: Container) -> Caller:
    """The headers of a service account with these scopes."""

    async def of(*scopes: str, tenant_id: UUID = DEFAULT_TENANT, name: str = ACCOUNT) -> dict[str, str]:
        created = await container.service_account_administration().create(
            tenant_id, name, scopes, actor="test"
        )
        granted = await container.client_granting().grant(created.account.client_id, created.client_secret)
        return {"Authorization": f"Bearer {granted.access_token}"}

    return of


async def test_the_duties_are_listed_as_gocron_lists_its_jobs(client, caller, container):
    executed = await container.duty_executions().run("sweep", **ASKED)
    last = await container.duty_reading().execution(DEFAULT_TENANT, executed.execution_id)

    answer = await client.get("/api/v1/scheduler/jobs", headers=await caller("scheduler:read"))

    body = answer.json()
    assert (answer.status_code, body["code"], body["message"]) == (200, 200, "success")
    assert [job["name"] for job in body["data"]] == [
        "sweep",
        "expiry",
        "sync-daily",
        "sync-accumulated",
        "sync-plan",
        "validate",
        "retention",
    ]
    sweep, expiry, *_ = body["data"]
    assert (sweep["type"], sweep["schedule"], sweep["enabled"]) == ("duration", "1m", True)
    assert (expiry["type"], expiry["schedule"], expiry["timezone"]) == ("daily", "00:30", "Asia/Shanghai")
    assert datetime.fromisoformat(sweep["last_run"]) == last.started_at
    assert (sweep["last_status"], expiry["last_run"], expiry["last_status"]) == ("succeeded", None, None)
    assert sweep["next_run"].endswith(":00Z")
    assert str(UUID(sweep["id"])) == sweep["id"]


async def test_a_history_is_read_slice_by_slice(client, caller, container):
    ids = [str((await container.duty_executions().run("sweep", **ASKED)).execution_id) for _ in range(3)]
    headers = await caller("scheduler:read")

    first = (await client.get("/api/v1/scheduler/executions?page_size=2", headers=headers)).json()["data"]
    second = (
        await client.get(
            "/api/v1/scheduler/executions",
            params={"page_size": 2, "cursor": first["next_cursor"]},
            headers=headers,
        )
    ).json()["data"]

    assert [item["id"] for item in first["items"]] == ids[:0:-1]
    assert [item["id"] for item in second["items"]] == ids[:1]
    assert second["next_cursor"] is None


async def test_a_history_can_be_narrowed(client, caller, container):
    await container.duty_executions().run("sweep", **ASKED)
    expiry = (await container.duty_executions().run("expiry", **ASKED)).execution_id
    headers = await caller("scheduler:read")

    async def listed(query: str) -> list[str]:
        answer = await client.get(f"/api/v1/scheduler/executions?{query}", headers=headers)
        return [item["id"] for item in answer.json()["data"]["items"]]

    assert await listed("name=expiry") == [str(expiry)]
    assert await listed("name=expiry&status=failed") == []
    assert await listed("name=expiry&status=succeeded") == [str(expiry)]


@pytest.mark.parametrize(
    "query", ["status=resting", "page_size=0", "page_size=101", "name=", "cursor=nonsense", "page=2"]
)
async def test_a_question_nobody_can_answer_is_refused(client, caller, query):
    answer = await client.get(f"/api/v1/scheduler/executions?{query}", headers=await caller("scheduler:read"))

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == f"/{query.split('=')[0]}"


async def test_a_background_call_can_be_followed_to_its_end(client, caller):
    headers = await caller("tasks:schedule")

    accepted = await client.post("/api/v1/plans/tasks/schedule?async=true&limit=7", headers=headers)

    async def ended() -> dict[str, object] | None:
        answer = await client.get(accepted.headers["Location"], headers=headers)
        assert answer.status_code == 200
        data: dict[str, object] = answer.json()["data"]
        return data if data["status"] not in ("queued", "running") else None

    shown = await eventually(ended)
    assert accepted.status_code == 202
    assert shown is not None
    assert shown["id"] == accepted.json()["data"]["execution_id"]
    assert (shown["status"], shown["name"], shown["fired_by"]) == ("succeeded", "sweep", "http")
    assert (shown["actor"], shown["parameters"], shown["scheduled_at"]) == (
        f"service:{ACCOUNT}",
        {"limit": 7},
        None,
    )
    assert isinstance(shown["result"], dict)
    assert shown["result"]["status"] == "done"


async def test_who_started_an_execution_reads_it_without_the_scope_and_no_other_one(
    client, caller, container
):
    run = container.duty_executions().run
    own = (await run("sweep", tenant_id=DEFAULT_TENANT, **AS_ACCOUNT)).execution_id
    annas = (await run("sweep", **ASKED)).execution_id
    headers = await caller("tasks:schedule")

    mine = await client.get(f"/api/v1/scheduler/executions/{own}", headers=headers)
    hers = await client.get(f"/api/v1/scheduler/executions/{annas}", headers=headers)
    everything = await client.get("/api/v1/scheduler/executions", headers=headers)

    assert [answer.status_code for answer in (mine, hers, everything)] == [200, 404, 403]


async def test_a_platform_account_reads_what_served_all_tenants_and_no_tenants_own(client, caller, container):
    run = container.duty_executions().run
    common = (await run("sweep", tenant_id=PLATFORM_TENANT, **AS_ACCOUNT)).execution_id
    own = (await run("sweep", **ASKED)).execution_id
    headers = await caller("scheduler:read", tenant_id=PLATFORM_TENANT)

    listed = (await client.get("/api/v1/scheduler/executions", headers=headers)).json()["data"]["items"]
    foreign = await client.get(f"/api/v1/scheduler/executions/{own}", headers=headers)
    jobs = await client.get("/api/v1/scheduler/jobs", headers=headers)

    assert [item["id"] for item in listed] == [str(common)]
    assert foreign.status_code == 404
    assert jobs.status_code == 200


async def test_a_malformed_a_foreign_and_an_absent_execution_look_alike(client, caller, container):
    foreign = (
        await container.duty_executions().run("sweep", **ASKED | {"tenant_id": PLATFORM_TENANT})
    ).execution_id
    headers = await caller("scheduler:read")

    answers = [
        await client.get(f"/api/v1/scheduler/executions/{each}", headers=headers)
        for each in (foreign, uuid7(), uuid4(), "nonsense")
    ]

    bodies = [{**answer.json(), "instance": None} for answer in answers]
    assert bodies[0]["status"] == 404
    assert bodies[0]["error"] == "execution.absent"
    assert bodies == bodies[:1] * 4


@pytest.mark.parametrize("path", ["jobs", "executions", f"executions/{UUID(int=7)}"])
async def test_nobody_reads_the_scheduler_without_being_known(client, path):
    assert (await client.get(f"/api/v1/scheduler/{path}")).status_code == 401


async def test_a_stopping_api_gives_its_background_work_back(container, engine, caller):
    # The application's end drains what it left behind; the row is over or free to be taken, never held.
    async with serving(
        create_app(container, close=lambda c: c.background().drain(timedelta(seconds=5)))
    ) as client:
        accepted = await client.post(
            "/api/v1/plans/tasks/schedule?async=true", headers=await caller("tasks:schedule")
        )

    execution_id = UUID(accepted.json()["data"]["execution_id"])
    execution = await container.duty_reading().execution(DEFAULT_TENANT, execution_id)
    assert execution.status == "succeeded"
