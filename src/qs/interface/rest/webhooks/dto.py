"""What the webhook routes take and answer."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType, field

from qs.application.webhook.history import DeliveryHistory, Replay, Replayed
from qs.application.webhook.keeping import EndpointChange
from qs.application.webhook.trying import Trial
from qs.domain.webhook.delivery import Delivery, DeliveryStatus, Outcome
from qs.domain.webhook.endpoint import DisabledReason, Endpoint
from qs.interface.rest.bodies import Body, Instant, Name
from qs.interface.rest.plan.examples import SOME_ID, a_body_like

_WAITING = (DeliveryStatus.QUEUED, DeliveryStatus.SENDING)

Url = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=2000,
        description="https to a public address; http and other addresses only in `outbound.allow_networks`.",
        examples=["https://study.example.org/qs"],
    ),
]
EventFilter = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=100,
        pattern=r"^[A-Za-z.]*\*?$(?!\n)",
        extra={"expected": "the name of an event, or the beginning of one and a *"},
        examples=["TaskOpened", "plan.*"],
    ),
]
EventFilters = Annotated[
    list[EventFilter],
    Meta(
        min_length=1,
        max_length=50,
        description="Names of events, with or without their context, or the beginning of one and a `*`.",
    ),
]


class WebhookBody(Body):
    """A new endpoint. Without `events` it gets all there are."""

    name: Name
    url: Url
    events: EventFilters = field(default_factory=lambda: ["*"])


class WebhookPatchBody(Body):
    """What is to be another. An endpoint that is enabled again, or gets another URL, starts as one that never failed."""

    name: Name | UnsetType = UNSET
    url: Url | UnsetType = UNSET
    events: EventFilters | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET

    def change(self) -> EndpointChange:
        given = {name: getattr(self, name) for name in ("name", "url", "events", "enabled")}
        return EndpointChange(**{name: value for name, value in given.items() if value is not UNSET})


class RotationBody(Body):
    """For how long the secret before it signs as well; 0 ends it at once."""

    overlap_hours: Annotated[int, Meta(ge=0, le=168, examples=[24])] = 24

    @property
    def overlap(self) -> timedelta:
        return timedelta(hours=self.overlap_hours)


class WebhookReplayBody(Body):
    """Which deliveries: of `delivery_ids`; or made from `since` until before `until`; or all of a `status`.

    Of ids all that are settled are sent again, else those that are dead or skipped, unless `status` says which.
    """

    delivery_ids: Annotated[list[UUID], Meta(min_length=1, max_length=1000)] | None = None
    since: Instant | None = None
    until: Instant | None = None
    status: Literal["sent", "dead", "skipped"] | None = None

    def replay(self) -> Replay:
        status = None if self.status is None else DeliveryStatus(self.status)
        return Replay(self.delivery_ids, self.since, self.until, status)


NewWebhook = Annotated[
    WebhookBody,
    a_body_like(name="study system", url="https://study.example.org/qs", events=["plan.*"]),
]
WebhookPatch = Annotated[WebhookPatchBody, a_body_like(events=["TaskOpened", "TaskCompleted"])]
WebhookReplayRequest = Annotated[WebhookReplayBody, a_body_like(delivery_ids=[SOME_ID])]


class WebhookView(Struct, kw_only=True):
    """An endpoint without its secrets. Instants are real time."""

    id: UUID
    name: str
    url: str
    events: list[str]
    enabled: bool
    disabled_reason: Annotated[
        DisabledReason | None,
        Meta(description="`manual`, `gone` (it answered 410), `failing` (nothing but failures for days)."),
    ]
    disabled_at: datetime | None
    failing_since: Annotated[datetime | None, Meta(description="Null where the last delivery was accepted.")]
    previous_secret_until: Annotated[
        datetime | None, Meta(description="Until then the secret before the last rotation signs too.")
    ]
    created_at: datetime

    @classmethod
    def of(cls, endpoint: Endpoint) -> "WebhookView":
        return cls(**_shown(endpoint))


class NewWebhookView(WebhookView, kw_only=True):
    """``secret`` is shown this once."""

    secret: Annotated[
        str, Meta(description="What deliveries are verified with, as Standard Webhooks has it.")
    ]

    @classmethod
    def made(cls, endpoint: Endpoint, secret: str) -> "NewWebhookView":
        return cls(**_shown(endpoint), secret=secret)


class TrialView(Struct):
    """What the receiver said to the test event."""

    delivery_id: UUID
    event_id: UUID
    accepted: bool
    http_status: Annotated[int | None, Meta(description="Null where there was no answer.")]
    answer: Annotated[str, Meta(description="The status, or why there was no answer.")]
    duration_ms: int

    @classmethod
    def of(cls, trial: Trial) -> "TrialView":
        return cls(
            trial.delivery_id,
            trial.event_id,
            trial.accepted,
            trial.http_status,
            trial.answer,
            trial.duration_ms,
        )


class WebhookAttemptView(Struct):
    """One try. `unknown`: whoever was sending never said how it ended."""

    number: int
    at: datetime
    outcome: Outcome
    answer: str | None
    duration_ms: int | None


class WebhookDeliveryView(Struct, kw_only=True):
    """One event for one endpoint. Instants are real time."""

    id: UUID
    event_id: Annotated[
        UUID, Meta(description="Receivers get it as `webhook-id`, the same at every attempt.")
    ]
    event_name: Annotated[str, Meta(examples=["TaskOpened"])]
    status: DeliveryStatus
    reason: Annotated[
        str | None,
        Meta(
            description="Why it is dead (`attempts_exhausted`, `gone`, `test_failed`) or skipped (`endpoint_disabled`)."
        ),
    ]
    attempts: Annotated[int, Meta(description="Since it was replayed last.")]
    next_attempt_at: Annotated[datetime | None, Meta(description="Null once it is settled.")]
    created_at: datetime
    settled_at: datetime | None
    history: list[WebhookAttemptView]

    @classmethod
    def of(cls, found: DeliveryHistory) -> "WebhookDeliveryView":
        delivery = found.delivery
        return cls(
            id=delivery.id,
            event_id=delivery.event_id,
            event_name=delivery.event_name,
            status=delivery.status,
            reason=delivery.reason,
            attempts=delivery.attempts,
            next_attempt_at=_next(delivery),
            created_at=_utc(delivery.created_at),
            settled_at=None if delivery.settled_at is None else _utc(delivery.settled_at),
            history=[
                WebhookAttemptView(each.number, _utc(each.at), each.outcome, each.answer, each.duration_ms)
                for each in found.attempts
            ],
        )


class WebhookReplayView(Struct):
    """`more`: there are more than the 10,000 of one call; the same call goes on."""

    replayed: int
    more: bool

    @classmethod
    def of(cls, done: Replayed) -> "WebhookReplayView":
        return cls(done.replayed, done.more)


def _next(delivery: Delivery) -> datetime | None:
    return _utc(delivery.next_attempt_at) if delivery.status in _WAITING else None


def _shown(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "id": endpoint.id,
        "name": endpoint.name,
        "url": endpoint.url,
        "events": list(endpoint.events),
        "enabled": endpoint.enabled,
        "disabled_reason": endpoint.disabled_reason,
        "disabled_at": _utc(endpoint.disabled_at),
        "failing_since": _utc(endpoint.health.first_failure_at),
        "previous_secret_until": _utc(endpoint.previous_secret_until),
        "created_at": _utc(endpoint.created_at),
    }


def _utc(at: Any) -> Any:
    return None if at is None else at.astimezone(UTC)
