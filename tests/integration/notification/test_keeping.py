"""How long messages are kept, and that nothing goes that may still be sent, or sent again."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy.exc import DBAPIError

from qs.container import Container
from qs.infra.postgres.retention import _MESSAGES, SqlForgettableRows
from tests.integration.plan.gate import somebody_waits
from tests.support.notifying import Clinic, mailbox

TENANT = Clinic.tenant_id
OLD, YOUNG = timedelta(days=367), timedelta(days=365)
OWN = UUID(int=0)


class Ledger:
    """Writes messages of any age, and waits for what forgets them."""

    def __init__(self, truth: asyncpg.Connection, container: Container) -> None:
        self.truth = truth
        self.container = container

    async def message(
        self,
        age: timedelta = OLD,
        status: str = "sent",
        *,
        settled: timedelta | None = None,
        event_id: UUID | None = None,
        digest_id: UUID | None = None,
    ) -> UUID:
        """One of that age, with an attempt; ``settled`` so long ago, or right away; ``digest_id`` of another or its own."""
        made_at = datetime.now(UTC) - age
        id_ = UUID(int=(int(made_at.timestamp() * 1000) << 80) | (7 << 76) | (2 << 62) | uuid4().int >> 68)
        await self.truth.execute(
            "INSERT INTO delivery (id, tenant_id, event_id, event_name, recipient, channel, template, locale, status,"
            " created_at, settled_at) VALUES ($1, $2, $3, 'TaskOpened', 'staff:0', 'log', 'task_opened', 'en', $4, $5, $6)",
            id_,
            TENANT,
            event_id or uuid4(),
            status,
            made_at,
            None if status in ("queued", "sending") else datetime.now(UTC) - (settled or age),
        )
        await self.truth.execute(
            "UPDATE delivery SET digest_id = $2 WHERE id = $1", id_, id_ if digest_id is OWN else digest_id
        )
        await self.truth.execute(
            "INSERT INTO delivery_attempt (tenant_id, delivery_id, number, at, outcome) VALUES ($1, $2, 1, $3, 'sent')",
            TENANT,
            id_,
            made_at,
        )
        return id_

    async def left(self) -> set[UUID]:
        return {row["id"] for row in await self.truth.fetch("SELECT id FROM delivery")}

    async def forget(self) -> tuple[int, int]:
        done = await self.container.retention().run()
        return done["messages"], done["grant_uses"]


@pytest.fixture
def ledger(truth: asyncpg.Connection, container: Container) -> Ledger:
    return Ledger(truth, container)


async def test_messages_go_after_their_time_with_their_attempts(ledger: Ledger) -> None:
    for status in ("sent", "skipped", "dead"):
        await ledger.message(OLD, status)
    kept = {await ledger.message(YOUNG, status) for status in ("sent", "skipped", "dead")}

    assert await ledger.forget() == (3, 0)

    assert await ledger.left() == kept
    attempts = await ledger.truth.fetch("SELECT delivery_id FROM delivery_attempt")
    assert {row["delivery_id"] for row in attempts} == kept
    assert await ledger.forget() == (0, 0)


async def test_what_is_to_be_sent_or_was_settled_a_short_time_ago_stays_however_old_it_is(
    ledger: Ledger,
) -> None:
    kept = {
        await ledger.message(OLD, "queued"),
        await ledger.message(OLD, "sending"),
        await ledger.message(OLD, "sent", settled=YOUNG),
    }

    assert await ledger.forget() == (0, 0)
    assert await ledger.left() == kept


async def test_a_message_stays_as_long_as_its_event_so_that_a_replay_sends_nothing_twice(
    ledger: Ledger, clinic: Clinic
) -> None:
    await clinic.opened(await clinic.testee([mailbox("anna@example.org")]))
    event_id = await ledger.truth.fetchval("SELECT id FROM outbox WHERE name = 'TaskOpened'")
    kept = await ledger.message(OLD, event_id=event_id)

    assert await ledger.forget() == (0, 0)
    await ledger.truth.execute("DELETE FROM outbox WHERE id = $1", event_id)
    assert await ledger.forget() == (1, 0)

    assert kept not in await ledger.left()


async def test_the_first_of_those_that_went_out_together_stays_for_the_last_of_them(ledger: Ledger) -> None:
    """Receipts and bounces know them all by its id."""
    first = await ledger.message(OLD, digest_id=OWN)
    gone = await ledger.message(OLD, digest_id=first)
    replayed = await ledger.message(OLD, settled=YOUNG, digest_id=first)

    assert await ledger.forget() == (1, 0)
    assert await ledger.left() == {first, replayed}
    assert gone not in await ledger.left()

    await ledger.truth.execute("UPDATE delivery SET settled_at = settled_at - interval '2 days'")
    await ledger.forget()

    assert await ledger.left() == set()


async def test_one_whose_event_is_still_there_keeps_the_first(ledger: Ledger, clinic: Clinic) -> None:
    await clinic.opened(await clinic.testee([mailbox("anna@example.org")]))
    event_id = await ledger.truth.fetchval("SELECT id FROM outbox WHERE name = 'TaskOpened'")
    first = await ledger.message(OLD, digest_id=OWN)
    last = await ledger.message(OLD, digest_id=first, event_id=event_id)

    assert await ledger.forget() == (0, 0)
    assert await ledger.left() == {first, last}


async def test_one_that_waits_to_be_sent_again_keeps_the_first(ledger: Ledger) -> None:
    first = await ledger.message(OLD, digest_id=OWN)
    again = await ledger.message(OLD, "queued", digest_id=first)

    assert await ledger.forget() == (0, 0)
    assert await ledger.left() == {first, again}


async def test_one_that_is_replayed_at_that_moment_stays(ledger: Ledger, database_url: str) -> None:
    replayed, gone = await ledger.message(OLD, "dead"), await ledger.message(OLD, "dead")
    other = await asyncpg.connect(database_url)
    try:
        replaying = other.transaction()
        await replaying.start()
        await other.execute(
            "UPDATE delivery SET status = 'queued', settled_at = NULL WHERE id = $1", replayed
        )
        forgetting = asyncio.create_task(ledger.forget())
        await somebody_waits(ledger.truth)
        await replaying.commit()
    finally:
        await other.close()

    assert await forgetting == (1, 0)
    assert await ledger.left() == {replayed}
    assert gone not in await ledger.left()


async def test_a_deadlock_with_who_replays_is_tried_again(
    ledger: Ledger, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken_off = []
    once = SqlForgettableRows._delete_once

    async def told(rows: SqlForgettableRows, statement: Any, parameters: Any) -> int:
        try:
            return await once(rows, statement, parameters)
        except DBAPIError as error:
            broken_off.append(getattr(error.orig, "sqlstate", None))
            raise

    monkeypatch.setattr(SqlForgettableRows, "_delete_once", told)
    replay = "UPDATE delivery SET status = 'queued', settled_at = NULL WHERE id = $1"
    first, middle, last = [await ledger.message(OLD * n, "dead") for n in (3, 2, 1)]
    other = await asyncpg.connect(database_url)
    try:
        # Whoever waits the longest looks for a deadlock first, and it is that one that is broken off.
        await other.execute("SET deadlock_timeout = '1min'")
        replaying = other.transaction()
        await replaying.start()
        await other.execute(replay, middle)
        forgetting = asyncio.create_task(ledger.forget())
        await somebody_waits(ledger.truth)
        # In whichever order it goes, it has one of the others by now.
        free = await ledger.truth.fetch("SELECT id FROM delivery FOR UPDATE SKIP LOCKED")
        (taken,) = {first, last} - {row["id"] for row in free}
        await other.execute(replay, taken)
        await replaying.commit()
    finally:
        await other.close()

    assert await forgetting == (1, 0)
    assert broken_off == ["40P01"]
    assert await ledger.left() == {middle, taken}


async def test_more_than_one_portion_goes_in_one_run(ledger: Ledger, container: Container) -> None:
    for _ in range(5):
        await ledger.message(OLD)
    container.retention()._batch = 2

    assert await ledger.forget() == (5, 0)
    assert await ledger.left() == set()


async def test_which_message_took_a_grant_goes_with_it_and_the_count_stays(ledger: Ledger) -> None:
    truth, testee = ledger.truth, uuid4()
    await truth.execute(
        "INSERT INTO channel_grant (tenant_id, testee_id, recipient, channel, template, given, used)"
        " VALUES ($1, $2, 'testee:x', 'wechat', 't', 5, 3)",
        TENANT,
        testee,
    )
    old, late, young = (
        await ledger.message(OLD),
        await ledger.message(OLD, settled=YOUNG),
        await ledger.message(YOUNG),
    )
    for message_id, age in ((old, OLD), (late, OLD), (young, YOUNG)):
        await truth.execute(
            "INSERT INTO channel_grant_use (tenant_id, message_id, testee_id, recipient, channel, template, at)"
            " VALUES ($1, $2, $3, 'testee:x', 'wechat', 't', now() - $4::interval)",
            TENANT,
            message_id,
            testee,
            age,
        )

    assert await ledger.forget() == (1, 1)

    assert {row[0] for row in await truth.fetch("SELECT message_id FROM channel_grant_use")} == {late, young}
    assert await truth.fetchval("SELECT (given, used)::text FROM channel_grant") == "(5,3)"


async def test_only_the_old_end_of_a_ledger_is_read(ledger: Ledger) -> None:
    """Nothing here is old, so that no message may be looked at, however many there are."""
    await ledger.truth.execute(
        "INSERT INTO delivery (id, tenant_id, event_id, event_name, recipient, channel, template, locale, status, settled_at)"
        " SELECT (left(qs_first_id(current_date)::text, 19) || right(gen_random_uuid()::text, 17))::uuid, $1,"
        " gen_random_uuid(), 'TaskOpened', 'testee:' || n, 'log', 't', 'en', 'sent', now() FROM generate_series(1, 5000) n",
        TENANT,
    )
    await ledger.truth.execute("ANALYZE delivery")
    statement = str(_MESSAGES).replace(":age", "'366 days'").replace(":limit", "5000")

    async with ledger.truth.transaction():
        await ledger.truth.execute("SET LOCAL ROLE qs_relay")
        plan = [row[0] for row in await ledger.truth.fetch(f"EXPLAIN (ANALYZE, COSTS OFF) {statement}")]

    executed = "\n".join(line for line in plan if "never executed" not in line)
    assert "Index Scan using delivery_pkey on delivery d" in executed, "\n".join(plan)
    assert "Seq Scan on delivery" not in executed, executed
    assert "Rows Removed by Filter" not in executed, executed
