"""Whatever is changed, removed or added past the writers is found, and said of the first place it touches."""

import asyncpg
import pytest

from qs.application.kernel.audit_reading import AuditReading, Verdict
from qs.application.kernel.audit_sealing import AuditSealing, Head
from qs.domain.kernel.ids import DEFAULT_TENANT

from .conftest import Write

THIRD = "(SELECT audit_id FROM audit_seal WHERE position = 3)"


async def test_an_untouched_chain_is_sound_and_tells_its_head(reading: AuditReading, chain: None) -> None:
    verdict = await reading.verify(DEFAULT_TENANT)

    assert (verdict.records, verdict.unsealed, verdict.flaw) == (5, 0, None)
    assert verdict.head is not None
    assert verdict.head.position == 5


async def test_a_tenant_without_records_is_sound(reading: AuditReading) -> None:
    assert await reading.verify(DEFAULT_TENANT) == Verdict(0, 0, None, None)


@pytest.mark.parametrize(
    "change",
    [
        f"UPDATE audit SET actor = 'user:eve' WHERE id = {THIRD}",
        f"UPDATE audit SET action = 'x' WHERE id = {THIRD}",
        f"UPDATE audit SET at = at + interval '1 microsecond' WHERE id = {THIRD}",
        f"UPDATE audit SET business_at = business_at - interval '1 day' WHERE id = {THIRD}",
        f"UPDATE audit SET object_kind = 'task' WHERE id = {THIRD}",
        f"UPDATE audit SET object_id = NULL WHERE id = {THIRD}",
        f"UPDATE audit SET request_id = 'x' WHERE id = {THIRD}",
        f"UPDATE audit SET detail = '{{\"n\": 1}}' WHERE id = {THIRD}",
        "UPDATE audit_seal SET hash = sha256('x') WHERE position = 3",
        "UPDATE audit_seal SET sealed_at = sealed_at + interval '1 s' WHERE position = 3",
        "UPDATE audit_seal SET version = 2 WHERE position = 3",
        f"DELETE FROM audit WHERE id = {THIRD}",
        "DELETE FROM audit_seal WHERE position = 3",
        f"WITH gone AS (DELETE FROM audit WHERE id = {THIRD}) DELETE FROM audit_seal WHERE position = 3",
        "UPDATE audit_seal s SET audit_id = o.audit_id FROM (SELECT position, audit_id FROM audit_seal) o"
        " WHERE s.position IN (3, 4) AND o.position = 7 - s.position",
    ],
)
async def test_a_change_is_found_at_the_place_it_was_made(
    reading: AuditReading, chain: None, truth: asyncpg.Connection, change: str
) -> None:
    await truth.execute("ALTER TABLE audit_seal DROP CONSTRAINT audit_seal_audit_id_key")
    await truth.execute(change)

    verdict = await reading.verify(DEFAULT_TENANT)

    assert verdict.records == 2
    assert verdict.flaw is not None
    assert verdict.flaw.position in (3, 4)


async def test_a_record_put_between_others_is_found(
    reading: AuditReading, chain: None, write: Write, truth: asyncpg.Connection
) -> None:
    await write("forged")
    await truth.execute("UPDATE audit_seal SET position = -position + 1000 WHERE position > 3")
    await truth.execute("UPDATE audit_seal SET position = 1001 - position WHERE position > 900")
    await truth.execute(
        "INSERT INTO audit_seal SELECT tenant_id, 4, id, 1, now(), sha256('x') FROM audit WHERE action = 'forged'"
    )

    verdict = await reading.verify(DEFAULT_TENANT)

    assert verdict.flaw is not None
    assert (verdict.records, verdict.flaw.position) == (3, 4)


async def test_a_record_kept_from_its_place_is_told_and_after_a_while_a_finding(
    reading: AuditReading, sealing: AuditSealing, write: Write, truth: asyncpg.Connection
) -> None:
    await write("hidden")
    await truth.execute("DELETE FROM audit_unsealed")
    await sealing.round()
    young = await reading.verify(DEFAULT_TENANT)
    await truth.execute("UPDATE audit SET at = at - interval '11 minutes'")

    old = await reading.verify(DEFAULT_TENANT)

    assert (young.unsealed, young.flaw) == (1, None)
    assert old.flaw is not None
    assert "is still not sealed" in old.flaw.why
    assert old.flaw.record_id == await truth.fetchval("SELECT id FROM audit")


