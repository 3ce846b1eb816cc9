"""The events of the webhook context. Field names are part of the published contract."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID


@dataclass(slots=True, eq=False)
class WebhookEndpointDisabled:
    """qs stopped sending to an endpoint by itself. ``reason`` is gone (it answered 410) or failing."""

    context: ClassVar[str] = "webhook"
    subject_kind: ClassVar[str] = "webhooks"
    name: ClassVar[str] = "WebhookEndpointDisabled"

    webhook_id: UUID
    reason: str
    failing_since: datetime | None


ALL_EVENTS = (WebhookEndpointDisabled,)
