"""The schema changes beside a service that works: nobody waits for long, and nothing that was acknowledged is gone."""

import random
from datetime import timedelta

import asyncpg
import pytest

from qs.infra.postgres.migrate import current_revision, upgrade
from qs.infra.postgres.migrations.running import MigrationBlocked
from qs.infra.postgres.revisions import head_revision, known_revisions
from tests.support.migrating import KEPT, counted, holding_everything, step, writing
from tests.support.releases import more, of_another_release


@pytest.mark.parametrize("up", [True, False], ids=["there", "back"])
async def test_every_migration_goes_by_beside_writers_and_a_long_transaction(
    empty_database: str, up: bool
) -> None:
    seed = random.SystemRandom().randrange(1_000_000)
    order = sorted(known_revisions(), reverse=not up)
    await upgrade(empty_database, order[0])
    gave_up = set()

    async with writing(empty_database, order[0], seed) as writers:
        for target in order[1:]:
            if await step(empty_database, writers, target, up=up):
                gave_up.add(target)
            assert writers.failures == [], f"to {target}, seed {seed}"

    assert await current_revision(empty_database) == order[-1]
    # The long transaction was in the way of what changes tables that were there before.
    assert gave_up >= (
        {"0005", "0006", "0008", "0011", "0014", "0016"}
        if up
        else {"0004", "0005", "0007", "0010", "0013", "0015"}
    )
    rows = await counted(empty_database)
    # What each client was writing when it was broken off may have been committed all the same.
    unacknowledged = {table: rows[table] - writers.written[table] for table in KEPT}
    assert all(0 <= count <= 3 for count in unacknowledged.values()), unacknowledged


async def test_a_step_whose_locks_are_never_free_ends_with_what_stands_in_its_way(
    empty_database: str,
) -> None:
    await upgrade(empty_database, "0013")

    async with holding_everything(empty_database):
        with pytest.raises(
            MigrationBlocked, match=r"stays at 0013: .*\(long-import, for 00:00:\d\d\).* end them"
        ):
            await upgrade(empty_database, patience=timedelta(seconds=1))

    assert await current_revision(empty_database) == "0013"
    await upgrade(empty_database)
    assert await current_revision(empty_database) == head_revision()


async def test_waits_of_several_statements_add_up_to_no_more_than_one(database_url: str) -> None:
    up = """\
    op.execute("CREATE TABLE seen (bound text)")
    op.execute("INSERT INTO seen SELECT current_setting('lock_timeout')")
    op.execute("SELECT pg_sleep(1)")
    op.execute("INSERT INTO seen SELECT current_setting('lock_timeout')")"""
    with of_another_release(more={"9001": more("9001", head_revision(), up)}):
        await upgrade(database_url)

    connection = await asyncpg.connect(database_url)
    first, last = [row["bound"] for row in await connection.fetch("SELECT bound FROM seen")]
    await connection.close()

    assert 50 < int(first.removesuffix("ms")) <= 700
    # What was not had by then is let go of almost at once.
    assert last == "50ms"


async def test_what_takes_long_runs_in_batches_outside_of_the_transaction_beside_writers(
    database_url: str,
) -> None:
    """An index and a backfill, as CONTRIBUTING has them: neither keeps a writer waiting."""
    up = """\
    op.execute("ALTER TABLE testee ADD COLUMN IF NOT EXISTS initials text")
    with op.get_context().autocommit_block():
        op.execute("CREATE INDEX CONCURRENTLY IF NOT EXISTS testee_by_age ON testee (tenant_id, created_at)")
        while op.get_bind().execute(text(
            "UPDATE testee SET initials = 'x' WHERE id IN (SELECT id FROM testee WHERE initials IS NULL LIMIT 100)"
        )).rowcount:
            pass"""
    revision = more("9001", head_revision(), up).replace(
        "from alembic import op", "from alembic import op\nfrom sqlalchemy import text"
    )
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(
            "INSERT INTO testee (id, tenant_id, created_at, updated_at)"
            " SELECT gen_random_uuid(), (SELECT id FROM tenant LIMIT 1), now(), now() FROM generate_series(1, 1000)"
        )
        async with writing(database_url, head_revision(), 1) as writers:
            with of_another_release(more={"9001": revision}):
                await upgrade(database_url)
            assert writers.failures == []
        left = await connection.fetchval("SELECT count(*) FROM testee WHERE initials IS NULL")
        is_valid = await connection.fetchval(
            "SELECT indisvalid FROM pg_index WHERE indexrelid = 'testee_by_age'::regclass"
        )
    finally:
        await connection.close()

    assert (left, is_valid) == (0, True)
