"""One creation per Idempotency-Key, on real PostgreSQL."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from httpx import AsyncClient, Response
from litestar import Litestar
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from qs.application.kernel.idempotency import (
    Answer,
    Claim,
    IdempotencyMismatch,
    KeyOwner,
    RequestInFlight,
    joins_commit,
)
from qs.domain.kernel.ids import DEFAULT_TENANT, PLATFORM_TENANT
from qs.infra.auth.cipher import Cipher
from qs.infra.auth.keys import Keyring
from qs.infra.postgres.idempotency_keys import SqlIdempotencyKeys
from qs.infra.postgres.unit_of_work import SqlUnitOfWork
from tests.integration.rest.conftest import Token
from tests.integration.rest.probes import Gate, count, insert
from tests.support.settings import SECRET_KEY

THINGS = "/api/v1/things"
OWNER = KeyOwner(DEFAULT_TENANT, "user:1", "key")


async def create(client: AsyncClient, code: str, key: str | None, path: str = "", **headers: str) -> Response:
    sent = {**headers, **({"Idempotency-Key": key} if key else {})}
    return await client.post(f"{THINGS}{path}", json={"code": code}, headers=sent)


async def age(engine: AsyncEngine, **columns: timedelta) -> None:
    """Moves instants of all keys back."""
    changes = ", ".join(f"{name} = {name} - CAST(:{name} AS interval)" for name in columns)
    async with SqlUnitOfWork(engine, DEFAULT_TENANT) as uow:
        await uow.connection.execute(text(f"UPDATE idempotency_key SET {changes}"), columns)
        await uow.commit("test")


async def test_twenty_calls_at_once_with_one_key_create_one_thing(
    client: AsyncClient, engine: AsyncEngine
) -> None:
    answers = await asyncio.gather(*(create(client, "a", "k1") for _ in range(20)))

    created = [each for each in answers if each.status_code == 201]
    waiting = [each for each in answers if each.status_code == 409]
    assert len(created) + len(waiting) == 20
    assert len({each.json()["data"]["id"] for each in created}) == 1
    assert sum("idempotency-replayed" not in each.headers for each in created) == 1
    assert all(each.headers["retry-after"] == "1" for each in waiting)
    assert all(each.json()["type"] == "idempotency-in-flight" for each in waiting)
    assert await count(engine, "a") == 1


async def test_who_retries_until_it_is_answered_gets_the_first_answer(
    client: AsyncClient, engine: AsyncEngine
) -> None:
    async def persist() -> Response:
        while (response := await create(client, "a", "k1")).status_code == 409:
            await asyncio.sleep(0)
        return response

    answers = await asyncio.gather(*(persist() for _ in range(10)))

    assert {each.content for each in answers} == {answers[0].content}
    assert await count(engine, "a") == 1


async def test_the_answer_is_given_again_with_its_headers(client: AsyncClient) -> None:
    first = await create(client, "a", "k1")
    again = await create(client, "a", "k1")

    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["content-type"] == "application/json"
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["x-request-id"] != first.headers["x-request-id"]
    assert "idempotency-replayed" not in first.headers


async def test_a_kept_answer_cannot_be_read_in_the_database(client: AsyncClient, engine: AsyncEngine) -> None:
    made = await create(client, "confidential", "k1")

    async with SqlUnitOfWork(engine, DEFAULT_TENANT) as uow:
        kept = await uow.connection.scalar(text("SELECT body FROM idempotency_key"))

    assert made.content in (await create(client, "confidential", "k1")).content
    assert len(kept) > len(made.content)
    assert b"success" not in kept


async def test_another_body_with_the_key_is_a_mismatch(client: AsyncClient, engine: AsyncEngine) -> None:
    await create(client, "a", "k1")
    for other in (await create(client, "b", "k1"), await create(client, "a", "k1", "/secrets")):
        assert (other.status_code, other.json()["type"]) == (422, "idempotency-mismatch")

    assert (await count(engine, "a"), await count(engine, "b")) == (1, 0)


async def test_without_a_key_or_with_another_every_call_creates(
    client: AsyncClient, engine: AsyncEngine
) -> None:
    for key in (None, None, "k1", "k2"):
        assert (await create(client, "a", key)).status_code == 201

    assert await count(engine, "a") == 4


async def test_two_callers_may_use_the_same_key(
    client: AsyncClient, token: Token, engine: AsyncEngine
) -> None:
    other = {"Authorization": f"Bearer {await token('scales:write')}"}

    assert (await create(client, "a", "k1")).status_code == 201
    assert (await create(client, "a", "k1", **other)).status_code == 201
    assert await count(engine, "a") == 2


async def test_a_request_in_flight_asks_to_come_back(
    client: AsyncClient, app: Litestar, engine: AsyncEngine
) -> None:
    gate: Gate = app.state.gate
    first = asyncio.create_task(create(client, "a", "k1", "/slow"))
    await asyncio.wait_for(gate.entered.wait(), 60)

    second = await create(client, "a", "k1", "/slow")
    gate.open.set()

    assert (second.status_code, second.headers["retry-after"]) == (409, "1")
    assert (await first).status_code == 201
    assert (await create(client, "a", "k1", "/slow")).content == (await first).content
    assert await count(engine, "a") == 1


async def test_a_secret_is_never_kept_nor_given_twice(client: AsyncClient, engine: AsyncEngine) -> None:
    first = await create(client, "a", "k1", "/secrets")
    again = await create(client, "a", "k1", "/secrets")

    assert (first.status_code, first.json()["data"]) == (201, "hunter2")
    assert (again.status_code, again.json()["type"]) == (409, "idempotency-answered-once")
    assert "retry-after" not in again.headers
    async with SqlUnitOfWork(engine, DEFAULT_TENANT) as uow:
        rows = (await uow.connection.execute(text("SELECT k::text FROM idempotency_key k"))).scalars().all()
    assert len(rows) == 1
    assert "hunter2" not in str(rows)
    assert b"hunter2".hex() not in str(rows)
    assert await count(engine, "a") == 1


async def test_a_failure_frees_the_key(client: AsyncClient) -> None:
    assert [(await create(client, "a", "k1", "/refused")).status_code for _ in range(2)] == [404, 404]
    assert (await create(client, "!", "k1")).status_code == 422
    assert (await create(client, "a", "k1")).status_code == 201


async def test_what_broke_after_its_commit_is_not_done_again(
    client: AsyncClient, engine: AsyncEngine
) -> None:
    first = await create(client, "a", "k1", "/broken")
    again = await create(client, "a", "k1", "/broken")

    assert first.status_code == 500
    assert (again.status_code, again.json()["type"]) == (409, "idempotency-answered-once")
    assert await count(engine, "a") == 1


@pytest.mark.parametrize("key", ["", "a b", "ü", "x" * 256, "a\tb"])
async def test_a_key_must_be_visible_ascii(client: AsyncClient, key: str) -> None:
    headers = {b"Idempotency-Key": key.encode()}

    response = await client.post(THINGS, json={"code": "a"}, headers=headers)

    assert (response.status_code, response.json()["error"]) == (422, "idempotency.key_invalid")
    assert response.json()["errors"][0]["pointer"] == "/Idempotency-Key"


async def test_two_keys_are_one_too_many(client: AsyncClient) -> None:
    headers = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]

    assert (await client.post(THINGS, json={"code": "a"}, headers=headers)).status_code == 422


async def test_who_may_not_create_leaves_no_key_behind(
    stranger: AsyncClient, token: Token, engine: AsyncEngine
) -> None:
    reader = {"Authorization": f"Bearer {await token('plans:read')}"}

    assert (await create(stranger, "a", "k1")).status_code == 401
    assert (await create(stranger, "a", "k1", **reader)).status_code == 403

    async with SqlUnitOfWork(engine, DEFAULT_TENANT) as uow:
        assert await uow.connection.scalar(text("SELECT count(*) FROM idempotency_key")) == 0


async def test_after_a_day_the_key_is_new(client: AsyncClient, engine: AsyncEngine) -> None:
    await create(client, "a", "k1")

    await age(engine, expires_at=timedelta(hours=24))

    assert (await create(client, "b", "k1")).status_code == 201


async def test_a_request_that_died_before_its_work_is_taken_over_when_its_lease_ran_out(
    engine: AsyncEngine,
) -> None:
    keys = SqlIdempotencyKeys(engine, Cipher(Keyring.parse(SECRET_KEY), "idempotency"))
    await keys.claim(OWNER, b"f")

    with pytest.raises(RequestInFlight):
        await keys.claim(OWNER, b"f")
    await age(engine, lease_until=timedelta(minutes=2))
    with pytest.raises(IdempotencyMismatch):
        await keys.claim(OWNER, b"other")

    assert isinstance(await keys.claim(OWNER, b"f"), Claim)


async def test_who_lost_the_claim_cannot_commit_its_work(engine: AsyncEngine) -> None:
    keys = SqlIdempotencyKeys(engine, Cipher(Keyring.parse(SECRET_KEY), "idempotency"))
    slow = await _claimed(keys)
    await age(engine, lease_until=timedelta(minutes=2))
    fast = await _claimed(keys)

    await _work(keys, fast, engine)
    with pytest.raises(RequestInFlight):
        await _work(keys, slow, engine)
    await keys.keep(fast, Answer(201, {}, b"fast"))
    await keys.keep(slow, Answer(201, {}, b"slow"))

    assert await keys.claim(OWNER, b"f") == Answer(201, {}, b"fast")
    assert await count(engine, "work") == 1


async def test_what_a_dead_process_committed_is_not_done_again(engine: AsyncEngine) -> None:
    keys = SqlIdempotencyKeys(engine, Cipher(Keyring.parse(SECRET_KEY), "idempotency"))
    claim = await _claimed(keys)
    await _work(keys, claim, engine)

    with pytest.raises(RequestInFlight):
        await keys.claim(OWNER, b"f")
    await age(engine, lease_until=timedelta(minutes=2))

    with pytest.raises(Exception, match="carried out"):
        await keys.claim(OWNER, b"f")


async def test_work_for_another_tenant_is_not_bound_to_the_key(engine: AsyncEngine) -> None:
    keys = SqlIdempotencyKeys(engine, Cipher(Keyring.parse(SECRET_KEY), "idempotency"))
    claim = await _claimed(keys)
    await keys.release(claim)

    async with SqlUnitOfWork(engine, PLATFORM_TENANT) as uow:
        await keys.mark(claim, uow.connection, PLATFORM_TENANT)


async def _claimed(keys: SqlIdempotencyKeys) -> Claim:
    claim: Any = await keys.claim(OWNER, b"f")
    assert isinstance(claim, Claim)
    return claim


async def _work(keys: SqlIdempotencyKeys, claim: Claim, engine: AsyncEngine) -> None:
    token = joins_commit.set(lambda connection, tenant: keys.mark(claim, connection, tenant))
    try:
        await insert(engine, "work")
    finally:
        joins_commit.reset(token)
