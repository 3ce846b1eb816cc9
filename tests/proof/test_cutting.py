"""The proxy passes everything on, finds every COMMIT and cuts on the side it says."""

import os
from collections.abc import AsyncIterator

import asyncpg
import pytest

from tests.proof.cutting import Cut, CuttingProxy, at_random, in_turn
from tests.proof.cutting_process import CuttingProcess
from tests.proof.wire import ClientStream, Part, answer_in
from tests.support.waiting import eventually

GONE = (OSError, asyncpg.PostgresConnectionError)


@pytest.fixture(params=[False, True], ids=["ends", "resets"])
async def proxy(request: pytest.FixtureRequest, database_url: str) -> AsyncIterator[CuttingProxy]:
    """A proxy whose cuts are ends of file, and one whose cuts are resets."""
    async with CuttingProxy(database_url, seed=5, resets=request.param) as proxy:
        yield proxy


@pytest.fixture
async def truth(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection that passes no proxy, and a table of things."""
    connection = await asyncpg.connect(database_url)
    await connection.execute("CREATE TABLE thing (id int)")
    yield connection
    await connection.close()


async def insert(connection: asyncpg.Connection, number: int) -> None:
    async with connection.transaction():
        await connection.execute("INSERT INTO thing VALUES ($1)", number)


@pytest.mark.parametrize("cut", list(Cut))
async def test_a_cut_is_on_the_side_of_the_commit_that_it_says(proxy, database_url, truth, cut):
    connection = await asyncpg.connect(proxy.address(database_url))
    proxy.choose = in_turn([None, cut])

    await insert(connection, 1)
    with pytest.raises(GONE):
        await insert(connection, 2)
    assert connection.is_closed()
    await eventually(lambda: nothing_left(proxy))

    kept = await truth.fetchval("SELECT array_agg(id ORDER BY id) FROM thing")
    assert kept == ([1] if cut is Cut.BEFORE else [1, 2])
    (made,) = proxy.cuts
    assert (made.number, made.cut) == (2, cut)
    assert made.answer == (None if cut is Cut.BEFORE else "COMMIT")
    assert made.client in (os.getpid(), 0)


async def test_a_client_that_is_cut_at_once_may_come_again_before_its_commit_does(database_url, truth):
    async with CuttingProxy(database_url, in_turn([Cut.AT_ONCE])) as proxy:
        proxy.moment = lambda: 0.2
        connection = await asyncpg.connect(proxy.address(database_url))

        with pytest.raises(GONE):
            await insert(connection, 1)
        again = await asyncpg.connect(proxy.address(database_url))
        first_look = await again.fetchval("SELECT count(*) FROM thing")
        await again.close()
        await eventually(lambda: nothing_left(proxy))

    assert first_look == 0
    assert await truth.fetchval("SELECT count(*) FROM thing") == 1


async def test_what_is_not_a_commit_passes_as_it_is_however_large(proxy, database_url, truth):
    connection = await asyncpg.connect(proxy.address(database_url))

    large = "COMMIT;" * 1_000_000
    echoed = await connection.fetchval("SELECT $1::text", large)
    await connection.copy_records_to_table("thing", records=((n,) for n in range(100_000)))
    with pytest.raises(TimeoutError):
        # Giving up is told to the server over a connection of its own.
        await connection.execute("SELECT pg_sleep(30)", timeout=0.1)
    with pytest.raises(asyncpg.UndefinedTableError):
        await connection.execute("SELECT * FROM nothing")

    assert echoed == large
    assert await connection.fetchval("SELECT count(*) FROM thing") == 100_000
    assert proxy.commits == 0
    await connection.close()


async def test_who_connects_while_the_server_is_away_is_sent_away(tmp_path):
    async with CuttingProxy(f"postgresql://qs@/qs?host={tmp_path}&port=5432") as proxy:
        with pytest.raises(GONE):
            await asyncpg.connect(proxy.address("postgresql://qs@/qs"), timeout=10)

        await eventually(lambda: nothing_left(proxy))


async def test_what_the_server_says_when_it_closes_a_connection_arrives(proxy, database_url, truth):
    connection = await asyncpg.connect(proxy.address(database_url))

    with pytest.raises(asyncpg.ConnectionDoesNotExistError, match="administrator command"):
        await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    await eventually(lambda: nothing_left(proxy))


async def test_in_a_process_of_its_own_it_cuts_as_many_as_it_was_told(database_url, truth):
    async with CuttingProcess(database_url, seed=3) as proxy:
        await proxy.cut(share=0.5, most=20)
        acknowledged = []
        for number in range(60):
            connection = await asyncpg.connect(proxy.address(database_url))
            try:
                await insert(connection, number)
                acknowledged.append(number)
            except GONE:
                pass
            finally:
                await connection.close()

        async def answered():
            return all(made.answer or made.cut is Cut.BEFORE for made in await proxy.cuts())

        await eventually(answered)
        cuts, commits = await proxy.cuts(), await proxy.commits()

    kept = {row["id"] for row in await truth.fetch("SELECT id FROM thing")}
    cut_after = {made.number - 1 for made in cuts if made.cut is not Cut.BEFORE}
    assert (commits, len(cuts), len(acknowledged)) == (60, 20, 40)
    assert {made.cut for made in cuts} == set(Cut)
    assert kept == set(acknowledged) | cut_after


def test_the_seed_decides_what_is_cut():
    def drawn(seed: int) -> list[Cut | None]:
        choose = at_random(seed, 0.1, 25)
        return [choose(number % 2) for number in range(2000)]

    assert drawn(7) == drawn(7) != drawn(8)
    assert sum(cut is not None for cut in drawn(7)) == 50


@pytest.mark.parametrize("size", [1, 3, 4, 5, 6, 13, 10_000])
def test_a_stream_is_divided_wherever_it_was_broken(size):
    encryption, startup = b"\0\0\0\x08\x04\xd2\x16\x2f", b"\0\0\0\x11\0\3\0\0user\0qs\0\0"
    told = [message(b"Q", b"BEGIN;\0"), message(b"d", b"COMMIT;" * 99), message(b"B", b"\0COMMIT;\0")]
    commit, later = message(b"Q", b" commit ;\0"), message(b"X", b"")
    whole = b"".join([encryption, startup, *told, commit, later])

    stream = ClientStream()
    parts = [part for at in range(0, len(whole), size) for part in stream.feed(whole[at : at + size])]

    assert b"".join(piece for _, piece in parts) == whole
    assert [piece for part, piece in parts if part is Part.COMMIT] == [commit]
    assert [piece for part, piece in parts if part is Part.ENCRYPTION] == [encryption]


def test_an_answer_is_one_when_the_server_is_ready_again():
    done, ready = message(b"C", b"COMMIT\0"), message(b"Z", b"I")
    refused = message(b"E", b"SERROR\0C23505\0Mno\0\0")

    assert answer_in(done + ready) == "COMMIT"
    assert answer_in(message(b"C", b"ROLLBACK\0") + ready) == "ROLLBACK"
    assert answer_in(message(b"N", b"SNOTICE\0\0") + refused + ready) == "23505"
    assert {answer_in((done + ready)[:length]) for length in range(len(done + ready))} == {None}


def message(kind: bytes, body: bytes) -> bytes:
    return kind + (4 + len(body)).to_bytes(4) + body


async def nothing_left(proxy: CuttingProxy) -> bool:
    return not proxy.links
