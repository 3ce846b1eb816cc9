"""The load itself: what it sends, what its journal says of it, and what its receiver takes."""

import asyncio
import random
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from qs.application.notification.ports import ChannelFailure, Message
from qs.infra.http.guarded import GuardedClient
from qs.infra.notification.channels.webhook import WebhookChannel
from qs.infra.postgres.ids import new_id
from tests.proof.calls import Calls, Intent, Pace
from tests.proof.journal import Journal
from tests.proof.load import Load
from tests.proof.traps import Trap
from tests.proof.webhooks import Told, WebhookLog
from tests.proof.world import World
from tests.support.receivers import HeldPort
from tests.support.waiting import eventually

WRITES = {
    "create_testee",
    "create_plan",
    "enroll",
    "open",
    "submit",
    "cancel",
    "reissue",
    "pause",
    "resume",
    "terminate",
    "sweep",
    "sync",
}
READS = {"list_tasks", "read_task", "read_plan", "read_feed", "read_link", "read_entry"}


def a_load(world: World, seed: int, clients: int = 12) -> Load:
    return Load(
        world.base_url,
        world.tokens,
        world.journal,
        random.Random(seed),
        rate_per_s=150,
        clients=clients,
        settings=world.settings,
    )


async def has_been_seen(load: Load, kinds: set[str]) -> bool:
    return kinds <= {
        kind for kind, statuses in load.journal.by_kind().items() if statuses.keys() & {200, 201}
    }


async def doubled(world: World) -> dict[str, list[str]]:
    """What exists twice and must not, by what it is."""
    queries = {
        "plan": "SELECT name FROM plan GROUP BY tenant_id, name HAVING count(*) > 1",
        "testee": "SELECT external_id FROM testee GROUP BY tenant_id, external_id HAVING count(*) > 1",
        "enrollment": "SELECT testee_id FROM enrollment GROUP BY testee_id, plan_id HAVING count(*) > 1",
        "event": "SELECT subject || name FROM outbox WHERE name IN ('EnrollmentJoined', 'TaskOpened',"
        " 'TaskCompleted', 'TaskCanceled') GROUP BY subject, name HAVING count(*) > 1",
    }
    found = {what: [str(row[0]) for row in await world.fetch(query)] for what, query in queries.items()}
    return {what: those for what, those in found.items() if those}


async def untrue(world: World) -> list[str]:
    """Acknowledged writes that the database does not show."""
    tasks: dict[Any, Any] = {row["id"]: row for row in await world.fetch("SELECT * FROM task")}
    kinds = {"create_plan": "plan", "create_testee": "testee", "enroll": "enrollment"}
    there = {
        kind: {row["id"] for row in await world.fetch(f"SELECT id FROM {table}")}
        for kind, table in kinds.items()
    }
    wrong = []
    for write in world.journal.acknowledged():
        task = tasks.get(write.subject, {})
        if write.kind == "open":
            right = task["opened_at"] is not None
        elif write.kind == "submit":
            right = task["assessment_id"] == write.detail["assessment_id"]
        elif write.kind == "cancel":
            right = task["status"] == "canceled"
        elif write.kind == "reissue":
            right = len(task["entry_keys"]) >= write.detail["generation"]
        else:
            right = write.kind not in there or write.subject in there[write.kind]
        if not right:
            wrong.append(str(write))
    return wrong


async def test_every_kind_of_call_is_made_and_none_is_answered_as_it_must_not_be(world, seed):
    await world.start("api")
    async with a_load(world, seed) as load:
        await load.seed()
        began = time.monotonic()
        await asyncio.sleep(2)
        await eventually(partial(has_been_seen, load, WRITES | READS), within=30)
        rate = load.calls.answered / (time.monotonic() - began)
    journal = world.journal

    assert (journal.server_errors(), journal.surprises(), journal.unknown()) == ([], [], []), seed
    assert await untrue(world) == [], seed
    assert await doubled(world) == {}, seed
    assert {write.tenant for write in journal.acknowledged()} == set(world.tokens)
    assert rate > 20, f"{rate:.0f} calls per second, seed {seed}"


