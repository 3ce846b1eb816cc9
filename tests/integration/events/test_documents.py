"""What is written down about events for other systems: schemas, AsyncAPI, and subscribers to begin with."""

import dataclasses
import json
import os
import sqlite3
import sys
import types
import typing
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import yaml
from jsonschema import Draft202012Validator, FormatChecker  # type: ignore[import-untyped]
from sqlalchemy.ext.asyncio import AsyncEngine

from qs.application.kernel.brokers import DeadLetter
from qs.domain.kernel.event import Event, Payload
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.infra.brokers.linking import dead_letter
from qs.interface.cli.event_documents import DEAD_LETTER, JOB_REQUEST, files, schemas
from qs.interface.rest.events.schemas import PUBLISHED
from qs.making_brokers import SUBSCRIPTION
from tests.support.events import publish_all, record, record_opened
from tests.support.processes import running

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs/events"
_VALUES: dict[Any, Any] = {
    UUID: UUID("0199a000-0000-7000-8000-000000000001"),
    str: "text",
    int: 3,
    bool: True,
    datetime: datetime(2026, 3, 2, 11, tzinfo=UTC),
    date: date(2026, 3, 2),
}


def payload_of(kind: type[Payload], *, empty: bool) -> Payload:
    """One of that kind; with ``empty`` everything that may be null is."""
    values = {}
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        hint = hints[field.name]
        choices = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
        values[field.name] = None if empty and type(None) in choices else _VALUES[choices[0]]
    return kind(**values)


async def test_a_recorded_event_of_every_kind_fits_its_schema(engine: AsyncEngine, redis):
    sent = [payload_of(kind, empty=empty) for kind in PUBLISHED for empty in (False, True)]
    now = datetime(2026, 3, 2, 11, tzinfo=UTC)
    await record(engine, [Event(DEFAULT_TENANT, uuid4(), uuid4(), now, payload) for payload in sent])
    await publish_all(engine, redis)
    found = [
        json.loads(fields[b"event"])
        for context in {kind.context for kind in PUBLISHED}
        for _, fields in await redis.xrange(f"qs:events:{context}")
    ]
    published = schemas()

    assert {event["type"] for event in found} == set(published) - {JOB_REQUEST, DEAD_LETTER}
    assert len(found) == len(sent)
    for event in found:
        Draft202012Validator(published[event["type"]], format_checker=FormatChecker()).validate(event)
        wrong = {**event, "data": {}}
        assert not Draft202012Validator(published[event["type"]]).is_valid(wrong)


def test_the_broker_is_waited_for_with_every_published_event():
    assert set(SUBSCRIPTION.names) == {kind.name for kind in PUBLISHED}
    assert set(SUBSCRIPTION.contexts) == {kind.context for kind in PUBLISHED}


def test_what_comes_and_goes_beside_events_fits_its_schema():
    request = Draft202012Validator(schemas()[JOB_REQUEST])
    refused = Draft202012Validator(schemas()[DEAD_LETTER])

    request.validate({"job_id": str(uuid4()), "idempotency_key": "k", "payload": {"a": 1}})
    assert not request.is_valid({"job_id": str(uuid4())})
    refused.validate(json.loads(dead_letter(DeadLetter("job.absent", "there is no such job"), b"\xff{}")))


def test_what_is_committed_is_what_the_code_says():
    """`qs events schema --out docs/events` writes them."""
    committed = {
        str(path.relative_to(DOCS)): path.read_text(encoding="utf-8")
        for path in DOCS.rglob("*")
        if path.suffix in (".json", ".yaml")
    }

    assert committed == dict(files())
    assert sum(len(text) for text in committed.values()) < 200_000


def test_every_reference_of_the_asyncapi_document_leads_somewhere():
    document = yaml.safe_load(files()["asyncapi.yaml"])
    assert document["asyncapi"] == "3.0.0"

    def follow(node: Any) -> None:
        if isinstance(node, dict):
            if "$ref" in node:
                place = document
                for word in node["$ref"].removeprefix("#/").split("/"):
                    place = place[word]
            for each in node.values():
                follow(each)
        elif isinstance(node, list):
            for each in node:
                follow(each)

    follow(document)
    for name, message in document["components"]["messages"].items():
        assert message["payload"]["$ref"].startswith("#/components/schemas/qs."), name
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("killed", [False, True])
async def test_the_subscriber_in_python_acts_once_on_each_event_although_all_come_again(
    engine: AsyncEngine, redis, redis_url: str, tmp_path: Path, killed: bool
):
    await record_opened(engine, 6)
    await publish_all(engine, redis)
    state = tmp_path / "state.sqlite"

    async def run(events: int) -> None:
        environment = {"QS_REDIS_URL": redis_url, "STATE": str(state), "EVENTS": str(events)}
        command = (sys.executable, ROOT / "examples/subscribers/subscriber.py")
        async with running(*command, env={**os.environ, **environment}) as process:
            assert await process.wait() == 0

    # Ends with the rest of what it was given not acknowledged, as a crash does.
    await run(2 if killed else 6)
    for _, fields in await redis.xrange("qs:events:plan"):
        await redis.xadd("qs:events:plan", fields)
    await record_opened(engine, 1)
    await publish_all(engine, redis)
    await run(5 if killed else 1)

    with sqlite3.connect(state) as database:
        (effects,), (subjects,) = (
            database.execute("SELECT count(*) FROM effect").fetchone(),
            database.execute("SELECT count(DISTINCT subject) FROM effect").fetchone(),
        )
    assert (effects, subjects) == (7, 7)
