"""The checker says nothing of a world in which everything holds, and names what was broken in it."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from redis.asyncio import Redis

from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.domain.plan.events import ALL_EVENTS
from qs.domain.webhook import events as webhook_events
from qs.infra.embedded import Lease
from tests.proof.invariants import MOST_SHOWN, shortened, violations, violations_in
from tests.proof.journal import Journal, Write
from tests.proof.laws.borders import TABLES
from tests.proof.small_world import CHANNELS, Seen, live
from tests.support import databases
from tests.support.lives import BROKEN, LETTERS

_DATABASE = "invariants"


@dataclass(frozen=True)
class Played:
    """The database in which everything holds, and what was seen of it."""

    database_url: str
    redis_url: str
    seen: Seen


class Damaged:
    """A transaction in it, to break what holds; nobody else sees that, and it is rolled back."""

    def __init__(self, connection: asyncpg.Connection, played: Played) -> None:
        self.connection = connection
        self.played = played

    async def execute(self, *statements: str) -> None:
        """As the superuser, whom neither triggers nor foreign keys hold back."""
        for statement in statements:
            done = await self.connection.execute(statement)
            assert done not in ("UPDATE 0", "DELETE 0", "INSERT 0 0"), statement

    async def violations(self, **changed: Any) -> list[str]:
        """What the checker says, if not told otherwise with everything that was seen."""
        seen = self.played.seen
        given: dict[str, Any] = {
            "journal": seen.journal,
            "arrivals": seen.arrivals,
            "feed": seen.feed,
            "channels": CHANNELS,
            "synced": True,
            "redis_url": self.played.redis_url,
        }
        return await violations_in(self.connection, **(given | changed))

    async def broken(self, **changed: Any) -> set[str]:
        """The invariants it names."""
        return {sentence.partition(":")[0] for sentence in await self.violations(**changed)}


@pytest.fixture(scope="module")
def played(
    servers: Lease, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Played]:
    redis_url = servers.redis_url

    async def flush() -> None:
        client = Redis.from_url(redis_url)
        await client.flushall()
        await client.aclose()

    async def play() -> Seen:
        await flush()
        await databases.clone(servers.database_url, template_database, _DATABASE)
        return await live(address, redis_url, tmp_path_factory.mktemp("home"))

    address = databases.address(servers.database_url, _DATABASE)
    yield Played(address, redis_url, asyncio.run(play()))
    asyncio.run(databases.drop(servers.database_url, _DATABASE))
    asyncio.run(flush())


@pytest.fixture
async def damaged(played: Played) -> AsyncIterator[Damaged]:
    connection = await asyncpg.connect(played.database_url)
    transaction = connection.transaction(isolation="repeatable_read")
    await transaction.start()
    await connection.execute("SET LOCAL session_replication_role = replica")
    yield Damaged(connection, played)
    await transaction.rollback()
    await connection.close()


def _one(table: str, where: str, change: str, key: str = "id") -> str:
    return f"UPDATE {table} SET {change} WHERE {key} = (SELECT {key} FROM {table} WHERE {where} ORDER BY {key} LIMIT 1)"


_EVENT = "SELECT id FROM outbox WHERE name = 'TaskOpened' ORDER BY id LIMIT 1"
_NORTH = "(SELECT id FROM tenant WHERE slug = 'north')"

DAMAGE: dict[str, tuple[set[str], Sequence[str]]] = {
    "a task ends in two ways": (
        {"I1"}, [_one("task", "status = 'completed'", "canceled_at = completed_at")]),
    "a task moves and its version does not": (
        {"I1"}, [_one("task", "status = 'completed'", "version = 1")]),
    "a task ends before it was opened": (
        {"I1", "I2"}, [_one("task", "status = 'completed'", "opened_at = completed_at + interval '1 second'")]),
    "a task is opened twice": (
        {"I1", "I2", "I3", "I4", "I9"}, [_one("outbox", "name = 'EntryReissued'", "name = 'TaskOpened'")]),
    "a task was opened at another instant than its event says": (
        {"I2"}, [_one("task", "status = 'completed'", "opened_at = opened_at + interval '1 microsecond'")]),
    "an enrollment counts a task too many": (
        {"I2"}, [_one("enrollment", "status = 'active'", "tasks_left = tasks_left + 1")]),
    "an enrollment lost a task": (
        {"I2", "I8"}, ["DELETE FROM task WHERE id = (SELECT id FROM task WHERE status = 'pending' ORDER BY id LIMIT 1)"]),
    "a position is left out": (
        {"I3"}, ["UPDATE outbox SET position = position + 5 WHERE position = (SELECT max(position) FROM outbox)",
                 "UPDATE relay_cursor SET assigned_through = assigned_through + 5, published_through = published_through + 5"]),
    "an event is not published": (
        {"I3"}, ["UPDATE outbox SET position = NULL, published_at = NULL, publications = 0"
                 " WHERE position = (SELECT max(position) FROM outbox)"]),
    "an event is not acknowledged": (
        {"I3"}, [f"DELETE FROM inbox WHERE subscriber = 'statistics' AND event_id = ({_EVENT})"]),
    "an event is given up without a reason": (
        {"I3"}, [f"UPDATE inbox SET state = 'dead' WHERE subscriber = 'statistics' AND event_id = ({_EVENT})"]),
    "an event is set aside": (
        {"I3"}, ["INSERT INTO inbox_attempt (subscriber, event_id, tenant_id, attempts, next_attempt_at)"
                 " SELECT 'statistics', id, tenant_id, 1, now() FROM outbox LIMIT 1"]),
    "an event that nobody recorded is acknowledged": (
        {"I3"}, [f"INSERT INTO inbox (subscriber, event_id, tenant_id) VALUES ('statistics', '{uuid4()}', '{DEFAULT_TENANT}')"]),
    "an effect was not acknowledged": (
        {"I3", "I4"}, [f"DELETE FROM inbox WHERE subscriber = 'notifications' AND event_id = ({_EVENT})"]),
    "a delivery was made twice": (
        {"I4"}, ["INSERT INTO delivery (id, tenant_id, event_id, event_name, task_id, testee_id, plan_id, recipient, channel,"
                 " address_index, template, locale, status, reason, settled_at) SELECT gen_random_uuid(), tenant_id, event_id,"
                 " event_name, task_id, testee_id, plan_id, recipient, channel, 1, template, locale, 'skipped', 'again', now()"
                 " FROM delivery WHERE channel = 'webhook' ORDER BY id LIMIT 1"]),
    "a reminder falls after the end of its link": (
        {"I4"}, ["INSERT INTO delivery (id, tenant_id, event_id, event_name, task_id, testee_id, plan_id, recipient, channel,"
                 " address_index, template, locale, status, reason, settled_at, occasion, not_before) SELECT gen_random_uuid(),"
                 " tenant_id, event_id, event_name, task_id, testee_id, plan_id, recipient, channel, address_index, template,"
                 " locale, 'skipped', 'capped', now(), 'after:2d', now() + interval '9 years'"
                 " FROM delivery WHERE event_name = 'TaskOpened' ORDER BY id LIMIT 1"]),
    "a delivery follows from no event": (
        {"I4"}, [_one("delivery", "channel = 'log' AND status = 'sent'", "event_id = gen_random_uuid()")]),
    "a delivery was not made": (
        {"I4"}, ["DELETE FROM delivery WHERE id ="
                 " (SELECT id FROM delivery WHERE channel = 'log' AND status = 'skipped' LIMIT 1)"]),
    "a delivery went to the wrong person": (
        {"I4"}, [_one("delivery", "channel = 'log' AND recipient LIKE 'testee:%'", f"recipient = 'testee:{uuid4()}'")]),
    "a guardian was left out": (
        {"I4"}, ["DELETE FROM delivery WHERE recipient LIKE 'guardian:%:1' AND status = 'skipped' AND event_id ="
                 " (SELECT event_id FROM delivery WHERE recipient LIKE 'guardian:%:1' LIMIT 1)"]),
    "a delivery is still queued": (
        {"I5"}, [_one("delivery", "channel = 'log' AND status = 'sent'", "status = 'queued', settled_at = NULL")]),
    "a delivery is dead for no reason": (
        {"I5"}, [_one("delivery", "channel = 'log' AND status = 'sent'", "status = 'dead'")]),
    "a delivery is sent and no attempt sent it": (
        {"I5"}, ["DELETE FROM delivery_attempt WHERE delivery_id = (SELECT id FROM delivery WHERE status = 'sent' LIMIT 1)"]),
    "a task expired before its link ran out": (
        {"I6"}, [_one("task", "reason = 'entry_timeout'", "expires_at = expired_at + interval '1 hour'")]),
    "a task was missed before its window closed": (
        {"I6"}, [_one("task", "reason = 'missed'", "closes_at = expired_at + interval '1 hour'")]),
    "a task was opened before it was due": (
        {"I6"}, [_one("task", "status = 'completed'", "planned_at = opened_at + interval '1 second'")]),
    "a task was completed after its link ran out": (
        {"I6"}, [_one("task", "status = 'completed'", "expires_at = completed_at")]),
    "a person's expiry is nobody's": (
        {"I6"}, [_one("task", "reason = 'manual'", "history = '[]'")]),
    "a slot is claimed twice": (
        {"I7"}, ["ALTER TABLE slot DROP CONSTRAINT slot_pkey", "INSERT INTO slot SELECT * FROM slot LIMIT 1"]),
    "an execution is ended by whoever lost it": (
        {"I7"}, ["UPDATE execution SET status = 'succeeded', retried_as = NULL WHERE status = 'lost'"]),
    "a slot's execution succeeds twice": (
        {"I7"}, ["INSERT INTO execution (id, tenant_id, name, fired_by, scheduled_at, status, actor, attempt, lease_until,"
                 " started_at, finished_at) SELECT gen_random_uuid(), tenant_id, name, fired_by, scheduled_at, status, actor, 2,"
                 " lease_until, started_at, finished_at FROM execution WHERE fired_by = 'clock' LIMIT 1"]),
    "an execution is left running": (
        {"I7"}, [_one("execution", "name = 'retention'",
                      "status = 'running', finished_at = NULL, lease_until = now() - interval '1 minute'")]),
    "a slot fired nothing": (
        {"I7"}, ["DELETE FROM execution WHERE name = 'retention'"]),
    "a daily figure is one too many": (
        {"I8"}, ["UPDATE stat_daily SET opened = opened + 1 WHERE dimension = 'testee' AND opened > 0"]),
    "a reason is counted wrong": (
        {"I8"}, ["UPDATE stat_daily SET reasons = '{\"canceled:withdrawn\": 7}' WHERE dimension = 'scale' AND canceled > 0"]),
    "a daily figure is missing": (
        {"I8"}, ["DELETE FROM stat_daily WHERE dimension = 'plan'"]),
    "a total is wrong": (
        {"I8"}, ["UPDATE stat_accumulated SET totals = totals || '{\"opened\": 99}' WHERE dimension = 'tenant'"]),
    "a window is wrong": (
        {"I8"}, ["UPDATE stat_accumulated SET windows = jsonb_set(windows, '{15,missed}', '99') WHERE dimension = 'tenant'"]),
    "a plan is counted wrong": (
        {"I8"}, ["UPDATE stat_plan SET counts = counts || '{\"pending\": 99}'"]),
    "a plan is not counted": (
        {"I8"}, ["DELETE FROM stat_plan"]),
    "an answered creation is not there": (
        {"I9"}, ["DELETE FROM testee WHERE external_id = 'P-0'"]),
    "a testee was created twice": (
        {"I9"}, [f"INSERT INTO audit (id, tenant_id, business_at, actor, action, object_kind, object_id) VALUES"
                 f" (gen_random_uuid(), '{DEFAULT_TENANT}', now(), 'x', 'testee.created', 'testee', gen_random_uuid())"]),
    "an audit row is another tenant's": (
        {"I10"}, [f"UPDATE audit SET tenant_id = {_NORTH} WHERE object_kind = 'task' AND object_id IS NOT NULL"]),
    "a delivery is another tenant's": (
        {"I10"}, [_one("delivery", f"tenant_id <> {_NORTH}", f"tenant_id = {_NORTH}")]),
    "an acknowledgement is another tenant's": (
        {"I10"}, [f"UPDATE inbox SET tenant_id = {_NORTH} WHERE event_id = ({_EVENT})"]),
    "a figure is another tenant's": (
        {"I8", "I10"}, [f"UPDATE stat_daily SET tenant_id = {_NORTH} WHERE dimension = 'testee' AND opened > 0"]),
    "a row is nobody's": (
        {"I10"}, [f"INSERT INTO stat_epoch (tenant_id, epoch, live_from) VALUES ('{uuid4()}', '{uuid4()}', '2060-01-01')"]),
}  # fmt: skip
"""What is done to a world in which everything holds, and the invariants that the checker must name for it."""


async def test_nothing_is_said_of_a_world_in_which_everything_holds(damaged):
    assert await damaged.violations() == []
    assert await violations(damaged.played.database_url) == []


async def test_nothing_is_said_of_a_world_in_which_nothing_happened(database_url):
    assert await violations(database_url, journal=Journal(), arrivals=[], feed={}, synced=True) == []


@pytest.mark.parametrize("damage", DAMAGE)
async def test_what_is_broken_is_named_and_nothing_else(damaged, damage):
    invariants, statements = DAMAGE[damage]
    # A reader of the feed would see it where the outbox is changed by itself.
    observers = {"feed": None} if any("outbox" in each for each in statements) else {}

    await damaged.execute(*statements)

    assert await damaged.broken(**observers) == invariants


async def test_every_event_there_is_has_its_place_in_a_life():
    assert set(LETTERS) == {event.name for event in (*ALL_EVENTS, *webhook_events.ALL_EVENTS)}


async def test_each_kind_of_event_is_missed_where_one_is_lost_and_seen_where_it_is_told_twice(damaged):
    columns = "id, tenant_id, context, name, subject, partition_key, occurred_at, data"
    silent = []
    for name in LETTERS:
        for statement in (
            "DELETE FROM outbox WHERE id = (SELECT id FROM outbox WHERE name = $1 LIMIT 1)",
            f"INSERT INTO outbox ({columns}) SELECT gen_random_uuid(), {columns.partition(', ')[2]} FROM outbox"
            " WHERE name = $1 LIMIT 1",
        ):
            change = damaged.connection.transaction()
            await change.start()
            done = await damaged.connection.execute(statement, name)
            assert done in ("DELETE 1", "INSERT 0 1"), f"there is no {name}"
            if not await damaged.connection.fetch(BROKEN):
                silent.append((name, statement))
            await change.rollback()

    assert silent == []


async def test_every_table_of_a_tenant_is_watched_for_rows_of_others(damaged):
    rows = await damaged.connection.fetch(
        "SELECT table_name FROM information_schema.columns WHERE table_schema = 'public' AND column_name = 'tenant_id'"
        " AND NOT (SELECT relispartition FROM pg_class WHERE oid = ('public.' || table_name)::regclass)"
    )

    assert {row["table_name"] for row in rows} == TABLES


async def test_what_is_not_done_yet_is_nothing_broken_before_it_is_quiet(damaged):
    await damaged.execute(
        f"DELETE FROM inbox WHERE subscriber = 'statistics' AND event_id = ({_EVENT})",
        "DELETE FROM subscriber_cursor",
        _one("delivery", "channel = 'log' AND status = 'sent'", "status = 'queued', settled_at = NULL"),
        _one(
            "execution",
            "name = 'retention'",
            "status = 'running', finished_at = NULL, lease_until = now() - interval '1 s'",
        ),
    )

    assert await damaged.broken(quiet=False) == set()
    assert await damaged.broken() == {"I3", "I5", "I7"}


async def test_what_was_held_when_the_look_began_is_not_left_however_long_the_look_takes(damaged):
    await damaged.execute(
        _one(
            "execution",
            "name = 'retention'",
            "status = 'running', finished_at = NULL, lease_until = now() + interval '10 ms'",
        ),
        "SELECT pg_sleep(0.1)",
    )

    assert await damaged.broken() == set()


async def test_stored_figures_may_lag_until_they_are_synced_and_never_run_ahead(damaged):
    await damaged.execute(
        "UPDATE stat_daily SET opened = opened - 1 WHERE dimension = 'testee' AND opened > 0"
    )

    assert await damaged.broken(synced=False) == set()
    assert await damaged.broken() == {"I8"}

    await damaged.execute("UPDATE stat_daily SET opened = opened + 2 WHERE dimension = 'testee'")
    assert await damaged.broken(synced=False) == {"I8"}


async def test_an_event_that_was_given_up_for_a_reason_is_no_violation(damaged):
    await damaged.execute(
        f"UPDATE inbox SET state = 'dead', error = 'poison' WHERE subscriber = 'statistics' AND event_id = ({_EVENT})"
    )

    assert await damaged.violations() == []


async def test_the_feed_must_be_the_outbox(damaged):
    tenant, events = next(iter(damaged.played.seen.feed.items()))
    for told in (
        events[1:],
        [*events, events[0]],
        events[::-1],
        [*events, {"id": str(uuid4()), "sequence": "9"}],
    ):
        assert await damaged.broken(feed={tenant: told}) == {"I3"}


async def test_what_is_sent_must_arrive_and_nothing_else(damaged):
    arrivals = damaged.played.seen.arrivals
    stranger = replace(arrivals[0], message_id=str(uuid4()))
    mistaken = replace(arrivals[0], body=arrivals[0].body | {"event_id": str(uuid4())})
    for seen in (arrivals[1:], [*arrivals, stranger], [*arrivals, arrivals[0]], [mistaken, *arrivals[1:]]):
        assert await damaged.broken(arrivals=seen, kills=9) == {"I5"}


async def test_a_message_may_arrive_again_for_each_kill(damaged):
    arrivals = [*damaged.played.seen.arrivals, *damaged.played.seen.arrivals[:2]]
    await damaged.execute("UPDATE delivery SET epoch = 2")

    assert await damaged.broken(arrivals=arrivals, kills=1) == {"I5"}
    assert await damaged.broken(arrivals=arrivals, kills=2) == set()


async def test_a_message_may_arrive_again_after_an_attempt_that_the_sender_took_for_failed(damaged):
    again = damaged.played.seen.arrivals[0]
    await damaged.execute(
        "UPDATE delivery SET epoch = 2",
        "INSERT INTO delivery_attempt (tenant_id, delivery_id, number, outcome, answer)"
        f" SELECT tenant_id, id, 2, 'temporary', 'no answer in time' FROM delivery WHERE id = '{again.message_id}'",
    )

    assert await damaged.broken(arrivals=[*damaged.played.seen.arrivals, again]) == set()


async def test_a_counter_in_redis_must_equal_the_tasks(damaged):
    redis = Redis.from_url(damaged.played.redis_url)
    key = next(iter(sorted([key async for key in redis.scan_iter(match="qs:stat:*:c:*:tenant:*")])))
    await redis.hincrby(key, "opened", 1)

    try:
        assert await damaged.broken() == {"I8"}
    finally:
        await redis.hincrby(key, "opened", -1)
        await redis.aclose()


async def test_counters_of_another_epoch_are_lost(damaged):
    await damaged.execute(f"UPDATE stat_epoch SET epoch = '{uuid4()}'")

    assert await damaged.broken() == {"I8"}


def _write(
    kind: str, subject: Any = None, status: int | None = 200, key: str | None = None, **detail: Any
) -> Write:
    now = time.monotonic()
    return Write(kind, subject, key, status, now, now, str(DEFAULT_TENANT), detail)


async def _of(damaged: Damaged, query: str) -> UUID:
    found: UUID = await damaged.connection.fetchval(query)
    return found


@pytest.mark.parametrize(
    ("query", "write"),
    [
        ("SELECT gen_random_uuid()", _write("create_plan", key="k")),
        ("SELECT gen_random_uuid()", _write("submit", assessment_id="a")),
        ("SELECT id FROM task WHERE status = 'completed'", _write("submit", assessment_id="another")),
        ("SELECT id FROM task WHERE status = 'pending'", _write("submit", assessment_id="a")),
        ("SELECT id FROM task WHERE status = 'pending'", _write("open")),
        ("SELECT id FROM task WHERE status = 'completed'", _write("cancel")),
        ("SELECT id FROM task WHERE status = 'pending'", _write("reissue", generation=2)),
        ("SELECT id FROM enrollment WHERE status = 'active'", _write("terminate")),
        ("SELECT id FROM enrollment WHERE status = 'active' AND paused_at IS NULL", _write("pause")),
        ("SELECT id FROM enrollment WHERE status = 'active' AND paused_at IS NOT NULL", _write("pause")),
        ("SELECT id FROM plan WHERE status = 'active' AND tenant_id <> '" + str(DEFAULT_TENANT) + "'", _write("enroll")),
        ("SELECT id FROM task WHERE cardinality(entry_keys) = 2", _write("reissue", generation=2)),
    ],
    ids=lambda value: value.kind if isinstance(value, Write) else value,
)  # fmt: skip
async def test_an_answer_that_is_not_true_is_a_broken_promise(damaged, query, write):
    now = time.monotonic()
    write = replace(write, subject=await _of(damaged, query), sent_at=now, answered_at=now)

    assert await damaged.broken(journal=_with(damaged.played.seen.journal, write)) == {"I9"}


async def test_what_was_not_answered_may_be_there_or_not_and_is_not_there_twice(damaged):
    journal = Journal()
    journal.writes = [copy(write) for write in damaged.played.seen.journal.writes]
    lost = next(write for write in journal.writes if write.kind == "create_testee")
    lost.status = lost.subject = None
    journal.writes.append(
        _write("submit", await _of(damaged, "SELECT id FROM task WHERE status = 'pending'"), None)
    )

    assert await damaged.broken(journal=journal) == set()

    again = _write(
        "create_testee", await _of(damaged, "SELECT id FROM testee ORDER BY id DESC"), key=lost.key
    )
    assert await damaged.broken(journal=_with(journal, again)) == set()
    await damaged.execute(*DAMAGE["a testee was created twice"][1])
    assert await damaged.broken(journal=_with(journal, again)) == {"I9"}


async def test_one_key_that_was_answered_with_two_things_is_a_broken_promise(damaged):
    first, second = [write for write in damaged.played.seen.journal.writes if write.kind == "create_testee"][
        :2
    ]
    journal = _with(damaged.played.seen.journal, replace(first, subject=second.subject))

    assert await damaged.broken(journal=journal) == {"I9"}


def _with(journal: Journal, write: Write) -> Journal:
    more = Journal()
    more.writes = [*journal.writes, write]
    return more


def test_twenty_sentences_of_an_invariant_are_told_and_how_many_more_there_are():
    told = shortened([*(f"I10: {n}" for n in range(MOST_SHOWN + 7)), "I2: one"])

    assert told == ["I2: one", *(f"I10: {n}" for n in range(MOST_SHOWN)), "I10: and 7 more"]