async def test_writes_that_a_dead_api_left_unanswered_are_found_out_about_and_happen_once(world, seed):
    await world.start("api")
    async with a_load(world, seed) as load:
        await load.seed()
        for _ in range(5):
            before = load.calls.answered

            await eventually(partial(is_under_way, load, before), within=30)
            await world.kill("api")
            await world.start("api")
            await eventually(partial(answers_again, world.journal, time.monotonic()), within=30)
    journal = world.journal
    unknown = journal.unknown()

    assert len(unknown) > 5, seed
    assert journal.unsettled() == [], seed
    assert {write.settled for write in unknown} & {"repeated", "found", "absent"}, seed
    assert journal.surprises() == [], seed
    assert await untrue(world) == [], seed
    assert await doubled(world) == {}, seed


CUT_OFF = {
    "create_testee": ("testee.create", "found"),
    "create_plan": ("plan.create", "found"),
    "enroll": ("enroll", "found"),
    "enroll_many": ("bulk_enroll.chunk", "found"),
    "open": ("task.transition", "found"),
    "reissue": ("task.transition", "found"),
    "answer": ("entry.submit", "repeated"),
    "cancel": ("task.transition", "found"),
    "pause": ("enrollment.pause", "found"),
    "resume": ("enrollment.resume", "found"),
    "terminate": ("enrollment.terminate", "found"),
}
"""By move, the boundary behind which the API dies, and how it is found out that it was done."""


def dying_in(number: int) -> Trap | None:
    boundaries = [boundary for boundary, _ in CUT_OFF.values()]
    return Trap(f"{boundaries[number]}.after_commit") if number < len(boundaries) else None


async def test_a_write_that_was_committed_and_never_answered_is_not_done_again(world, seed):
    await world.start("api")
    async with a_load(world, seed, clients=0) as load:
        await load.seed(testees=9)
        moves = load._moves(next(iter(load.wards.values())))
        await world.kill("api")
        child = await world.start("api", dying_in(0))
        for number, (move, (_, settled)) in enumerate(CUT_OFF.items(), start=1):
            before = len(world.journal.writes)

            playing = asyncio.create_task(moves.play(move))
            assert await child.sprung(30), f"the API does not die in {move}; seed {seed}"
            await child.wait()
            child = await world.start("api", dying_in(number))
            assert await asyncio.wait_for(playing, 30), (move, seed)

            lost, *later = world.journal.writes[before:]
            assert (lost.status, lost.settled) == (None, settled), (move, lost, seed)
            assert all(write.subject in (None, lost.subject) for write in later if "bulk" not in write.detail)

    assert len(world.journal.unknown()) >= len(CUT_OFF)
    assert world.journal.surprises() == [], seed
    assert await doubled(world) == {}, seed
    reissued = await world.fetch("SELECT max(cardinality(entry_keys)) AS n FROM task")
    assert reissued[0]["n"] == 2, seed


async def is_under_way(load: Load, answered_before: int) -> bool:
    return load.calls.answered > answered_before + 20


async def answers_again(journal: Journal, since: float) -> bool:
    return journal.first_success_after(since) is not None


async def test_what_nobody_listens_for_is_unanswered_and_known_once_somebody_does(world, seed):
    tenant = next(iter(world.tokens))
    port = HeldPort()
    calls = Calls(
        f"http://127.0.0.1:{port.number}",
        world.tokens,
        world.journal,
        pace=Pace(100),
        clients=1,
        answered_within_s=5,
    )
    calls.patient_until = time.monotonic() + 0.3
    body = {"name": "Li Lei", "external_id": "P-1"}
    intent = Intent(
        "create_testee", tenant, "/testees", body, key="P-1", idempotency_key="P-1", by_key=True, natural=True
    )

    refused = await asyncio.gather(calls.carry_out(intent), return_exceptions=True)
    await calls.aclose()
    port.release()

    assert calls.open_ended == [intent]
    assert [type(each).__name__ for each in refused] == ["Interrupted"]
    assert [(write.status, write.settled) for write in intent.writes] == [(None, None)]

    await world.start("api")
    async with a_load(world, seed, clients=0) as load:
        await load.calls.find_out(intent)

    assert [(write.status, write.settled) for write in intent.writes] == [(None, "repeated"), (201, None)]
    assert intent.writes[1].is_acknowledged
    assert [row["n"] for row in await world.fetch("SELECT count(*) AS n FROM testee")] == [1]


