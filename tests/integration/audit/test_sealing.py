"""Every record that was committed gets one place, in an order that time does not contradict, whoever seals."""

import asyncio
from uuid import UUID, uuid4

import asyncpg
import pytest
from httpx import AsyncClient
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from qs.application.kernel import crash
from qs.application.kernel.audit_reading import AuditReading
from qs.application.kernel.audit_sealing import AuditSealing
from qs.container import Container
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.infra.postgres.audit_sealing import SqlUnsealedAudit
from qs.infra.postgres.unit_of_work import SqlUnitOfWork
from tests.support.waiting import eventually
from workers import relay

from .conftest import Write

OTHER = UUID("00000000-0000-7000-8000-0000000000aa")


async def chained(truth: asyncpg.Connection, tenant_id: UUID = DEFAULT_TENANT) -> list[tuple[int, str]]:
    """Positions and actions of a tenant's chain."""
    rows = await truth.fetch(
        "SELECT s.position, a.action FROM audit_seal s JOIN audit a ON a.id = s.audit_id"
        " WHERE s.tenant_id = $1 ORDER BY s.position",
        tenant_id,
    )
    return [(row["position"], row["action"]) for row in rows]


async def test_the_first_record_has_the_first_place_and_each_tenant_a_chain_of_its_own(
    write: Write, sealing: AuditSealing, truth: asyncpg.Connection
) -> None:
    await write("a", "b")
    await write("x", tenant_id=OTHER)
    await write("c")

    await sealing.round()

    assert await chained(truth) == [(1, "a"), (2, "b"), (3, "c")]
    assert await chained(truth, OTHER) == [(1, "x")]
    assert await truth.fetchval("SELECT count(*) FROM audit_unsealed") == 0


async def test_a_late_commit_gets_a_later_place_and_holds_nobody_up(
    engine: AsyncEngine, write: Write, sealing: AuditSealing, truth: asyncpg.Connection, reading: AuditReading
) -> None:
    async with SqlUnitOfWork(engine, DEFAULT_TENANT) as late:
        await late.audit.add("late", "plan", None, actor="user:anna")
        await write("early")
        await sealing.round()
        before = await chained(truth)
        await late.commit("test")
    await write("last")
    await sealing.round()

    assert before == [(1, "early")]
    assert await chained(truth) == [(1, "early"), (2, "late"), (3, "last")]
    assert (await reading.verify(DEFAULT_TENANT)).flaw is None


async def test_what_is_rolled_back_leaves_no_gap(
    engine: AsyncEngine, write: Write, sealing: AuditSealing, truth: asyncpg.Connection
) -> None:
    await write("a")
    async with SqlUnitOfWork(engine, DEFAULT_TENANT) as undone:
        await undone.audit.add("undone", "plan", None, actor="user:anna")
    await write("b")

    await sealing.round()

    assert await chained(truth) == [(1, "a"), (2, "b")]


async def test_writers_of_one_tenant_do_not_wait_for_one_another_nor_for_the_sealer(
    engine: AsyncEngine, write: Write, chain: None
) -> None:
    await write("f")
    async with SqlUnsealedAudit(engine).turn() as turn, SqlUnitOfWork(engine, DEFAULT_TENANT) as slow:
        assert turn is not None
        await turn.unsealed(10)
        await slow.audit.add("slow", "plan", None, actor="user:anna")

        await asyncio.wait_for(write("quick"), 30)

        await slow.commit("test")


async def test_sealers_at_once_and_writers_beside_them_make_one_sound_chain(
    engine: AsyncEngine, write: Write, reading: AuditReading, truth: asyncpg.Connection
) -> None:
    writing = asyncio.gather(*(write(*[f"w{n}"] * 25) for n in range(8)))
    sealers = [AuditSealing(SqlUnsealedAudit(engine), batch=7) for _ in range(3)]

    async def seal(sealer: AuditSealing) -> None:
        while not writing.done() or await truth_count(engine):
            await sealer.round()

    await asyncio.gather(*map(seal, sealers), writing)

    verdict = await reading.verify(DEFAULT_TENANT)
    assert (verdict.records, verdict.unsealed, verdict.flaw) == (200, 0, None)
    assert [position for position, _ in await chained(truth)] == list(range(1, 201))


