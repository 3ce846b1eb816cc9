"""What is published about the messages of qs, made from the classes behind them: JSON Schemas and AsyncAPI 3.0."""

import json
from collections.abc import Mapping
from typing import Any

import msgspec
import yaml

from qs.application.kernel.brokers import CONTENT_TYPE
from qs.application.scheduler.accepting import JobRequestBody
from qs.infra.brokers.linking import RefusedMessage
from qs.infra.brokers.names import Names
from qs.interface.rest.events.schemas import PUBLISHED, event_schemas

JOB_REQUEST, DEAD_LETTER = "qs.job_request.v1", "qs.job_request_refused.v1"

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_NAMES = Names("qs")
# Of what is promised here, and not of the release: it changes when a message does.
_VERSION = "1.0.0"
_INFO = """\
Events leave qs as CloudEvents 1.0 in JSON, at least once, always under the same id; order holds within a partition key,
redeliveries may be late. They hold ids and values only: no link, name, contact or answer. All names begin with mq.prefix,
which is qs unless it is set. Requests for executions of jobs come in where mq.accept_jobs is set."""


def schemas() -> dict[str, dict[str, Any]]:
    """A JSON Schema (2020-12) by type: every event, a request for an execution, and one that was refused."""
    return {
        **event_schemas(),
        JOB_REQUEST: _schema_of(JobRequestBody, "JobRequest"),
        DEAD_LETTER: _schema_of(RefusedMessage, "RefusedJobRequest"),
    }


def asyncapi() -> dict[str, Any]:
    """The AsyncAPI 3.0 document, which needs no other file."""
    named = schemas()
    events = {each.name: name for each, name in zip(PUBLISHED, event_schemas(), strict=True)}
    messages = {
        **{name: _message(name, of, CONTENT_TYPE) for name, of in events.items()},
        "JobRequest": _message("JobRequest", JOB_REQUEST, "application/json"),
        "RefusedJobRequest": _message("RefusedJobRequest", DEAD_LETTER, "application/json"),
    }
    channels = {
        "stream": _channel("qs:events:{context}", "Redis Stream, field event of each entry", list(events)),
        "events": _channel(
            _NAMES.events,
            "Topic of Kafka and NSQ. RabbitMQ: topic exchange with the routing key qs.{context}.{name}. NATS: the"
            f" subjects qs.{{context}}.{{name}} of the stream {_NAMES.events_stream}.",
            list(events),
        ),
        "jobRequests": _channel(_NAMES.requests, "Queue, topic or subject.", ["JobRequest"]),
        "refusedJobRequests": _channel(
            _NAMES.dead, "Requests refused for good, with the reason.", ["RefusedJobRequest"]
        ),
    }
    channels["stream"]["parameters"] = {"context": {"enum": sorted({each.context for each in PUBLISHED})}}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "qs events", "version": _VERSION, "description": _INFO},
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": {
            "appendToStream": _operation("send", "stream", "Every event, to Redis."),
            "publishEvents": _operation("send", "events", "Every event, where mq.type is set."),
            "acceptJobRequests": _operation("receive", "jobRequests", "One execution per idempotency_key."),
            "refuseJobRequests": _operation("send", "refusedJobRequests", "What is not run, and why."),
        },
        "components": {
            "messages": messages,
            "schemas": {name: {k: v for k, v in named[name].items() if k != "$schema"} for name in named},
        },
    }


def files() -> Mapping[str, str]:
    """What is committed under ``docs/events``, as text by path."""
    texts = {"asyncapi.yaml": yaml.safe_dump(asyncapi(), sort_keys=False, allow_unicode=True, width=120)}
    for name, schema in schemas().items():
        texts[f"schemas/{name}.json"] = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
    return texts


def _schema_of(kind: type[msgspec.Struct], title: str) -> dict[str, Any]:
    schema: dict[str, Any] = msgspec.json.schema(kind)["$defs"][kind.__name__]
    return {"$schema": _DIALECT, **schema, "title": title}


def _message(name: str, of: str, content_type: str) -> dict[str, Any]:
    return {"name": name, "contentType": content_type, "payload": {"$ref": f"#/components/schemas/{of}"}}


def _channel(address: str, description: str, messages: list[str]) -> dict[str, Any]:
    found = {name: {"$ref": f"#/components/messages/{name}"} for name in messages}
    return {"address": address, "description": description, "messages": found}


def _operation(action: str, channel: str, summary: str) -> dict[str, Any]:
    return {"action": action, "channel": {"$ref": f"#/channels/{channel}"}, "summary": summary}
