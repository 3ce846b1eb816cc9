"""Publishing again on request, and forgetting in time."""

from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from qs.application.kernel.feed import EventReplay
from qs.application.kernel.retention import Keep, RetentionService
from qs.application.kernel.streams import Envelopes, EventStreams, StreamsUnavailable
from qs.domain.kernel.errors import Refused
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.infra.postgres.event_backlog import SqlEventBacklog
from qs.infra.postgres.event_log import SqlEventLogUnitOfWork
from qs.infra.postgres.retention import SqlForgettableRows
from qs.infra.redis.client import create_redis
from tests.support.events import (
    OTHER_TENANT,
    SUBSCRIPTION,
    Counting,
    in_stream,
    make_republishing,
    make_streams,
    make_subscribing,
    publish_all,
    record_opened,
)
from tests.support.waiting import eventually

SOON = timedelta(milliseconds=20)
DAY = timedelta(days=1)


def make_replay(engine: AsyncEngine, streams: EventStreams) -> EventReplay:
    unit_of_work: Any = partial(SqlEventLogUnitOfWork, engine)
    return EventReplay(unit_of_work, streams, Envelopes())


@pytest.fixture
def replay(engine, redis):
    return make_replay(engine, make_streams(redis))


async def follow_all(subscribing) -> None:
    await subscribing.follow(SOON)
    while await subscribing.follow(SOON):
        pass


async def test_a_replay_repeats_events_in_the_stream_and_no_effect(engine, redis, replay, effects, truth):
    await record_opened(engine, 5)
    await publish_all(engine, redis)
    await follow_all(make_subscribing(engine, redis))

    done = await replay.replay(DEFAULT_TENANT, actor="user:anna", after=1, before=4)
    await follow_all(make_subscribing(engine, redis))

    assert (done.published, done.revived, done.next_after) == (2, 0, None)
    sequences = [int(event["sequence"]) for event in await in_stream(redis)]
    assert sequences == [1, 2, 3, 4, 5, 2, 3]
    assert await effects() == (5, 5)
    assert await truth.fetchval("SELECT actor FROM audit WHERE action = 'events.replayed'") == "user:anna"


async def test_a_replay_by_id_takes_the_ids_of_its_tenant_only(engine, redis, replay, truth):
    await truth.execute(
        "INSERT INTO tenant (id, slug, name, timezone) VALUES ($1, 'other', 'Other', 'UTC')", OTHER_TENANT
    )
    await record_opened(engine, 1)
    await record_opened(engine, 1, OTHER_TENANT)
    await publish_all(engine, redis)
    ids = [row["id"] for row in await truth.fetch("SELECT id FROM outbox")]

    assert (await replay.replay(DEFAULT_TENANT, actor="cli", event_ids=ids)).published == 1


async def test_a_replay_without_redis_counts_nothing(engine, redis, truth, tmp_path):
    await record_opened(engine, 1)
    await publish_all(engine, redis)
    away = make_streams(create_redis(f"unix://{tmp_path}/nobody.sock"))
    replay = make_replay(engine, away)

    with pytest.raises(StreamsUnavailable):
        await replay.replay(DEFAULT_TENANT, actor="cli", after=0)

    assert await truth.fetchval("SELECT publications FROM outbox") == 1


async def test_a_dead_letter_is_revived_and_gets_a_new_set_of_attempts(engine, redis, replay, effects, truth):
    class Ill(Refused):
        code = "test.ill"

    broken = True

    async def fail_while_broken(event):
        if broken:
            raise Ill

    await record_opened(engine, 2)
    await publish_all(engine, redis)
    subscribing = make_subscribing(engine, redis, Counting(fail_while_broken), max_attempts=2)
    await follow_all(subscribing)

    async def dead():
        await subscribing.retry()
        return await truth.fetchval("SELECT count(*) FROM inbox WHERE state = 'dead'") == 2

    await eventually(dead)
    backlog = await SqlEventBacklog(engine, [SUBSCRIPTION]).measure()
    assert (backlog.unpublished, backlog.unacknowledged, backlog.subscribers[0].dead) == (0, 0, 2)

    broken = False
    assert (await replay.revive(DEFAULT_TENANT, SUBSCRIPTION.subscriber, actor="cli")).revived == 2

    async def acted():
        await subscribing.retry()
        return await effects() == (2, 2)

    await eventually(acted)
    assert (await replay.revive(DEFAULT_TENANT, SUBSCRIPTION.subscriber, actor="cli")).revived == 0