async def truth_count(engine: AsyncEngine) -> int:
    async with engine.connect() as connection:
        await connection.execute(text("SET LOCAL ROLE qs_relay"))
        return int(await connection.scalar(text("SELECT count(*) FROM audit_unsealed")) or 0)


@pytest.mark.parametrize("point", ["audit.seal.before_commit", "audit.seal.after_commit"])
async def test_a_sealer_that_dies_leaves_each_record_with_one_place_or_to_the_next(
    write: Write, sealing: AuditSealing, reading: AuditReading, truth: asyncpg.Connection, point: str
) -> None:
    class Died(Exception):
        pass

    async def die(at: str) -> None:
        if at == point:
            raise Died

    await write("a", "b")
    with crash.armed(die), pytest.raises(Died):
        await sealing.round()
    await write("c")
    await sealing.round()

    assert await chained(truth) == [(1, "a"), (2, "b"), (3, "c")]
    assert (await reading.verify(DEFAULT_TENANT)).flaw is None


async def test_more_than_a_batch_is_sealed_in_rounds_that_say_there_is_more(
    engine: AsyncEngine, write: Write, truth: asyncpg.Connection
) -> None:
    await write(*"abcde")
    sealing = AuditSealing(SqlUnsealedAudit(engine), batch=2)

    assert [await sealing.round() for _ in range(4)] == [True, True, False, False]

    assert await chained(truth) == [(n, action) for n, action in enumerate("abcde", 1)]


async def test_the_relay_seals_beside_its_publishing(
    container: Container, write: Write, truth: asyncpg.Connection
) -> None:
    stop = asyncio.Event()
    relaying = asyncio.create_task(relay.run(container, stop))
    await write("a")

    async def is_sealed() -> bool:
        return await chained(truth) == [(1, "a")]

    await eventually(is_sealed)
    stop.set()
    await relaying


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        ("qs_app", "UPDATE audit_seal SET hash = hash"),
        ("qs_app", "DELETE FROM audit_seal"),
        ("qs_app", "INSERT INTO audit_seal VALUES (gen_random_uuid(), 1, gen_random_uuid(), 1, now(), '')"),
        ("qs_app", "DELETE FROM audit_unsealed"),
        ("qs_app", "UPDATE audit_unsealed SET id = id"),
        ("qs_relay", "UPDATE audit_seal SET hash = hash"),
        ("qs_relay", "DELETE FROM audit_seal"),
        ("qs_relay", "UPDATE audit SET actor = 'x'"),
        ("qs_relay", "DELETE FROM audit"),
        ("qs_relay", "INSERT INTO audit SELECT * FROM audit"),
        ("qs_sweeper", "SELECT * FROM audit_seal"),
        ("qs_identity", "SELECT * FROM audit_seal"),
    ],
)
async def test_no_role_that_serves_may_change_or_remove_what_was_written(
    engine: AsyncEngine, chain: None, role: str, statement: str
) -> None:
    async with engine.connect() as connection:
        await connection.execute(text(f"SET LOCAL ROLE {role}"))
        with pytest.raises(DBAPIError, match="permission denied"):
            await connection.execute(text(statement))


async def test_a_writer_cannot_say_when_its_record_was_written(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        await connection.execute(text(f"SELECT set_config('qs.tenant_id', '{DEFAULT_TENANT}', true)"))
        with pytest.raises(DBAPIError, match="permission denied"):
            await connection.execute(
                text(
                    "INSERT INTO audit (id, tenant_id, at, business_at, actor, action, object_kind) VALUES"
                    f" ('{uuid4()}', '{DEFAULT_TENANT}', '2020-01-01', now(), 'x', 'x', 'x')"
                )
            )


async def test_how_long_the_first_record_waits_is_told_as_a_metric(
    write: Write, sealing: AuditSealing, api: AsyncClient, truth: asyncpg.Connection
) -> None:
    async def told() -> float:
        lines = (await api.get("/metrics")).text.splitlines()
        return float(next(line for line in lines if line.startswith("qs_audit_unsealed_seconds")).split()[1])

    while await sealing.round():
        pass
    nothing = await told()
    await write("a", "b")
    await truth.execute("UPDATE audit SET at = at - interval '5 minutes' WHERE action = 'a'")
    one_old = await told()
    while await sealing.round():
        pass

    assert nothing == 0
    assert 300 <= one_old < 360
    assert await told() == 0