async def test_a_record_removed_before_it_was_sealed_is_missed(
    reading: AuditReading, sealing: AuditSealing, write: Write, truth: asyncpg.Connection
) -> None:
    await write("a", "b")
    await truth.execute("DELETE FROM audit WHERE action = 'a'")
    await sealing.round()

    verdict = await reading.verify(DEFAULT_TENANT)

    assert verdict.records == 1
    assert verdict.flaw is not None
    assert "is gone" in verdict.flaw.why


async def test_a_cut_off_end_is_found_by_a_head_that_was_kept(
    reading: AuditReading, chain: None, truth: asyncpg.Connection
) -> None:
    head = (await reading.verify(DEFAULT_TENANT)).head
    assert head is not None
    await truth.execute("DELETE FROM audit WHERE id IN (SELECT audit_id FROM audit_seal WHERE position > 3)")
    await truth.execute("DELETE FROM audit_seal WHERE position > 3")

    unaware = await reading.verify(DEFAULT_TENANT)
    aware = await reading.verify(DEFAULT_TENANT, [head])

    assert unaware.flaw is None
    assert aware.flaw is not None
    assert "ends at 3" in aware.flaw.why


async def test_a_chain_that_its_owner_made_anew_is_found_by_a_head_that_was_kept(
    reading: AuditReading, sealing: AuditSealing, chain: None, write: Write, truth: asyncpg.Connection
) -> None:
    head = (await reading.verify(DEFAULT_TENANT)).head
    assert head is not None
    await truth.execute(f"UPDATE audit SET actor = 'user:eve' WHERE id = {THIRD}")
    await truth.execute("INSERT INTO audit_unsealed SELECT audit_id, tenant_id FROM audit_seal")
    await truth.execute("DELETE FROM audit_seal")
    await sealing.round()
    await write("f")
    await sealing.round()

    unaware = await reading.verify(DEFAULT_TENANT)
    aware = await reading.verify(DEFAULT_TENANT, [head])

    assert (unaware.records, unaware.flaw) == (6, None)
    assert aware.flaw is not None
    assert (aware.flaw.position, "made anew" in aware.flaw.why) == (5, True)


async def test_a_head_that_was_kept_still_fits_when_more_was_written(
    reading: AuditReading, sealing: AuditSealing, chain: None, write: Write
) -> None:
    head = (await reading.verify(DEFAULT_TENANT)).head
    assert head is not None
    await write("f", "g")
    await sealing.round()

    assert (await reading.verify(DEFAULT_TENANT, [head])).flaw is None
    forged = Head(head.position, bytes(32))
    assert (await reading.verify(DEFAULT_TENANT, [forged])).flaw is not None


async def test_a_head_of_a_chain_that_is_gone_is_missed(reading: AuditReading) -> None:
    verdict = await reading.verify(DEFAULT_TENANT, [Head(1, bytes(32))])

    assert verdict.flaw is not None


async def test_what_the_relay_may_add_to_the_chain_is_found_to_be_forged(
    reading: AuditReading, chain: None, truth: asyncpg.Connection
) -> None:
    async with truth.transaction():
        await truth.execute("SET LOCAL ROLE qs_relay")
        await truth.execute(
            "INSERT INTO audit_seal VALUES ($1, 6, gen_random_uuid(), 1, now(), sha256('x'))", DEFAULT_TENANT
        )

    verdict = await reading.verify(DEFAULT_TENANT)

    assert verdict.flaw is not None
    assert (verdict.flaw.position, verdict.flaw.why) == (6, "the record is gone")


async def test_what_was_written_before_there_was_a_chain_is_its_beginning(
    reading: AuditReading,
    sealing: AuditSealing,
    chain: None,
    write: Write,
    truth: asyncpg.Connection,
    database_url: str,
) -> None:
    from qs.infra.postgres.migrate import downgrade, upgrade

    await downgrade(database_url, "0004")
    await write("f")
    await upgrade(database_url)
    await sealing.round()

    verdict = await reading.verify(DEFAULT_TENANT)

    assert (verdict.records, verdict.unsealed, verdict.flaw) == (6, 0, None)
