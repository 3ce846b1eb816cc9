"""``/events`` as others program against it."""

from datetime import timedelta
from uuid import uuid4

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from qs.interface.rest.events.schemas import event_schemas
from tests.support.events import OTHER_TENANT, in_stream, publish_all, record_opened
from tests.support.http import app_over, serving
from tests.support.notifying import Clinic, mailbox


@pytest.fixture
async def stranger(container):
    async with serving(app_over(container)) as client:
        yield client


@pytest.fixture
async def api(stranger, container):
    issued = await container.token_issuing().issue(
        Clinic.tenant_id, ["events:read", "events:write"], timedelta(hours=1), actor="test"
    )
    stranger.headers["Authorization"] = f"Bearer {issued.token}"
    return stranger


async def test_the_feed_is_read_on_from_where_it_ended(api, engine, redis):
    await record_opened(engine, 5)
    await publish_all(engine, redis)

    first = (await api.get("/api/v1/events?page_size=3")).json()["data"]
    second = (await api.get(f"/api/v1/events?after={first['next_after']}&page_size=3")).json()["data"]
    end = (await api.get(f"/api/v1/events?after={second['next_after']}")).json()["data"]

    assert [int(item["sequence"]) for item in first["items"] + second["items"]] == [1, 2, 3, 4, 5]
    assert end == {"items": [], "next_after": 5}
    assert first["items"] == (await in_stream(redis))[:3]


async def test_a_tenant_reads_its_own_events_only(api, engine, redis, truth):
    await truth.execute(
        "INSERT INTO tenant (id, slug, name, timezone) VALUES ($1, 'other', 'Other', 'UTC')", OTHER_TENANT
    )
    await record_opened(engine, 2, OTHER_TENANT)
    await publish_all(engine, redis)

    assert (await api.get("/api/v1/events")).json()["data"]["items"] == []
    assert (await api.post("/api/v1/events/replay", json={"after": 0})).json()["data"]["published"] == 0


@pytest.mark.parametrize(
    "query",
    [
        "after=-1",
        "after=x",
        "after=9223372036854775808",
        "context=other",
        "page_size=0",
        "page_size=101",
        "limit=1",
    ],
)
async def test_a_query_that_makes_no_sense_is_refused(api, query):
    assert (await api.get(f"/api/v1/events?{query}")).status_code == 422


async def test_a_replay_publishes_a_range_again(api, engine, redis):
    await record_opened(engine, 4)
    await publish_all(engine, redis)

    answer = await api.post("/api/v1/events/replay", json={"after": 1, "before": 4})

    assert answer.status_code == 200
    assert answer.json()["data"] == {"published": 2, "revived": 0, "next_after": None}
    assert len(await in_stream(redis)) == 6


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/ids"),
        ({"ids": []}, "/ids"),
        ({"ids": [str(uuid4())], "after": 1}, "/ids"),
        ({"subscriber": "notifications"}, "/dead"),
        ({"dead": True}, "/subscriber"),
        ({"subscriber": "notifications", "dead": True, "before": 3}, "/before"),
        ({"after": -1}, "/after"),
        ({"since": 1}, "/since"),
    ],
)
async def test_a_replay_that_does_not_say_what_is_refused(api, body, pointer):
    answer = await api.post("/api/v1/events/replay", json=body)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer


async def test_reading_and_replaying_need_their_scopes(stranger, container):
    issued = await container.token_issuing().issue(
        Clinic.tenant_id, ["plans:read"], timedelta(hours=1), actor="test"
    )
    allowed = {"Authorization": f"Bearer {issued.token}"}

    assert (await stranger.get("/api/v1/events")).status_code == 401
    assert (await stranger.get("/api/v1/events", headers=allowed)).status_code == 403
    assert (
        await stranger.post("/api/v1/events/replay", json={"after": 0}, headers=allowed)
    ).status_code == 403


async def test_every_event_of_a_task_fits_its_published_schema(container, truth, redis, engine):
    clinic = Clinic(container, truth)
    testee_id = await clinic.testee([mailbox("anna@example.org")])
    plan_id = await clinic.plan()
    task_id = await clinic.opened(testee_id, plan_id)
    operating = container.task_operating()
    await operating.reissue(clinic.tenant_id, task_id, actor="test")
    await operating.complete(clinic.tenant_id, task_id, "A-1", actor="test")
    await container.plan_steering().pause(clinic.tenant_id, plan_id, actor="test")
    await container.testee_keeping().erase(clinic.tenant_id, testee_id, actor="test")
    await publish_all(engine, redis)
    schemas = event_schemas()

    events = await in_stream(redis)

    assert {"qs.plan.task_opened.v1", "qs.plan.entry_reissued.v1", "qs.plan.testee_erased.v1"} <= {
        event["type"] for event in events
    }
    for event in events:
        schema = schemas[event["type"]]
        Draft202012Validator.check_schema(schema)
        Draft202012Validator(schema).validate(event)
