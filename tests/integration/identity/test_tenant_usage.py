"""What tenants have, and the table of roles, as whoever administers them may see it."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from httpx import AsyncClient

from qs.container import Container
from qs.domain.identity.scopes import PLATFORM_SCOPES, ROLES, SCOPES
from qs.domain.kernel.ids import DEFAULT_TENANT, PLATFORM_TENANT
from tests.integration.identity.people import PASSWORD, Issue
from tests.integration.plan_http.steps import (
    data_of,
    join,
    make_due,
    make_plan,
    make_testee,
    problem_of,
    soon,
)

ADMIN = "/api/v1/admin"
USAGE = f"{ADMIN}/tenants/usage"
CLINIC = {"slug": "clinic", "name": "Clinic", "timezone": "Europe/Berlin"}


@pytest.fixture
async def operator(client: AsyncClient, issue: Issue) -> AsyncClient:
    client.headers.update(await issue("admin"))
    return client


@pytest.fixture
async def clinic(operator: AsyncClient) -> dict[str, Any]:
    made: dict[str, Any] = data_of(await operator.post(f"{ADMIN}/tenants", json=CLINIC), 201)
    return made


async def used_by(api: AsyncClient, *ids: str, **request: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = data_of(await api.get(USAGE, params={"ids": ",".join(ids)}, **request))
    return found


async def test_what_a_tenant_has_is_counted_as_its_quotas_count(
    operator: AsyncClient, container: Container
) -> None:
    nothing = await used_by(operator, str(DEFAULT_TENANT))
    for name in ("anna", "berta"):
        body = {"username": name, "password": PASSWORD, "roles": ["viewer"]}
        user = data_of(await operator.post(f"{ADMIN}/users", json=body), 201)
    await operator.post(f"{ADMIN}/users/{user['id']}/disable")
    await operator.post(f"{ADMIN}/service-accounts", json={"name": "cron", "scopes": ["tasks:schedule"]})
    key = {"name": "export", "scopes": ["statistics:read"]}
    data_of(await operator.post(f"{ADMIN}/api-keys", json=key), 201)
    revoked = data_of(await operator.post(f"{ADMIN}/api-keys", json=key | {"name": "old"}), 201)
    await operator.delete(f"{ADMIN}/api-keys/{revoked['id']}")
    paused = await make_plan(operator, name="paused")
    await operator.post(f"/api/v1/plans/{paused['id']}/pause")
    plan = await make_plan(operator)
    joined = await join(operator, plan, await make_testee(operator), soon())
    erased = await make_testee(operator)
    await operator.delete(f"/api/v1/testees/{erased['id']}")
    opened, due = joined["tasks"][:2]
    await make_due(container, opened)
    data_of(await operator.post(f"/api/v1/plans/tasks/{opened['id']}/open"))
    await make_due(container, due)
    for name, is_on in (("on", True), ("off", False)):
        job = {
            "name": name,
            "type": "cron",
            "schedule": "0 2 * * *",
            "target": {"builtin": "hello_job"},
            "enabled": is_on,
        }
        made = data_of(await operator.post("/api/v1/scheduler/jobs", json=job), 201)
    await operator.post(f"/api/v1/scheduler/jobs/{made['id']}/run")

    (used,) = await used_by(operator, str(DEFAULT_TENANT))

    assert set(nothing[0].values()) == {0, str(DEFAULT_TENANT)}
    assert used == {
        "tenant_id": str(DEFAULT_TENANT),
        "users": 1,
        "machines": 2,
        "testees": 1,
        "active_plans": 1,
        "jobs": 2,
        "enabled_jobs": 1,
        "executions": 1,
        "due_tasks": 1,
        "opened_tasks": 1,
    }


async def test_only_tenants_that_are_there_for_the_caller_are_told_of(
    operator: AsyncClient, clinic: dict[str, Any], issue: Issue
) -> None:
    everything = (clinic["id"], str(DEFAULT_TENANT), str(PLATFORM_TENANT), str(uuid4()))
    theirs = await issue("admin", tenant_id=UUID(clinic["id"]))

    by_operator = await used_by(operator, *everything)
    by_clinic = await used_by(operator, *everything, headers=theirs)

    # By short name: clinic, default.
    assert [each["tenant_id"] for each in by_operator] == [clinic["id"], str(DEFAULT_TENANT)]
    assert [each["tenant_id"] for each in by_clinic] == [clinic["id"]]


@pytest.mark.parametrize(
    "ids",
    ["", "x", f"{DEFAULT_TENANT},", "-" * 36, ",".join([str(DEFAULT_TENANT)] * 21)],
    ids=("none", "no id", "one and nothing", "dashes", "21"),
)
async def test_ids_that_are_none_or_too_many_are_refused(operator: AsyncClient, ids: str) -> None:
    problem_of(await operator.get(USAGE, params={"ids": ids}), 422, "invalid")


async def test_the_table_of_roles_is_the_one_that_is_held_to(operator: AsyncClient) -> None:
    told = data_of(await operator.get(f"{ADMIN}/roles"))

    assert {role["name"]: frozenset(role["scopes"]) for role in told["roles"]} == ROLES
    assert {scope["name"]: scope["allows"] for scope in told["scopes"]} == SCOPES
    assert {scope["name"] for scope in told["scopes"] if scope["platform"]} == PLATFORM_SCOPES


@pytest.mark.parametrize("path", [f"{ADMIN}/roles", f"{USAGE}?ids={DEFAULT_TENANT}"])
async def test_who_administers_nothing_sees_neither(operator: AsyncClient, issue: Issue, path: str) -> None:
    narrow = await issue(*(SCOPES.keys() - {"admin"}))

    problem_of(await operator.get(path, headers=narrow), 403, "auth.scope_missing")
