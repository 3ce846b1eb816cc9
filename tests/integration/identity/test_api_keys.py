"""Machines come in with keys that are shown once, replaced without a gap, and taken back."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from dependency_injector import providers
from httpx import AsyncClient
from msgspec.structs import replace

from qs.application.identity.administering_tenants import TenantChange
from qs.application.identity.remembering import BELIEVED_FOR_S
from qs.container import Container, build_container, close
from qs.domain.identity.errors import ApiKeyAbsent, ApiKeyInvalid, ScopeUnknown, TenantReserved, TwoKeysActive
from qs.domain.identity.tenant import TenantStatus
from qs.domain.kernel.ids import DEFAULT_TENANT, PLATFORM_TENANT
from qs.infra.auth.keys import Keyring
from qs.infra.auth.secrets import KeyedSecrets
from qs.settings import Settings
from tests.integration.identity.people import MovableTime, bearer
from tests.support.settings import SECRET_KEY

PLANS = "/api/v1/probe/plans"
KEYS = "/api/v1/admin/api-keys"
DAY = timedelta(days=1)
NEXT_KEY = "next:" + "n3xT" * 10


async def made(container: Container, name: str = "ci", *scopes: str, life: timedelta = DAY) -> Any:
    return await container.api_key_administration().create(
        DEFAULT_TENANT, name, scopes or ("plans:read",), life, actor="test"
    )


@pytest.fixture
async def admin(container: Container) -> dict[str, str]:
    issued = await container.token_issuing().issue(
        DEFAULT_TENANT, ["admin"], timedelta(hours=1), actor="test"
    )
    return bearer(issued.token)


async def test_a_key_lets_its_machine_in_with_its_scopes(probes: AsyncClient, container: Container):
    key = await made(container)

    reached = await probes.get(PLANS, headers=bearer(key.secret))
    refused = await probes.post("/api/v1/probe/tenant-duty", headers=bearer(key.secret))

    assert key.secret.startswith("qsk_")
    assert (reached.status_code, reached.text) == (200, "api_key:ci")
    assert refused.status_code == 403


async def test_another_key_does_not(probes: AsyncClient, container: Container):
    key = (await made(container)).secret
    other = (await made(container)).secret
    for wrong in (
        "qsk_",
        "qsk_" + "x" * 2000,
        key[:-1],
        key + "x",
        key.upper(),
        key[:-1] + ("A" if key[-1] != "A" else "B"),
        key[:37] + other[37:],
        f"qsk_{uuid4().hex}_{key[37:]}",
        key.replace("qsk_", "QSK_"),
        key.replace("_", "-", 1),
    ):
        answer = await probes.get(PLANS, headers=bearer(wrong))
        assert (answer.status_code, answer.json()["error"]) == (401, "auth.token_invalid"), wrong[:60]
        assert "WWW-Authenticate" in answer.headers


async def test_what_is_stored_is_an_hmac_under_a_key_that_the_database_does_not_have(
    container: Container, truth: asyncpg.Connection
):
    key = await made(container)

    (row,) = await truth.fetch("SELECT * FROM api_key")
    dump = repr(dict(row)) + repr(await truth.fetch("SELECT * FROM audit"))

    pepper = Keyring.parse(SECRET_KEY)
    assert row["secret_hash"] == KeyedSecrets(pepper, "api_key").digest(key.secret)
    assert row["secret_hash"] != KeyedSecrets(pepper, "refresh").digest(key.secret)
    assert key.secret[37:] not in dump
    assert key.secret not in repr(key)


async def test_a_key_ends_when_it_says_even_if_it_was_just_believed(
    container: Container, time_goes_on: MovableTime
):
    now = datetime.now(UTC)
    container.system_time.override(providers.Object(lambda: now))
    key = await made(container, life=timedelta(seconds=2))
    authenticate = container.authentication().authenticate
    assert (await authenticate(key.secret)).name == "ci"

    now += timedelta(seconds=2)
    time_goes_on.by(2)

    with pytest.raises(Exception, match="not valid any more"):
        await authenticate(key.secret)


async def test_a_revoked_key_and_those_of_a_suspended_tenant_are_shut_out_within_moments(
    probes: AsyncClient, container: Container, time_goes_on: MovableTime
):
    revoked, suspended = await made(container, "a"), await made(container, "b")
    for key in (revoked, suspended):
        assert (await probes.get(PLANS, headers=bearer(key.secret))).status_code == 200

    await container.api_key_administration().revoke(DEFAULT_TENANT, revoked.key.id, actor="test")
    time_goes_on.by(BELIEVED_FOR_S)
    assert (await probes.get(PLANS, headers=bearer(revoked.secret))).status_code == 401
    assert (await probes.get(PLANS, headers=bearer(suspended.secret))).status_code == 200

    change = TenantChange(status=TenantStatus.SUSPENDED)
    await container.tenant_administration().change("default", change, actor="test")
    time_goes_on.by(BELIEVED_FOR_S)
    assert (await probes.get(PLANS, headers=bearer(suspended.secret))).status_code == 401


async def test_its_last_use_is_known_to_the_hour_and_costs_one_write_in_it(
    container: Container, truth: asyncpg.Connection, time_goes_on: MovableTime
):
    now = datetime(2030, 5, 4, 9, 41, 7, tzinfo=UTC)
    container.system_time.override(providers.Object(lambda: now))
    key = await made(container)
    authenticate = container.authentication().authenticate
    versions = set()
    for minutes in (0, 1, 10, 30):
        now += timedelta(minutes=minutes)
        time_goes_on.by(60)
        await authenticate(key.secret)
        versions.add(await truth.fetchval("SELECT xmin::text FROM api_key"))

    assert await truth.fetchval("SELECT last_used_at FROM api_key") == datetime(2030, 5, 4, 10, tzinfo=UTC)
    assert len(versions) == 2


async def test_the_pepper_can_be_rotated_while_keys_are_in_use(
    container: Container, settings: Settings, truth: asyncpg.Connection
):
    key = await made(container)
    rotated = build_container(replace(settings, secret_key=f"{NEXT_KEY},{SECRET_KEY}"))

    assert (await rotated.authentication().authenticate(key.secret)).name == "ci"
    await close(rotated)

    stored = await truth.fetchval("SELECT secret_hash FROM api_key")
    assert stored == KeyedSecrets(Keyring.parse(NEXT_KEY), "api_key").digest(key.secret)


async def test_two_keys_of_a_name_work_during_a_rotation_and_no_third(
    probes: AsyncClient, container: Container
):
    old, new = await made(container), await made(container)
    with pytest.raises(TwoKeysActive):
        await made(container)
    for key in (old, new):
        assert (await probes.get(PLANS, headers=bearer(key.secret))).status_code == 200

    await container.api_key_administration().revoke(DEFAULT_TENANT, old.key.id, actor="test")
    await made(container)
    await made(container, "another")


async def test_of_many_keys_made_at_once_two_are(container: Container, truth: asyncpg.Connection):
    outcomes = await asyncio.gather(*(made(container) for _ in range(8)), return_exceptions=True)

    assert sum(isinstance(each, TwoKeysActive) for each in outcomes) == 6
    assert await truth.fetchval("SELECT count(*) FROM api_key") == 2


async def test_an_expired_key_makes_room_for_another(container: Container):
    now = datetime.now(UTC)
    container.system_time.override(providers.Object(lambda: now))
    await made(container)
    await made(container)
    now += DAY

    assert (await made(container)).key.is_active(now)


async def test_a_key_that_cannot_be_is_not_made(container: Container, truth: asyncpg.Connection):
    for name in ("", "a b", "x" * 64, "-a", "a\n"):
        with pytest.raises(ApiKeyInvalid):
            await made(container, name)
    for life in (timedelta(), -DAY, timedelta(days=367)):
        with pytest.raises(ApiKeyInvalid):
            await made(container, life=life)
    with pytest.raises(ScopeUnknown):
        await made(container, "ci", "everything")
    keys = container.api_key_administration()
    with pytest.raises(TenantReserved):
        await keys.create(PLATFORM_TENANT, "ci", ["tasks:schedule"], DAY, actor="test")

    assert await truth.fetchval("SELECT count(*) FROM api_key") == 0


async def test_each_change_is_on_record_once(container: Container, truth: asyncpg.Connection):
    key = await made(container)
    for _ in range(2):
        await container.api_key_administration().revoke(DEFAULT_TENANT, key.key.id, actor="test")

    rows = await truth.fetch("SELECT action, object_id FROM audit ORDER BY id")
    assert [(row["action"], row["object_id"]) for row in rows] == [
        ("api_key.created", key.key.id),
        ("api_key.revoked", key.key.id),
    ]


async def test_another_tenants_key_is_absent(container: Container):
    key = await made(container)
    clinic = await container.tenant_administration().create("clinic", "Clinic", "UTC", actor="test")
    keys = container.api_key_administration()

    assert list(await keys.list(clinic.id)) == []
    for call in (keys.get(clinic.id, key.key.id), keys.revoke(clinic.id, key.key.id, actor="test")):
        with pytest.raises(ApiKeyAbsent):
            await call
    assert (await container.authentication().authenticate(key.secret)).tenant_id == DEFAULT_TENANT


async def test_an_administrator_makes_lists_shows_and_revokes_keys(
    client: AsyncClient, admin: dict[str, str]
):
    body = {"name": "export", "scopes": ["statistics:read", "plans:read"], "expires_in_days": 30}
    created = await client.post(KEYS, json=body, headers=admin)
    key = created.json()["data"]

    assert created.status_code == 201
    assert created.headers["Cache-Control"] == "no-store"
    assert key["scopes"] == ["plans:read", "statistics:read"]
    assert (await client.get("/api/v1/plans", headers=bearer(key["key"]))).status_code == 200

    at = created.headers["Location"]
    shown = (await client.get(at, headers=admin)).json()["data"]
    listed = (await client.get(KEYS, headers=admin)).json()["data"]
    assert listed == {"items": [shown], "total": 1, "page": 1, "page_size": 20}
    assert shown == {k: v for k, v in key.items() if k != "key"} | {"last_used_at": shown["last_used_at"]}
    assert shown["last_used_at"] is not None

    revoked = await client.delete(at, headers=admin)
    again = await client.delete(at, headers=admin)
    assert revoked.json()["data"]["revoked_at"] == again.json()["data"]["revoked_at"] is not None


async def test_a_key_is_not_shown_again_to_who_repeats_the_request(
    client: AsyncClient, admin: dict[str, str]
):
    headers = admin | {"Idempotency-Key": "once"}
    body = {"name": "export", "scopes": ["statistics:read"]}

    first = await client.post(KEYS, json=body, headers=headers)
    second = await client.post(KEYS, json=body, headers=headers)

    assert (first.status_code, second.status_code) == (201, 409)
    assert (await client.get(KEYS, headers=admin)).json()["data"]["total"] == 1


async def test_bad_requests_for_keys_are_told_what_is_wrong(client: AsyncClient, admin: dict[str, str]):
    good = {"name": "export", "scopes": ["statistics:read"]}
    for change, pointer in (
        ({"name": ""}, "/name"),
        ({"name": "a b"}, "/name"),
        ({"name": "x" * 64}, "/name"),
        ({"name": 1}, "/name"),
        ({"scopes": []}, "/scopes"),
        ({"scopes": ["everything"]}, "/scopes"),
        ({"scopes": "admin"}, "/scopes"),
        ({"expires_in_days": 0}, "/expires_in_days"),
        ({"expires_in_days": 367}, "/expires_in_days"),
        ({"expires_in_days": 2**63}, "/expires_in_days"),
        ({"tenant_id": str(uuid4())}, "/tenant_id"),
        ({"key": "qsk_mine"}, "/key"),
    ):
        answer = await client.post(KEYS, json=good | change, headers=admin)
        assert answer.status_code == 422, change
        assert answer.json()["errors"][0]["pointer"] == pointer, change
    for path in (str(uuid4()), "nonsense", "1"):
        for method in ("GET", "DELETE"):
            answer = await client.request(method, f"{KEYS}/{path}", headers=admin)
            assert (answer.status_code, answer.json()["error"]) == (404, "api_key.absent")


async def test_only_administrators_reach_the_keys(client: AsyncClient, container: Container):
    operator = await made(container, "operator", "plans:write", "audit:read", "scheduler:write")

    for method, path in (
        ("GET", KEYS),
        ("POST", KEYS),
        ("GET", f"{KEYS}/{uuid4()}"),
        ("DELETE", f"{KEYS}/{uuid4()}"),
    ):
        body = {"name": "x", "scopes": ["admin"]} if method == "POST" else None
        answer = await client.request(method, path, json=body, headers=bearer(operator.secret))
        assert answer.status_code == 403, (method, path)
        assert (await client.request(method, path, json=body)).status_code == 401
