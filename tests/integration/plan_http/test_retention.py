"""The duty that forgets, asked for from outside, and who may."""

from uuid import UUID

import asyncpg
import msgspec
import pytest

from qs.container import Container
from qs.domain.kernel.ids import DEFAULT_TENANT, PLATFORM_TENANT
from qs.interface.rest.scheduler.retention import RetentionView

from .steps import V1, data_of, problem_of

PATH = f"{V1}/retention"
OVER = (
    "INSERT INTO idempotency_key (tenant_id, principal, key, fingerprint, state, claim, lease_until, expires_at)"
    " VALUES ($1, 'x', gen_random_uuid()::text, '', 'done', gen_random_uuid(), now(), now() - interval '1 day')"
)


@pytest.fixture
async def truth(database_url: str):
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture
async def elsewhere(container: Container) -> UUID:
    made = await container.tenant_administration().create("other", "Other", "UTC", actor="test")
    return made.id


async def test_what_is_over_goes_in_all_tenants_and_the_answer_counts_it(
    stranger, platform, caller, elsewhere, truth
):
    for tenant in (DEFAULT_TENANT, elsewhere):
        await truth.execute(OVER, tenant)

    first = data_of(await stranger.post(PATH, headers=platform))
    again = data_of(await stranger.post(PATH, headers=await caller("tasks:schedule")))

    assert (first["idempotency_keys"], again["idempotency_keys"]) == (2, 0)
    assert list(first) == list(RetentionView.__struct_fields__)
    assert msgspec.convert(first, RetentionView, strict=False).messages == 0
    assert await truth.fetchval("SELECT count(*) FROM idempotency_key WHERE principal = 'x'") == 0


async def test_it_leaves_an_execution_of_who_asked(stranger, platform, caller, truth):
    for headers in (platform, await caller("tasks:schedule")):
        done = data_of(await stranger.post(PATH, headers=headers))
        row = await truth.fetchrow("SELECT * FROM execution WHERE id = $1", UUID(done["execution_id"]))
        assert (row["name"], row["status"], row["fired_by"]) == ("retention", "succeeded", "http")

    owners = {row[0] for row in await truth.fetch("SELECT tenant_id FROM execution WHERE name = 'retention'")}
    assert owners == {PLATFORM_TENANT, DEFAULT_TENANT}


async def test_in_the_background_it_says_where_the_result_will_be(stranger, platform):
    answer = await stranger.post(f"{PATH}?async=true", headers=platform)

    accepted = data_of(answer, 202)
    assert answer.headers["location"] == f"{V1}/scheduler/executions/{accepted['execution_id']}"


async def test_another_tenant_than_the_first_removes_nothing(stranger, caller, elsewhere, truth):
    await truth.execute(OVER, elsewhere)

    refused = await stranger.post(PATH, headers=await caller("admin", tenant_id=elsewhere))
    narrow = await stranger.post(PATH, headers=await caller("statistics:sync"))

    problem_of(refused, 403, "retention.for_installation")
    problem_of(narrow, 403, "auth.scope_missing")
    assert await truth.fetchval("SELECT count(*) FROM idempotency_key WHERE principal = 'x'") == 1
