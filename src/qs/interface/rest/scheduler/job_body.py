"""The document of a job as a body: its schema is here, its rules are the domain's, which names all problems at once."""

from typing import Annotated, Any

from msgspec import UNSET, Meta

from qs.application.scheduler.job_documents import TARGET_KINDS
from qs.domain.scheduler.policies import Backoff, MisfirePolicy, NoticeOn, OverlapPolicy
from qs.domain.scheduler.triggers import TriggerKind
from qs.interface.rest.bodies import Body, Instant

MOST_PREVIEWED = 100


def _raw(description: str, example: Any, schema: dict[str, Any]) -> Meta:
    """The schema of a field that arrives as it was sent."""
    return Meta(description=description, examples=[example], extra_json_schema={"extra": schema})


def _text(longest: int, *, nullable: bool = True) -> dict[str, Any]:
    return {"type": ["string", "null"] if nullable else "string", "maxLength": longest}


def _whole(low: int, high: int) -> dict[str, Any]:
    return {"type": ["integer", "null"], "minimum": low, "maximum": high}


def _choice(values: Any) -> dict[str, Any]:
    return {"type": ["string", "null"], "enum": [*(str(value) for value in values), None]}


def _names(description: str) -> Meta:
    items = {"type": "string", "minLength": 1, "maxLength": 200}
    return _raw(description, ["next-job"], {"type": ["array", "null"], "items": items, "maxItems": 20})


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": ["object", "null"], "properties": properties, "additionalProperties": False}


def _policy_or(choices: Any, **properties: dict[str, Any]) -> dict[str, Any]:
    """The policy's name alone, or an object that holds it."""
    return {"anyOf": [_choice(choices), _object(policy=_choice(choices), **properties)]}


_DURATION = _text(64)
_ONE_OF_THE_KINDS = {
    "type": ["object", "null"],
    "description": "Exactly one of the kinds. builtin and command take a name where there are no parameters.",
    "minProperties": 1,
    "maxProperties": 1,
    "additionalProperties": False,
    "properties": {
        kind: {"anyOf": [{"type": "object"}, _text(200, nullable=False)]}
        if kind in ("builtin", "command")
        else {"type": "object"}
        for kind in TARGET_KINDS
    },
}
_RETRY = _object(
    max_attempts=_whole(1, 100),
    backoff=_choice(Backoff),
    delay=_DURATION,
    max_delay=_DURATION,
    jitter={"type": ["number", "null"], "minimum": 0, "maximum": 1},
    retry_on={
        "type": ["array", "null"],
        "items": {"type": "string", "maxLength": 20},
        "maxItems": 20,
        "description": "timeout, error, exit:75, http:503, 5xx; empty: every failure that is not permanent.",
    },
)
_MISFIRE = _policy_or(MisfirePolicy, grace=_DURATION, catchup_window=_DURATION, max_catchup=_whole(1, 1000))
_NOTIFY = _object(
    webhook=_text(2000),
    email={"type": ["array", "null"], "items": {"type": "string", "maxLength": 255}, "maxItems": 20},
    on={"type": ["array", "null"], "items": {"type": "string", "enum": list(NoticeOn)}, "maxItems": 10},
)


