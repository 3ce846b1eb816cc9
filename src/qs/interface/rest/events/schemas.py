"""JSON Schemas of the published events, made from the classes that record them."""

from typing import Any

import msgspec

from qs.domain.kernel.event import Payload, event_type
from qs.domain.plan import events as plan_events
from qs.domain.webhook import events as webhook_events

PUBLISHED: tuple[type[Payload], ...] = (*plan_events.ALL_EVENTS, *webhook_events.ALL_EVENTS)

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TEXT = {"type": "string", "minLength": 1}
_ATTRIBUTES: dict[str, Any] = {
    "id": {"type": "string", "format": "uuid"},
    "source": _TEXT,
    "specversion": {"const": "1.0"},
    "subject": _TEXT,
    "time": {"type": "string", "format": "date-time"},
    "datacontenttype": {"const": "application/json"},
    "partitionkey": {"type": "string", "format": "uuid"},
    "sequence": {"type": "string", "pattern": "^[0-9]{20}$"},
}

_TRACEPARENT = {
    "type": "string",
    "pattern": "^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$",
    "description": "The trace that the event was recorded in (W3C Trace Context); only where traces are kept.",
}


def event_schemas() -> dict[str, dict[str, Any]]:
    """A schema of the whole CloudEvent for each type, e.g. ``qs.plan.task_opened.v1``.

    Fields may be added to events: unknown ones are allowed, as readers must allow them.
    """
    return {event_type(each.context, each.name): _schema(each) for each in PUBLISHED}


def _schema(payload: type[Payload]) -> dict[str, Any]:
    data = msgspec.json.schema(payload)["$defs"][payload.__name__]
    if payload.name == "TaskOpened":
        data["properties"]["entry_url"] = {
            "type": "string",
            "format": "uri",
            "description": "The link; only in the stream, and only where QS_EVENTS_ENTRY_URL is set.",
        }
    always = {**_ATTRIBUTES, "type": {"const": event_type(payload.context, payload.name)}, "data": data}
    return {
        "$schema": _DIALECT,
        "title": payload.name,
        "type": "object",
        "properties": {**always, "traceparent": _TRACEPARENT},
        "required": sorted(always),
    }
