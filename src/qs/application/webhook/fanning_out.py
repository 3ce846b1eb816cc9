"""From events to intents: which endpoints get them, written in the transaction that acknowledges the event."""

from collections.abc import Sequence

import msgspec

from qs.application.kernel.cloud_events import PublishedEvent, cloud_event
from qs.application.kernel.subscriptions import Subscription
from qs.application.webhook.ports import NewDelivery, WebhookUnitOfWork
from qs.domain.plan import events as plan_events
from qs.domain.webhook import events as webhook_events

PUBLISHED = tuple(
    (event.context, event.name) for event in (*plan_events.ALL_EVENTS, *webhook_events.ALL_EVENTS)
)
"""Every event there is to be asked for: its context and its name."""

SUBSCRIPTION = Subscription(
    "webhooks",
    tuple(dict.fromkeys(context for context, _ in PUBLISHED)),
    tuple(name for _, name in PUBLISHED),
)

_encode = msgspec.json.Encoder().encode


class FanningOut:
    """The subscriber ``webhooks``. An endpoint gets the events that were recorded since it was made.

    What comes while it is disabled is skipped and can be replayed.
    """

    subscription = SUBSCRIPTION

    async def handle(self, uow: WebhookUnitOfWork, events: Sequence[PublishedEvent]) -> None:
        """Adds the deliveries that follow from the events of one tenant."""
        endpoints = await uow.endpoints.all()
        wanted = [
            (event, NewDelivery(endpoint.id, event.id, event.name, skipped=not endpoint.enabled))
            for endpoint in endpoints
            for event in events
            if endpoint.wants(event.context, event.name)
        ]
        # The same bytes as in the stream, without the link that may be in there.
        bodies = {event.id: _encode(cloud_event(event)).decode() for event, _ in wanted}
        await uow.deliveries.add([delivery for _, delivery in wanted], bodies)