async def test_links_run_out_and_later_tasks_come_due_as_business_time_goes_on(world, seed):
    await world.start("api")
    async with a_load(world, seed, clients=0) as load:
        await load.seed(testees=2)
        tenant = next(iter(world.tokens))
        for _ in range(2):
            await load._moves(load.wards[tenant]).sweep()
            await load.advance(timedelta(days=1, minutes=1))
        await load._moves(load.wards[tenant]).sweep()

    swept = [write.detail for write in world.journal.acknowledged() if write.kind == "sweep"]
    assert swept[0]["opened"] > 0
    assert swept[1]["opened"] > 0
    assert swept[1]["expired"] + swept[2]["expired"] > 0


async def test_a_tenants_feed_is_read_once_to_its_end(world, seed):
    await world.start("api")
    await world.start("relay")
    async with a_load(world, seed, clients=0) as load:
        await load.seed(testees=150)

        async def all_is_published():
            rows = await world.fetch("SELECT count(*) AS n FROM outbox WHERE position IS NULL")
            return rows[0]["n"] == 0

        await eventually(all_is_published, within=30)
        await load.drain_feeds()

    for tenant, events in load.feed.items():
        rows = await world.fetch(
            "SELECT id::text FROM outbox WHERE tenant_id = $1::text::uuid ORDER BY position", tenant
        )
        assert [event["id"] for event in events] == [row["id"] for row in rows]
        assert len(events) > 150


def a_message() -> Message:
    return Message(
        new_id(), new_id(), None, "testee:1", None, "task_opened", "zh", "subject", "text", None, None
    )


@pytest.fixture
async def outgoing():
    client = GuardedClient(["127.0.0.0/8"])
    yield client
    await client.aclose()


async def test_the_receiver_logs_what_is_signed_and_answers_as_it_was_told(outgoing):
    async with WebhookLog() as log:
        channel = WebhookChannel(outgoing, log.url, [log.secret], deadline=timedelta(seconds=20))
        log.answers += [Told(503), Told(delay_s=0.2)]
        message = a_message()

        with pytest.raises(ChannelFailure):
            await channel.send(message)
        began = time.monotonic()
        await channel.send(message)

    assert [(each.message_id, each.status) for each in log.arrivals] == [
        (str(message.notification_id), 503),
        (str(message.notification_id), 200),
    ]
    assert log.arrivals[1].body["event_id"] == str(message.event_id)
    assert log.arrivals[1].at < began + 0.2 <= time.monotonic()
    assert log.forged == []


@pytest.mark.parametrize("any_time", [False, True])
async def test_the_receiver_keeps_forged_messages_apart(outgoing, any_time):
    async with WebhookLog(any_time=any_time) as log:
        stranger = WebhookChannel(outgoing, log.url, ["whsec_" + "bmV3" * 8], deadline=timedelta(seconds=20))
        with pytest.raises(ChannelFailure):
            await stranger.send(a_message())
        await outgoing.post(log.url, {"webhook-id": "1"}, b"{}", deadline=timedelta(seconds=20))

    assert log.arrivals == []
    assert len(log.forged) == 2


async def test_the_receiver_takes_old_timestamps_only_where_clocks_are_moved(outgoing):
    message_id, body = "m-1", b"{}"
    answers = []
    for any_time in (False, True):
        async with WebhookLog(any_time=any_time) as log:
            long_ago = datetime.now(UTC) - timedelta(hours=1)
            signature = log._verifier.sign(message_id, long_ago, body.decode())
            headers = {
                "webhook-id": message_id,
                "webhook-timestamp": str(int(long_ago.timestamp())),
                "webhook-signature": f"v1,bm8= {signature}",
            }
            answer = await outgoing.post(log.url, headers, body, deadline=timedelta(seconds=20))
            answers.append(answer.status)

    assert answers == [401, 200]
