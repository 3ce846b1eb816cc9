"""One tenant with a hundred thousand due tasks beside fifty with ten each."""

import asyncpg
import pytest

from tests.support.fairness import one_large_among_small, swept

BATCH = 2000


@pytest.mark.proof_long
async def test_a_hundred_thousand_due_tasks_of_one_tenant_delay_nobody_elses(database_url, container, capsys):
    admin = await asyncpg.connect(database_url)
    try:
        large, _ = await one_large_among_small(admin, large=100_000, small=50, each=10)

        found = await swept(admin, container.task_scheduling(), large, 500)
    finally:
        await admin.close()

    with capsys.disabled():
        print(
            f"\n500 tasks of 50 tenants were open after {found.waited_s:.2f} s, 100,000 of one after {found.took_s:.1f} s;"
            f" {found.ahead:,} of that one were opened before the last of the others"
        )
    assert (found.report.status, found.report.opened) == ("done", 100_500)
    assert found.ahead <= 2 * BATCH
    # Whatever the machine can do: a small part of what the large tenant takes.
    assert found.waited_s < found.took_s / 4