class TriggerBody(Body):
    """When a job runs; docs/scheduler/triggers.md says what each type takes."""

    type: Annotated[Any, _raw("The kind of trigger.", "cron", _choice(TriggerKind))] = UNSET
    schedule: Annotated[
        Any,
        _raw("A cron expression, a duration, times of day …: as the type has it.", "0 2 * * *", _text(1000)),
    ] = UNSET
    timezone: Annotated[Any, _raw("IANA name; the scheduler's if left out.", "Asia/Shanghai", _text(100))] = (
        UNSET
    )
    dialect: Annotated[Any, _raw("cron only.", "standard", _choice(("standard", "quartz")))] = UNSET
    jitter: Annotated[Any, _raw("Up to so long after its slot, always the same.", "30s", _DURATION)] = UNSET
    start_at: Annotated[
        Any,
        _raw(
            "Nothing before it.", "2026-01-01T00:00:00Z", {"type": ["string", "null"], "format": "date-time"}
        ),
    ] = UNSET
    end_at: Annotated[
        Any,
        _raw(
            "Nothing from then on.",
            "2027-01-01T00:00:00Z",
            {"type": ["string", "null"], "format": "date-time"},
        ),
    ] = UNSET
    max_runs: Annotated[Any, _raw("How many slots fire at most.", 10, _whole(1, 2**53))] = UNSET
    calendar: Annotated[Any, _raw("The name of a calendar to follow.", "china-2026", _text(100))] = UNSET
    missing: Annotated[Any, _raw("monthly only.", "skip", _choice(("skip", "clamp")))] = UNSET
    grace: Annotated[Any, _raw("once only: how late it may be.", "5m", _DURATION)] = UNSET

    def given(self) -> dict[str, Any]:
        """The fields that were sent, as they were sent."""
        values = ((name, getattr(self, name)) for name in self.__struct_fields__)
        return {name: value for name, value in values if value is not UNSET}


class JobBody(TriggerBody):
    """A job. `name`, `type` and `schedule` are needed to create one; without `target` it is the builtin of its name."""

    name: Annotated[Any, _raw("Unique in the tenant.", "tidy-uploads", _text(200))] = UNSET
    target: Annotated[Any, _raw("What is run.", {"builtin": "hello_job"}, _ONE_OF_THE_KINDS)] = UNSET
    payload: Annotated[
        Any, _raw("What the target is given, up to 64 KiB.", {"days": 7}, {"type": ["object", "null"]})
    ] = UNSET
    enabled: Annotated[Any, _raw("Whether it fires by time.", True, {"type": ["boolean", "null"]})] = UNSET
    queue: Annotated[Any, _raw("1 to 64 of a-z, 0-9, - and _.", "default", _text(64))] = UNSET
    priority: Annotated[Any, _raw("Greater ones begin first.", 0, _whole(-100, 100))] = UNSET
    timeout: Annotated[Any, _raw("For one attempt.", "10m", _DURATION)] = UNSET
    total_timeout: Annotated[Any, _raw("For all attempts and the waits between.", "1h", _DURATION)] = UNSET
    start_deadline: Annotated[Any, _raw("It expires when it has not begun by then.", "5m", _DURATION)] = UNSET
    retry: Annotated[Any, _raw("When it is tried again.", {"max_attempts": 3}, _RETRY)] = UNSET
    misfire: Annotated[Any, _raw("What becomes of slots nobody claimed in time.", "fire_once", _MISFIRE)] = (
        UNSET
    )
    overlap: Annotated[
        Any,
        _raw(
            "What becomes of a run while one is active.",
            "skip",
            _policy_or(OverlapPolicy, max=_whole(1, 1000)),
        ),
    ] = UNSET
    on_success: Annotated[Any, _names("Jobs that run after a success.")] = UNSET
    on_failure: Annotated[Any, _names("Jobs that run after a failure.")] = UNSET
    on_completion: Annotated[Any, _names("Jobs that run after either.")] = UNSET
    notify: Annotated[Any, _raw("Who is told how it ended.", {"email": ["ops@example.org"]}, _NOTIFY)] = UNSET
    remarks: Annotated[Any, _raw("For people.", "clears old uploads", _text(2000))] = UNSET


class PreviewBody(TriggerBody):
    """A trigger, and from when on how many of its slots are wanted."""

    after: Instant | None = None
    count: Annotated[int, Meta(ge=1, le=MOST_PREVIEWED)] = 10

    def trigger(self) -> dict[str, Any]:
        """The fields of the trigger alone."""
        return {name: value for name, value in self.given().items() if name not in ("after", "count")}
