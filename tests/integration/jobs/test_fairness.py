"""A tenant with a long queue takes its turn like one with a short one."""

from collections.abc import Sequence
from uuid import UUID

import asyncpg
import pytest
from uuid_utils.compat import uuid7

from .nodes import ACTOR

LONG, SHORT, TENANTS = 300, 3, 10


@pytest.fixture
async def admin(database_url):
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def queued(admin: asyncpg.Connection, node, tenant_id: UUID, count: int) -> None:
    """So many executions of one job wait."""
    job = await node.job(tenant_id=tenant_id)
    first = await node.operating.run(tenant_id, job.id, actor=ACTOR)
    columns = [
        row["attname"]
        for row in await admin.fetch(
            "SELECT attname FROM pg_attribute WHERE attrelid = 'job_execution'::regclass AND attnum > 0"
            " AND NOT attisdropped AND attname <> 'id'"
        )
    ]
    names = ", ".join(columns)
    await admin.execute(
        f"INSERT INTO job_execution (id, {names}) SELECT n.id, {names} FROM job_execution,"
        " unnest($2::uuid[]) AS n(id) WHERE job_execution.id = $1",
        first.id,
        [uuid7() for _ in range(count - 1)],
    )


async def worked_on(make_node, admin: asyncpg.Connection, tenants: Sequence[UUID], nodes: int) -> list[UUID]:
    """Whose executions began, in that order, until those with short queues had none left."""
    working = [make_node(concurrency=4) for _ in range(nodes)]
    await queued(admin, working[0], tenants[0], LONG)
    for tenant_id in tenants[1:]:
        await queued(admin, working[0], tenant_id, SHORT)
    began: list[UUID] = []
    while len([tenant for tenant in began if tenant != tenants[0]]) < SHORT * TENANTS:
        for node in working:
            known = len(node.executor.attempts)
            assert await node.work()
            await node.idle()
            began += [attempt.tenant_id for attempt in node.executor.attempts[known:]]
    return began


@pytest.mark.parametrize("nodes", [1, 3])
async def test_a_long_queue_of_one_tenant_keeps_the_short_ones_of_others_waiting_no_longer_than_its_turns(
    make_node, container, admin, nodes
):
    administration = container.tenant_administration()
    tenants = [
        (await administration.create(f"t-{number}", "T", "UTC", actor="test")).id
        for number in range(TENANTS + 1)
    ]

    began = await worked_on(make_node, admin, tenants, nodes)

    # By turns alone it is a tenth of them; room that nobody else has a use for is given to it as well.
    assert began.count(tenants[0]) <= SHORT * TENANTS / 2
