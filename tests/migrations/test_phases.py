"""Expanding before a new release, contracting after it, and who is kept from breaking whom."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from qs.infra.embedded import Lease
from qs.infra.postgres.migrate import current_standing, downgrade
from qs.infra.postgres.revisions import application_name, head_revision
from qs.infra.postgres.upgrading import OldProcessesAtWork, Phase, pending, upgrade_in_phase
from tests.support.releases import more, of_another_release, previous
from tests.support.waiting import eventually
from workers import runtime
from workers.runtime import Loop, keep_working

_HEAD = head_revision()
_EXPAND = more(
    "9001",
    _HEAD,
    '    op.execute("CREATE TABLE pen (id integer)")',
    '    op.execute("DROP TABLE pen")',
)
_CONTRACT = more(
    "9002",
    "9001",
    '    op.execute("ALTER TABLE pen ADD ink text")',
    phase='phase = "contract"\nneeds = "9001"',
)
_AFTERWARDS = more("9003", "9002", '    op.execute("CREATE TABLE paper (id integer)")')


@pytest.fixture
def later() -> Iterator[None]:
    """This process is of a later release, with one revision to expand and one to contract."""
    with of_another_release(more={"9001": _EXPAND, "9002": _CONTRACT}):
        yield


async def test_expanding_stops_before_what_breaks_old_processes_and_contracting_does_it(
    database_url: str, later: None
) -> None:
    before = await current_standing(database_url)
    expanded = await _upgrade(database_url, Phase.EXPAND)
    after_expanding = await current_standing(database_url)
    again = await _upgrade(database_url, Phase.EXPAND)
    contracted = await _upgrade(database_url, Phase.CONTRACT)

    assert (expanded, again, contracted) == (["9001"], [], ["9002"])
    assert (before.serves, after_expanding.revision, after_expanding.serves) == (False, "9001", True)
    assert (await current_standing(database_url)).revision == "9002"
    assert await _fetch(database_url, "SELECT minimum FROM schema_compatibility") == "9001"


async def test_an_old_process_goes_on_after_expanding_and_says_no_after_contracting(
    database_url: str,
) -> None:
    async def stand() -> bool:
        return (await current_standing(database_url)).serves

    with of_another_release(more={"9001": _EXPAND, "9002": _CONTRACT}):
        await _upgrade(database_url, Phase.EXPAND)
    expanded = await stand()
    with of_another_release(more={"9001": _EXPAND, "9002": _CONTRACT}):
        await _upgrade(database_url, Phase.CONTRACT)
    contracted = await stand()
    with of_another_release(more={"9001": _EXPAND, "9002": _CONTRACT}):
        await downgrade(database_url, "9001")

    assert (expanded, contracted, await stand()) == (True, False, True)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (f"qs {_HEAD}", f"connections of a release of {_HEAD}"),
        ("qs", "connections of a release that does not tell its revision"),
    ],
)
async def test_contracting_is_refused_while_a_process_that_it_would_break_is_connected(
    database_url: str, later: None, name: str, told: str
) -> None:
    async with _connected(database_url, name):
        with pytest.raises(OldProcessesAtWork, match=f"revision 9002 needs .* 9001 or later, .*{told}"):
            await _upgrade(database_url, Phase.CONTRACT)
        stays_at = (await current_standing(database_url)).revision
    await _upgrade(database_url, Phase.CONTRACT)

    # What only expands was applied: it breaks nobody.
    assert stays_at == "9001"
    assert (await current_standing(database_url)).revision == "9002"


async def test_contracting_waits_for_old_processes_to_end_when_it_is_told_to(
    database_url: str, later: None
) -> None:
    told: list[str] = []
    async with _connected(database_url, f"qs {_HEAD}"):
        contracting = asyncio.create_task(
            upgrade_in_phase(database_url, Phase.CONTRACT, tell=told.append, wait=timedelta(minutes=5))
        )
        await eventually(lambda: _any(told, "9002 waits for the end of 1 connections"))
    await contracting

    assert (await current_standing(database_url)).revision == "9002"


async def test_who_knows_better_may_contract_all_the_same(database_url: str, later: None) -> None:
    async with _connected(database_url, "qs"):
        await upgrade_in_phase(database_url, Phase.CONTRACT, tell=_nobody, force=True)

    assert (await current_standing(database_url)).revision == "9002"


@pytest.mark.parametrize("name", ["qs 9001", "qs 9999", "qs-doctor", "psql"])
async def test_processes_of_the_new_release_and_strangers_are_in_nobodys_way(
    database_url: str, later: None, name: str
) -> None:
    async with _connected(database_url, name):
        await _upgrade(database_url, Phase.CONTRACT)

    assert (await current_standing(database_url)).revision == "9002"


async def test_a_login_that_sees_little_of_others_sees_which_releases_are_at_work(
    database_url: str, later: None, servers: Lease
) -> None:
    await _execute(
        servers.database_url,
        "CREATE ROLE migrates LOGIN; GRANT qs_owner, qs_app, qs_sweeper, qs_relay, qs_identity TO migrates",
    )
    address = database_url.replace("://qs@", "://migrates@")
    try:
        async with _connected(database_url, "qs 0013"):
            with pytest.raises(OldProcessesAtWork, match="of a release of 0013"):
                await _upgrade(address, Phase.CONTRACT)
    finally:
        await _execute(servers.database_url, "DROP ROLE migrates")


async def test_expanding_does_what_an_earlier_release_left_to_contract_and_looks_first(
    database_url: str,
) -> None:
    three = {"9001": _EXPAND, "9002": _CONTRACT, "9003": _AFTERWARDS}
    with of_another_release(more=three):
        async with _connected(database_url, f"qs {_HEAD}"):
            with pytest.raises(OldProcessesAtWork):
                await _upgrade(database_url, Phase.EXPAND)
        async with _connected(database_url, "qs 9001"):
            await _upgrade(database_url, Phase.EXPAND)

    assert (await current_standing(database_url)).revision == "9003"


async def test_a_new_database_gets_everything_at_once_whoever_is_connected(empty_database: str) -> None:
    async with _connected(empty_database, "qs"):
        applied = await _upgrade(empty_database, Phase.EXPAND)

    assert applied[0] == "0001"
    assert (await current_standing(empty_database)).revision == _HEAD


async def test_an_earlier_release_leaves_a_later_schema_that_serves_it_alone(database_url: str) -> None:
    with of_another_release(head=previous()):
        found = [await pending(database_url, phase) for phase in (None, *Phase)]
        standing = await current_standing(database_url)

    assert found == [[], [], []]
    assert (standing.revision, standing.serves) == (_HEAD, True)


async def test_the_processes_of_a_release_show_it_in_their_connections(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        assert await connection.scalar(text("SELECT current_setting('application_name')")) == "qs"
    assert application_name() == f"qs {_HEAD}"


async def test_a_worker_waits_for_its_schema_and_ends_in_order_when_it_leaves_it_behind(
    engine: AsyncEngine, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "BEAT_EVERY_S", 0.05)
    monkeypatch.setattr(runtime, "_LOOK_AT_SCHEMA_EVERY_S", 0.05)
    stop, steps = asyncio.Event(), 0

    async def step() -> None:
        nonlocal steps
        steps += 1

    async def worked() -> int:
        return steps

    await _execute(database_url, "UPDATE alembic_version SET version_num = '0013'")
    with capture_logs() as lines:
        working = asyncio.create_task(keep_working("relay", [Loop("publish", step, 0.01)], engine, stop))
        await eventually(lambda: _any([str(each) for each in lines], "worker_waits_for_schema"))
        steps_before_its_schema = steps
        await _execute(database_url, f"UPDATE alembic_version SET version_num = '{_HEAD}'")
        await eventually(worked)
        await _execute(
            database_url,
            "UPDATE alembic_version SET version_num = '9999'; UPDATE schema_compatibility SET minimum = '9998'",
        )
        await asyncio.wait_for(working, 60)

    assert steps_before_its_schema == 0
    assert stop.is_set()
    assert [(each["event"], each["reason"][:10]) for each in lines if "schema" in each["event"]] == [
        ("worker_waits_for_schema", "the schema"),
        ("worker_stops_at_schema", "the schema"),
    ]
    assert await _fetch(database_url, "SELECT count(*) FROM worker_heartbeat") == 0


def _nobody(line: str) -> None:
    pass


async def _any(lines: list[str], words: str) -> bool:
    return any(words in line for line in lines)


async def _upgrade(dsn: str, phase: Phase) -> list[str]:
    return [each.number for each in await upgrade_in_phase(dsn, phase, tell=_nobody)]


@asynccontextmanager
async def _connected(dsn: str, name: str) -> AsyncIterator[None]:
    """A process of that name has a connection."""
    connection = await asyncpg.connect(dsn, server_settings={"application_name": name})
    try:
        yield
    finally:
        await connection.close()


async def _fetch(dsn: str, query: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def _execute(dsn: str, statements: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statements)
    finally:
        await connection.close()
