"""What the notification routes answer."""

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta, Struct

from qs.application.notification.reading import DeliveryHistory
from qs.domain.notification.delivery import Delivery, DeliveryStatus, Outcome


class NotificationView(Struct, kw_only=True):
    """That one recipient is told over one channel, without text, link or address."""

    id: Annotated[
        UUID, Meta(description="Receivers get it as Message-ID or webhook-id, the same at every attempt.")
    ]
    event_id: UUID
    event_name: Annotated[str, Meta(examples=["TaskOpened"])]
    occasion: Annotated[
        str,
        Meta(description="Empty for the event itself, else which reminder it is.", examples=["after:2d"]),
    ]
    task_id: UUID | None
    testee_id: UUID | None
    plan_id: UUID | None
    recipient: Annotated[str, Meta(description="`testee:…`, `guardian:…:n`, `staff` or `staff:n`.")]
    channel: Annotated[str, Meta(examples=["email"])]
    template: Annotated[str, Meta(examples=["task_opened"])]
    locale: Annotated[str, Meta(examples=["zh"])]
    status: DeliveryStatus
    reason: Annotated[str | None, Meta(description="Why it was skipped or given up.", examples=["opted_out"])]
    attempts: int
    next_attempt_at: Annotated[datetime | None, Meta(description="Null once it is settled.")]
    not_before: Annotated[
        datetime | None,
        Meta(description="In business time: when a reminder falls, or what was held back may go out."),
    ]
    digest_id: Annotated[
        UUID | None,
        Meta(description="The id of the message that it went out in, which others may have gone out in too."),
    ]
    created_at: datetime
    sent_at: Annotated[datetime | None, Meta(description="In business time.")]


class AttemptView(Struct):
    """One try. `unknown`: whoever was sending never said how it ended."""

    number: int
    at: datetime
    outcome: Outcome
    answer: Annotated[str | None, Meta(description="What the receiver said, without addresses.")]
    template_version: Annotated[
        int | None,
        Meta(description="Of the text that was sent: 0 for the built-in one, null where nothing is known."),
    ]


class NotificationHistoryView(NotificationView, kw_only=True):
    """A notification with all its attempts, the oldest first."""

    history: list[AttemptView]


def notification_view(delivery: Delivery) -> NotificationView:
    return NotificationView(**_fields(delivery))


def history_view(found: DeliveryHistory) -> NotificationHistoryView:
    history = [
        AttemptView(each.number, each.at.astimezone(UTC), each.outcome, each.answer, each.template_version)
        for each in found.attempts
    ]
    return NotificationHistoryView(**_fields(found.delivery), history=history)


def _fields(delivery: Delivery) -> dict[str, Any]:
    waiting = delivery.status in (DeliveryStatus.QUEUED, DeliveryStatus.SENDING)
    return {
        "id": delivery.id,
        "event_id": delivery.event_id,
        "event_name": delivery.event_name,
        "occasion": delivery.occasion,
        "task_id": delivery.task_id,
        "testee_id": delivery.testee_id,
        "plan_id": delivery.plan_id,
        "recipient": delivery.recipient,
        "channel": delivery.channel,
        "template": delivery.template,
        "locale": delivery.locale,
        "status": delivery.status,
        "reason": delivery.reason,
        "attempts": delivery.attempts,
        "next_attempt_at": delivery.next_attempt_at.astimezone(UTC) if waiting else None,
        "not_before": delivery.not_before.astimezone(UTC) if delivery.not_before else None,
        "digest_id": delivery.digest_id,
        "created_at": delivery.created_at.astimezone(UTC),
        "sent_at": _sent_at(delivery),
    }


def _sent_at(delivery: Delivery) -> datetime | None:
    if delivery.status is not DeliveryStatus.SENT or delivery.settled_at is None:
        return None
    return delivery.settled_at.astimezone(UTC)
