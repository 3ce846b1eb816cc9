"""Tenants, users and service accounts are administered over HTTP, each within the bounds of who asks."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from httpx import AsyncClient, Response

from qs.container import Container
from qs.domain.identity.errors import LastAdministrator
from qs.domain.kernel.ids import DEFAULT_TENANT, PLATFORM_TENANT
from tests.integration.identity.people import PASSWORD, Issue, MovableTime, bearer
from tests.integration.plan_http.steps import data_of, problem_of

ADMIN = "/api/v1/admin"
CLINIC = {"slug": "clinic", "name": "Clinic", "timezone": "Europe/Berlin"}
BELIEVED_FOR_S = 3.0


@pytest.fixture
async def operator(time_goes_on: MovableTime, client: AsyncClient, issue: Issue) -> AsyncClient:
    """An administrator of the default tenant, who begins when time can be moved."""
    client.headers.update(await issue("admin"))
    return client


@pytest.fixture
async def clinic(operator: AsyncClient) -> dict[str, Any]:
    """Another tenant."""
    made: dict[str, Any] = data_of(await operator.post(f"{ADMIN}/tenants", json=CLINIC), 201)
    return made


@pytest.fixture
async def clinics_admin(clinic: dict[str, Any], issue: Issue) -> dict[str, str]:
    return await issue("admin", tenant_id=UUID(clinic["id"]))


async def make_user(api: AsyncClient, name: str = "anna", *roles: str, **request: Any) -> dict[str, Any]:
    body = {"username": name, "password": PASSWORD, "roles": roles or ("viewer",)}
    made: dict[str, Any] = data_of(await api.post(f"{ADMIN}/users", json=body, **request), 201)
    return made


async def log_in(api: AsyncClient, name: str = "anna", password: str = PASSWORD) -> Response:
    return await api.post("/api/v1/auth/login", json={"username": name, "password": password})


class TestFirstAdministrators:
    WHO = {"username": "Boss", "password": PASSWORD}  # noqa: RUF012 - never changed

    async def test_whoever_is_named_logs_in_at_once_and_administers_that_tenant_alone(
        self, operator: AsyncClient, truth: asyncpg.Connection
    ):
        made = data_of(
            await operator.post(f"{ADMIN}/tenants", json=CLINIC | {"administrator": self.WHO}), 201
        )

        session = bearer((await log_in(operator, "boss")).json()["access_token"])
        users = data_of(await operator.get(f"{ADMIN}/users", headers=session))["items"]
        theirs = data_of(await operator.get(f"{ADMIN}/tenants", headers=session))["items"]
        records = await truth.fetch("SELECT action, tenant_id, detail::text FROM audit ORDER BY id")

        assert [(user["username"], user["roles"]) for user in users] == [("boss", ["admin"])]
        assert [tenant["id"] for tenant in theirs] == [made["id"]]
        assert "administrator" not in made
        told = [row["action"] for row in records if str(row["tenant_id"]) == made["id"]]
        assert told[:2] == ["tenant.created", "user.created"]
        assert PASSWORD not in str([row["detail"] for row in records])

    @pytest.mark.parametrize(
        ("wrong", "pointers"),
        [
            ({"username": " "}, ["/administrator/username"]),
            ({"password": "password1"}, ["/administrator/password"]),
            ({"password": "short"}, ["/administrator/password"]),
            ({"roles": ["admin"]}, ["/administrator/roles"]),
        ],
    )
    async def test_one_who_is_unfit_is_told_of_at_its_place_and_no_tenant_is_made(
        self, operator: AsyncClient, wrong: dict[str, Any], pointers: list[str]
    ):
        body = CLINIC | {"administrator": self.WHO | wrong}

        answer = await operator.post(f"{ADMIN}/tenants", json=body)

        assert answer.status_code == 422
        assert [each["pointer"] for each in answer.json()["errors"]] == pointers
        assert len(data_of(await operator.get(f"{ADMIN}/tenants"))["items"]) == 1

    async def test_a_name_that_somebody_has_anywhere_makes_no_tenant(self, operator: AsyncClient):
        await make_user(operator, "boss")

        refused = await operator.post(f"{ADMIN}/tenants", json=CLINIC | {"administrator": self.WHO})

        problem_of(refused, 409, "user.username_taken")
        assert len(data_of(await operator.get(f"{ADMIN}/tenants"))["items"]) == 1


class TestTenants:
    async def test_an_operator_creates_shows_lists_and_changes_them(self, operator: AsyncClient):
        contacts = [{"channel": "email", "address": "ward@example.org"}]
        body = CLINIC | {"staff_contacts": contacts, "quotas": {"max_testees": 7}}
        created = await operator.post(f"{ADMIN}/tenants", json=body)
        made = data_of(created, 201)
        at = created.headers["Location"]

        assert made["status"] == "active"
        assert made["staff_contacts"] == contacts
        assert made["quotas"] == {"max_testees": 7, "max_active_plans": None, "max_jobs": None}
        assert data_of(await operator.get(at)) == made

        change = {"name": "Practice", "timezone": "UTC", "staff_contacts": [], "status": "suspended"}
        changed = data_of(await operator.patch(at, json=change | {"quotas": {"max_jobs": 0}}))
        assert changed == made | change | {
            "quotas": {"max_testees": 7, "max_active_plans": None, "max_jobs": 0}
        }
        cleared = data_of(await operator.patch(at, json={"quotas": {"max_testees": None}}))
        assert cleared["quotas"] == {"max_testees": None, "max_active_plans": None, "max_jobs": 0}

        listed = data_of(await operator.get(f"{ADMIN}/tenants"))
        assert [each["slug"] for each in listed["items"]] == ["clinic", "default"]
        assert "staff_contacts" not in listed["items"][0]

    async def test_a_change_overwrites_nobody(self, operator: AsyncClient, clinic: dict[str, Any]):
        at = f"{ADMIN}/tenants/{clinic['id']}"
        seen = (await operator.get(at)).headers["ETag"]
        changed = await operator.patch(at, json={"name": "A"}, headers={"If-Match": seen})
        stale = await operator.patch(at, json={"name": "B"}, headers={"If-Match": seen})
        same = await operator.patch(at, json={"name": "A"}, headers={"If-Match": changed.headers["ETag"]})

        assert (changed.status_code, same.status_code) == (200, 200)
        problem_of(stale, 412, "precondition.failed")
        assert same.headers["ETag"] == changed.headers["ETag"] != seen
        not_modified = await operator.get(at, headers={"If-None-Match": same.headers["ETag"]})
        assert not_modified.status_code == 304

    async def test_of_many_changes_of_one_version_at_once_one_is_made(
        self, operator: AsyncClient, clinic: dict[str, Any]
    ):
        at = f"{ADMIN}/tenants/{clinic['id']}"
        seen = {"If-Match": (await operator.get(at)).headers["ETag"]}

        answers = await asyncio.gather(
            *(operator.patch(at, json={"name": f"Name {n}"}, headers=seen) for n in range(6))
        )

        assert sorted(each.status_code for each in answers) == [200, 412, 412, 412, 412, 412]

    async def test_an_administrator_of_another_tenant_has_only_their_own(
        self,
        operator: AsyncClient,
        clinic: dict[str, Any],
        clinics_admin: dict[str, str],
        truth: asyncpg.Connection,
    ):
        own = f"{ADMIN}/tenants/{clinic['id']}"
        listed = data_of(await operator.get(f"{ADMIN}/tenants", headers=clinics_admin))
        renamed = data_of(await operator.patch(own, json={"name": "Ours"}, headers=clinics_admin))

        assert ([each["id"] for each in listed["items"]], listed["total"]) == ([clinic["id"]], 1)
        assert renamed["name"] == "Ours"
        for body in ({"status": "suspended"}, {"status": "active"}, {"quotas": {"max_jobs": None}}):
            problem_of(
                await operator.patch(own, json=body, headers=clinics_admin), 403, "tenant.for_operators"
            )
        another = CLINIC | {"slug": "x"}
        refused = await operator.post(f"{ADMIN}/tenants", json=another, headers=clinics_admin)
        problem_of(refused, 403, "tenant.for_operators")
        for other in (DEFAULT_TENANT, PLATFORM_TENANT, uuid4(), "nonsense"):
            at = f"{ADMIN}/tenants/{other}"
            problem_of(await operator.get(at, headers=clinics_admin), 404, "tenant.absent")
            changed = await operator.patch(at, json={"status": "suspended"}, headers=clinics_admin)
            problem_of(changed, 404, "tenant.absent")
        assert await truth.fetchval("SELECT count(*) FROM tenant WHERE status = 'suspended'") == 0

    async def test_the_platforms_own_is_nobodys(self, operator: AsyncClient):
        at = f"{ADMIN}/tenants/{PLATFORM_TENANT}"

        problem_of(await operator.get(at), 404, "tenant.absent")
        problem_of(await operator.patch(at, json={"name": "Mine"}), 404, "tenant.absent")

    async def test_nobody_suspends_the_tenant_they_come_from(self, operator: AsyncClient):
        at = f"{ADMIN}/tenants/{DEFAULT_TENANT}"

        problem_of(await operator.patch(at, json={"status": "suspended"}), 409, "tenant.own")
        assert data_of(await operator.patch(at, json={"status": "active"}))["status"] == "active"

    async def test_a_suspended_tenant_is_shut_out_and_let_in_again(
        self,
        operator: AsyncClient,
        clinic: dict[str, Any],
        clinics_admin: dict[str, str],
        time_goes_on: MovableTime,
    ):
        at = f"{ADMIN}/tenants/{clinic['id']}"
        statuses = []
        for status in ("active", "suspended", "active"):
            await operator.patch(at, json={"status": status})
            time_goes_on.by(BELIEVED_FOR_S)
            statuses.append((await operator.get(at, headers=clinics_admin)).status_code)

        assert statuses == [200, 401, 200]

    async def test_what_cannot_be_is_told(self, operator: AsyncClient):
        for change, pointer in (
            ({"slug": "Not A Slug"}, "/slug"),
            ({"slug": "x" * 64}, "/slug"),
            ({"name": " "}, "/name"),
            ({"timezone": "Mars/Olympus"}, "/timezone"),
            ({"staff_contacts": [{"channel": "email", "address": "nobody"}]}, "/staff_contacts/0"),
            ({"staff_contacts": [{"channel": "fax", "address": "a@b.org"}]}, "/staff_contacts/0/channel"),
            ({"staff_contacts": [{"channel": "email", "address": "a@b.org"}] * 21}, "/staff_contacts"),
            ({"quotas": {"max_testees": -1}}, "/quotas/max_testees"),
            ({"quotas": {"max_testees": 2**63}}, "/quotas/max_testees"),
            ({"quotas": {"max_jobs": True}}, "/quotas/max_jobs"),
            ({"quotas": {"max_everything": 1}}, "/quotas/max_everything"),
            ({"id": str(uuid4())}, "/id"),
            ({"tenant_id": str(uuid4())}, "/tenant_id"),
            ({"status": "suspended"}, "/status"),
            ({"version": 3}, "/version"),
        ):
            answer = await operator.post(f"{ADMIN}/tenants", json=CLINIC | change)

            assert answer.status_code == 422, change
            assert [each["pointer"] for each in answer.json()["errors"]] == [pointer], change

    async def test_a_short_name_that_is_taken_is_refused(self, operator: AsyncClient, clinic: dict[str, Any]):
        problem_of(await operator.post(f"{ADMIN}/tenants", json=CLINIC), 409, "tenant.slug_taken")


class TestUsers:
    async def test_an_administrator_creates_shows_and_lists_them(self, operator: AsyncClient):
        body = {"username": "Anna", "password": PASSWORD, "roles": ["viewer", "coordinator"]}
        created = await operator.post(f"{ADMIN}/users", json=body)
        made = data_of(created, 201)

        assert (made["username"], made["roles"], made["disabled_at"]) == (
            "anna",
            ["viewer", "coordinator"],
            None,
        )
        assert data_of(await operator.get(created.headers["Location"])) == made
        assert data_of(await operator.get(f"{ADMIN}/users"))["items"] == [made]
        assert PASSWORD not in created.text
        assert (await log_in(operator)).status_code == 200

    async def test_a_repeated_request_creates_one_and_leaves_no_password_behind(
        self, operator: AsyncClient, truth: asyncpg.Connection
    ):
        body = {"username": "anna", "password": PASSWORD, "roles": ["viewer"]}
        answers = [
            await operator.post(f"{ADMIN}/users", json=body, headers={"Idempotency-Key": "once"})
            for _ in range(2)
        ]
        other = await operator.post(
            f"{ADMIN}/users", json=body | {"password": PASSWORD + "!"}, headers={"Idempotency-Key": "once"}
        )

        assert [each.status_code for each in answers] == [201, 201]
        assert answers[0].json() == answers[1].json()
        problem_of(other, 422, "idempotency.mismatch")
        (row,) = await truth.fetch("SELECT * FROM idempotency_key")
        assert PASSWORD not in repr(dict(row))

    async def test_one_who_is_disabled_is_out_at_once_and_stays_in_the_list(
        self, operator: AsyncClient, time_goes_on: MovableTime
    ):
        at = f"{ADMIN}/users/{(await make_user(operator))['id']}"
        session = bearer((await log_in(operator)).json()["access_token"])

        disabled = data_of(await operator.post(f"{at}/disable"))
        again = data_of(await operator.post(f"{at}/disable"))
        time_goes_on.by(BELIEVED_FOR_S)

        assert disabled["disabled_at"] == again["disabled_at"] is not None
        assert (await operator.get("/api/v1/plans", headers=session)).status_code == 401
        assert (await log_in(operator)).status_code == 401
        assert data_of(await operator.get(f"{ADMIN}/users"))["items"] == [disabled]

    async def test_a_new_password_ends_the_sessions_and_the_old_one(
        self, operator: AsyncClient, time_goes_on: MovableTime
    ):
        at = f"{ADMIN}/users/{(await make_user(operator))['id']}"
        session = bearer((await log_in(operator)).json()["access_token"])

        data_of(await operator.put(f"{at}/password", json={"password": "another long sentence"}))
        time_goes_on.by(BELIEVED_FOR_S)

        assert (await operator.get("/api/v1/plans", headers=session)).status_code == 401
        assert (await log_in(operator)).status_code == 401
        assert (await log_in(operator, password="another long sentence")).status_code == 200

    async def test_new_roles_hold_from_the_next_login_on(
        self, operator: AsyncClient, time_goes_on: MovableTime
    ):
        at = f"{ADMIN}/users/{(await make_user(operator))['id']}"
        session = bearer((await log_in(operator)).json()["access_token"])

        changed = data_of(await operator.put(f"{at}/roles", json={"roles": ["operator", "operator"]}))
        time_goes_on.by(BELIEVED_FOR_S)
        anew = bearer((await log_in(operator)).json()["access_token"])

        assert changed["roles"] == ["operator"]
        assert (await operator.get("/api/v1/plans", headers=session)).status_code == 401
        assert (await operator.get("/api/v1/audit", headers=anew)).status_code == 200

    async def test_the_last_administrator_of_a_tenant_cannot_be_shut_out(self, operator: AsyncClient):
        last = f"{ADMIN}/users/{(await make_user(operator, 'boss', 'admin'))['id']}"
        gone = f"{ADMIN}/users/{(await make_user(operator, 'gone', 'admin'))['id']}"
        await make_user(operator, "anna", "operator")
        data_of(await operator.post(f"{gone}/disable"))

        problem_of(await operator.post(f"{last}/disable"), 409, "user.last_administrator")
        demoted = await operator.put(f"{last}/roles", json={"roles": ["viewer"]})
        problem_of(demoted, 409, "user.last_administrator")
        data_of(await operator.put(f"{last}/roles", json={"roles": ["admin", "viewer"]}))

        await make_user(operator, "second", "admin")
        assert data_of(await operator.put(f"{last}/roles", json={"roles": ["viewer"]}))["roles"] == ["viewer"]

    async def test_two_administrators_who_shut_each_other_out_at_once_leave_one(
        self, container: Container, operator: AsyncClient
    ):
        users = container.user_administration()
        names = [f"boss{n}" for n in range(4)]
        for name in names:
            await make_user(operator, name, "admin")

        ends = await asyncio.gather(
            users.disable(DEFAULT_TENANT, names[0], actor="test"),
            users.set_roles(DEFAULT_TENANT, names[1], ["viewer"], actor="test"),
            users.disable(DEFAULT_TENANT, names[2], actor="test"),
            users.set_roles(DEFAULT_TENANT, names[3], ["viewer"], actor="test"),
            return_exceptions=True,
        )

        assert sum(isinstance(each, LastAdministrator) for each in ends) == 1
        left = [
            each for each in await users.list(DEFAULT_TENANT) if each.is_enabled and "admin" in each.roles
        ]
        assert len(left) == 1

    async def test_those_of_another_tenant_are_absent(
        self, operator: AsyncClient, clinics_admin: dict[str, str], clinic: dict[str, Any]
    ):
        foreign = (await make_user(operator, headers=clinics_admin))["id"]

        assert data_of(await operator.get(f"{ADMIN}/users"))["total"] == 0
        for user in (foreign, str(uuid4()), "nonsense"):
            at = f"{ADMIN}/users/{user}"
            problem_of(await operator.get(at), 404, "user.absent")
            problem_of(await operator.post(f"{at}/disable"), 404, "user.absent")
            problem_of(await operator.put(f"{at}/password", json={"password": PASSWORD}), 404, "user.absent")
            problem_of(await operator.put(f"{at}/roles", json={"roles": ["viewer"]}), 404, "user.absent")
        assert (await log_in(operator)).status_code == 200

    async def test_what_cannot_be_is_told_without_the_password(self, operator: AsyncClient):
        for change, pointer in (
            ({"username": ""}, "/username"),
            ({"username": "a b"}, "/username"),
            ({"username": "x" * 129}, "/username"),
            ({"password": "short"}, "/password"),
            ({"password": "password123"}, "/password"),
            ({"password": "x" * 257}, "/password"),
            ({"roles": []}, "/roles"),
            ({"roles": ["root"]}, "/roles"),
            ({"roles": ["viewer"] * 17}, "/roles"),
            ({"roles": "admin"}, "/roles"),
            ({"tenant_id": str(uuid4())}, "/tenant_id"),
            ({"disabled_at": None}, "/disabled_at"),
            ({"id": str(uuid4())}, "/id"),
        ):
            body: dict[str, Any] = {"username": "anna", "password": PASSWORD, "roles": ["viewer"]} | change
            answer = await operator.post(f"{ADMIN}/users", json=body)

            assert answer.status_code == 422, change
            assert {each["pointer"] for each in answer.json()["errors"]} == {pointer}, change
            assert body["password"] not in answer.text

    async def test_a_name_that_is_taken_anywhere_is_refused(
        self, operator: AsyncClient, clinics_admin: dict[str, str]
    ):
        await make_user(operator, headers=clinics_admin)
        body = {"username": "ANNA", "password": PASSWORD, "roles": ["viewer"]}

        problem_of(await operator.post(f"{ADMIN}/users", json=body), 409, "user.username_taken")


class TestServiceAccounts:
    async def token(self, api: AsyncClient, account: dict[str, Any]) -> Response:
        credentials = (account["client_id"], account["client_secret"])
        return await api.post("/oauth2/token", data={"grant_type": "client_credentials"}, auth=credentials)

    async def make(self, api: AsyncClient, **request: Any) -> dict[str, Any]:
        body = {"name": "crontab", "scopes": ["tasks:schedule", "plans:read"]}
        made: dict[str, Any] = data_of(await api.post(f"{ADMIN}/service-accounts", json=body, **request), 201)
        return made

    async def test_an_administrator_creates_shows_lists_and_disables_them(
        self, operator: AsyncClient, time_goes_on: MovableTime
    ):
        made = await self.make(operator)
        at = f"{ADMIN}/service-accounts/{made['id']}"
        token = bearer((await self.token(operator, made)).json()["access_token"])
        assert (await operator.get("/api/v1/plans", headers=token)).status_code == 200

        shown = data_of(await operator.get(at))
        assert shown == {name: value for name, value in made.items() if name != "client_secret"}
        assert data_of(await operator.get(f"{ADMIN}/service-accounts"))["items"] == [shown]

        disabled = data_of(await operator.delete(at))
        assert disabled == data_of(await operator.delete(at))
        time_goes_on.by(BELIEVED_FOR_S)
        assert (await operator.get("/api/v1/plans", headers=token)).status_code == 401
        assert (await self.token(operator, made)).status_code == 401

    async def test_a_secret_is_shown_once_and_stored_nowhere(
        self, operator: AsyncClient, truth: asyncpg.Connection
    ):
        body = {"name": "crontab", "scopes": ["tasks:schedule"]}
        once = {"Idempotency-Key": "once"}
        first = await operator.post(f"{ADMIN}/service-accounts", json=body, headers=once)
        second = await operator.post(f"{ADMIN}/service-accounts", json=body, headers=once)
        renewing = f"{ADMIN}/service-accounts/{first.json()['data']['id']}/secret"
        renewed = await operator.post(renewing, headers={"Idempotency-Key": "again"})
        repeated = await operator.post(renewing, headers={"Idempotency-Key": "again"})

        assert (first.status_code, second.status_code) == (201, 409)
        assert (renewed.status_code, repeated.status_code) == (200, 409)
        assert first.headers["Cache-Control"] == renewed.headers["Cache-Control"] == "no-store"
        for table in ("service_account", "audit", "idempotency_key"):
            stored = await truth.fetchval(f"SELECT string_agg(t::text, ' ') FROM {table} t")
            for answer in (first, renewed):
                assert answer.json()["data"]["client_secret"] not in stored, table

    async def test_a_new_secret_replaces_the_old_one(self, operator: AsyncClient):
        old = await self.make(operator)

        new = data_of(await operator.post(f"{ADMIN}/service-accounts/{old['id']}/secret"))

        assert new["client_id"] == old["client_id"]
        assert (await self.token(operator, old)).status_code == 401
        assert (await self.token(operator, new)).status_code == 200

    async def test_one_that_is_disabled_gets_no_new_secret(self, operator: AsyncClient):
        at = f"{ADMIN}/service-accounts/{(await self.make(operator))['id']}"
        data_of(await operator.delete(at))

        problem_of(await operator.post(f"{at}/secret"), 409, "service_account.disabled")

    async def test_those_of_another_tenant_are_absent(
        self, operator: AsyncClient, clinics_admin: dict[str, str]
    ):
        foreign = await self.make(operator, headers=clinics_admin)

        assert data_of(await operator.get(f"{ADMIN}/service-accounts"))["total"] == 0
        for account in (foreign["id"], str(uuid4()), "nonsense"):
            at = f"{ADMIN}/service-accounts/{account}"
            problem_of(await operator.get(at), 404, "service_account.absent")
            problem_of(await operator.post(f"{at}/secret"), 404, "service_account.absent")
            problem_of(await operator.delete(at), 404, "service_account.absent")
        assert (await self.token(operator, foreign)).status_code == 200
        # The same name is free here.
        await self.make(operator)

    async def test_what_cannot_be_is_told(self, operator: AsyncClient):
        for change, pointer in (
            ({"name": "a b"}, "/name"),
            ({"name": "x" * 64}, "/name"),
            ({"scopes": []}, "/scopes"),
            ({"scopes": ["everything"]}, "/scopes"),
            ({"client_secret": "qss_mine"}, "/client_secret"),
            ({"tenant_id": str(uuid4())}, "/tenant_id"),
        ):
            body = {"name": "crontab", "scopes": ["tasks:schedule"]} | change
            answer = await operator.post(f"{ADMIN}/service-accounts", json=body)

            assert answer.status_code == 422, change
            assert [each["pointer"] for each in answer.json()["errors"]] == [pointer], change

    async def test_a_name_that_is_taken_is_refused(self, operator: AsyncClient):
        await self.make(operator)
        body = {"name": "crontab", "scopes": ["tasks:schedule"]}

        answer = await operator.post(f"{ADMIN}/service-accounts", json=body)

        problem_of(answer, 409, "service_account.name_taken")