async def test_only_what_everybody_has_acted_on_is_forgotten(engine, redis, truth, effects):
    await record_opened(engine, 30)
    await publish_all(engine, redis)
    subscribing = make_subscribing(engine, redis, batch=20)
    await subscribing.follow(SOON)
    await subscribing.follow(SOON)
    await make_republishing(engine, make_streams(redis)).republish_overdue()
    await truth.execute(
        "UPDATE inbox SET state = 'dead' WHERE event_id = (SELECT id FROM outbox WHERE position = 3)"
    )
    await truth.execute("UPDATE outbox SET published_at = published_at - interval '8 days'")
    keep = Keep(outbox=7 * DAY, inbox=30 * DAY, executions=90 * DAY)
    retention = RetentionService(
        SqlForgettableRows(engine, [SUBSCRIPTION]), make_streams(redis), keep, batch=4
    )

    report = await retention.run()

    assert report["outbox"] == 19
    left = [row["position"] for row in await truth.fetch("SELECT position FROM outbox ORDER BY position")]
    assert left == [3, *range(21, 31)]
    assert report["inbox"] == 0


async def test_acknowledgements_outlive_their_events(engine, redis, truth):
    await record_opened(engine, 10)
    await publish_all(engine, redis)
    await follow_all(make_subscribing(engine, redis))
    await truth.execute("UPDATE inbox SET handled_at = handled_at - interval '31 days'")
    await truth.execute("DELETE FROM outbox WHERE position <= 4")
    keep = Keep(outbox=7 * DAY, inbox=30 * DAY, executions=90 * DAY)
    retention = RetentionService(
        SqlForgettableRows(engine, [SUBSCRIPTION]), make_streams(redis), keep, batch=3
    )

    assert (await retention.run())["inbox"] == 4
    assert await truth.fetchval("SELECT count(*) FROM inbox") == 6


async def test_old_executions_slots_and_keys_go(engine, redis, truth):
    old = "clock_timestamp() - interval '91 days'"
    await truth.execute(
        "INSERT INTO execution (id, tenant_id, name, fired_by, status, actor, created_at, finished_at, lease_until)"
        f" SELECT gen_random_uuid(), $1, 'sweep', 'http', s, 'clock', {old}, CASE WHEN s = 'running' THEN NULL"
        f" ELSE {old} END, {old} FROM unnest(ARRAY['succeeded', 'running']) s",
        DEFAULT_TENANT,
    )
    await truth.execute(
        "INSERT INTO slot (tenant_id, name, scheduled_at, execution_id, claimed_at)"
        f" SELECT $1, 'sweep', {old} + n * interval '1 minute', gen_random_uuid(), {old}"
        " FROM generate_series(1, 5) n",
        DEFAULT_TENANT,
    )
    await truth.execute(
        "INSERT INTO idempotency_key"
        " (tenant_id, principal, key, fingerprint, state, claim, lease_until, expires_at)"
        " SELECT $1, 'user:anna', k, '', 'done', gen_random_uuid(), clock_timestamp(), clock_timestamp() + i"
        " FROM (VALUES ('old', interval '-1 s'), ('new', interval '1 h')) v(k, i)",
        DEFAULT_TENANT,
    )
    keep = Keep(outbox=7 * DAY, inbox=30 * DAY, executions=90 * DAY)

    report = await RetentionService(SqlForgettableRows(engine, []), make_streams(redis), keep).run()

    assert (report["executions"], report["slots"], report["idempotency_keys"]) == (1, 4, 1)
