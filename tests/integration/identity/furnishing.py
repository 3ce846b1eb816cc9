"""A tenant with one of everything that has an id, made over HTTP as its administrator would."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from httpx import AsyncClient

from qs.container import Container
from qs.domain.identity.scopes import ROLES
from qs.domain.identity.tenant import Tenant
from tests.integration.identity.people import PASSWORD, bearer
from tests.integration.plan_http.steps import V1, WEEKLY, data_of, make_due, soon

_DELIVERY = (
    "INSERT INTO delivery (id, tenant_id, event_id, event_name, recipient, channel, address_index, template, locale, data,"
    " status, reason, testee_id, task_id) VALUES ($1, $2, $3, 'TaskOpened', 'staff', 'log', 0, 'task_opened', 'en', '{}',"
    " 'dead', 'permanent_failure', $4, $5)"
)


@dataclass(frozen=True)
class Furnished:
    """``things`` are the ids by what they are of; ``mark`` is in every text the tenant has of its own."""

    tenant: Tenant
    mark: str
    things: Mapping[str, str]
    callers: Mapping[str, Mapping[str, str]]
    """The headers of a caller of each role, by the name of the role."""


async def furnish(
    client: AsyncClient,
    container: Container,
    truth: asyncpg.Connection,
    mark: str,
    roles: Iterable[str] = ROLES,
) -> Furnished:
    """A new tenant with callers of these roles, of which ``admin`` has to be one."""
    tenant = await container.tenant_administration().create(mark, f"The {mark}", "Europe/Berlin", actor="x")
    callers = {role: await _caller(container, tenant.id, mark, role) for role in roles}
    api = Administrator(client, callers["admin"])
    things = {"tenant": str(tenant.id), **await _of_accounts(api, mark), **await _of_jobs(api, mark)}
    things |= await _of_plans(api, container, mark)
    endpoint = {"name": f"{mark} system", "url": f"https://{mark}.invalid/qs"}
    things["webhook"] = (await api.make("webhooks", endpoint))["id"]
    things["notification"] = str(uuid4())
    subjects = [UUID(things[each]) for each in ("testee", "task")]
    await truth.execute(_DELIVERY, UUID(things["notification"]), tenant.id, uuid4(), *subjects)
    return Furnished(tenant, mark, things, callers)


class Administrator:
    """Makes things for a tenant; whatever it asks for must succeed."""

    def __init__(self, client: AsyncClient, headers: Mapping[str, str]) -> None:
        self._client = client
        self._headers = headers

    async def make(self, path: str, body: Any, status: int = 201) -> dict[str, Any]:
        answer = await self._client.post(f"{V1}/{path}", json=body, headers=self._headers)
        data: dict[str, Any] = data_of(answer, status)
        return data

    async def put(self, path: str, body: Any) -> None:
        answer = await self._client.put(f"{V1}/{path}", json=body, headers=self._headers)
        assert answer.is_success, answer.text


async def _caller(container: Container, tenant_id: UUID, mark: str, role: str) -> dict[str, str]:
    if role == "service":
        made = await container.service_account_administration().create(
            tenant_id, f"{mark}-machine", ROLES[role], actor="x"
        )
        grant = await container.client_granting().grant(made.account.client_id, made.client_secret)
        return bearer(grant.access_token)
    name = f"{mark}.{role}"
    await container.user_administration().create(tenant_id, name, PASSWORD, [role], actor="x")
    return bearer((await container.login().log_in(name, PASSWORD, "::1")).access_token)


async def _of_accounts(api: Administrator, mark: str) -> dict[str, str]:
    user = {"username": f"{mark}.extra", "password": PASSWORD, "roles": ["viewer"]}
    machine = {"name": f"{mark}-extra", "scopes": ["plans:read"]}
    return {
        "user": (await api.make("admin/users", user))["id"],
        "service_account": (await api.make("admin/service-accounts", machine))["id"],
        "api_key": (await api.make("admin/api-keys", machine))["id"],
    }


async def _of_jobs(api: Administrator, mark: str) -> dict[str, str]:
    await api.make("scheduler/calendars", {"name": f"{mark}-rest", "holidays": ["2030-10-01"]})
    await api.put(f"secrets/{mark}-secret", {"value": f"the value of {mark}"})
    body = {"name": f"{mark}-tidy", "type": "cron", "schedule": "0 * * * *", "remarks": mark}
    job = await api.make("scheduler/jobs", body | {"target": {"builtin": "hello_job"}})
    run = await api.make(f"scheduler/jobs/{job['id']}/run", {}, 200)
    return {
        "job": job["id"],
        "execution": run["id"],
        "calendar": f"{mark}-rest",
        "secret": f"{mark}-secret",
    }


async def _of_plans(api: Administrator, container: Container, mark: str) -> dict[str, str]:
    code = f"{mark}-scale"
    await api.put("templates/task_opened/en", {"subject": f"News of {mark}", "body": "{link}"})
    await api.make("scales", {"code": code, "title": {"zh": mark, "en": mark}, "published": True})
    plan = await api.make("plans", WEEKLY | {"name": f"{mark} plan", "scale_code": code})
    person = {"name": f"{mark} person", "external_id": f"{mark}-1"}
    contacts = [{"channel": "email", "address": f"person@{mark}.example.org"}]
    testee = await api.make("testees", person | {"contacts": contacts})
    body = {"plan_id": plan["id"], "testee_id": testee["id"], "start_date": soon()}
    joined = await api.make("plans/enroll", body)
    task = joined["tasks"][0]
    await make_due(container, task)
    await api.make(f"plans/tasks/{task['id']}/open", {}, 200)
    return {
        "plan": plan["id"],
        "testee": testee["id"],
        "enrollment": joined["enrollment"]["id"],
        "task": task["id"],
        "scale": code,
    }


async def rows_of(truth: asyncpg.Connection, whose: Furnished) -> dict[str, str]:
    """A digest of all rows of a tenant, by table."""
    columns = await truth.fetch(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
        " AND (column_name = 'tenant_id' OR (table_name, column_name) = ('tenant', 'id'))"
    )
    digests = {}
    for table, column in columns:
        digests[table] = await truth.fetchval(
            f"SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM {table} t WHERE {column} = $1",
            whose.tenant.id,
        )
    return digests
