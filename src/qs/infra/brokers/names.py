"""What things are called at a broker, and the time it is given."""

from collections.abc import Iterable
from dataclasses import dataclass

from qs.application.kernel.brokers import CONTENT_TYPE, OutgoingEvent

CONFIRMED_WITHIN_S = 8.0
"""How long an event may go without the broker's word: less than a turn may stand idle in its transaction."""
CONNECTED_WITHIN_S = 5.0
AGAIN_AFTER_S = 1.0
"""When a message comes again that could not be handled now."""
LOOKED_AFTER_S = 1.0
"""How often a consumer looks whether its connection is still there."""
AT_ONCE = 10
"""Messages of the incoming queue that are handled side by side."""


@dataclass(frozen=True, slots=True)
class Names:
    """All names begin with the prefix, so that several installations can share a broker."""

    prefix: str

    @property
    def events(self) -> str:
        """The topic (Kafka, NSQ) or the topic exchange (RabbitMQ) of all events."""
        return f"{self.prefix}.events"

    @property
    def events_stream(self) -> str:
        """The stream (NATS), whose name has no dots."""
        return f"{self.prefix.replace('.', '_')}_events"

    def subject(self, event: OutgoingEvent) -> str:
        """The subject (NATS) or the routing key (RabbitMQ) of an event, such as ``qs.plan.TaskOpened``."""
        return f"{self.prefix}.{event.context}.{event.name}"

    def subjects(self, contexts: Iterable[str]) -> list[str]:
        """All subjects of these contexts (NATS)."""
        return [f"{self.prefix}.{context}.*" for context in sorted(contexts)]

    @property
    def requests(self) -> str:
        """The queue, subject or topic by which executions of jobs are asked for."""
        return f"{self.prefix}.job-requests"

    @property
    def requests_stream(self) -> str:
        return f"{self.prefix.replace('.', '_')}_job_requests"

    @property
    def dead(self) -> str:
        """Where requests go that are refused for good."""
        return f"{self.requests}.dead"

    @property
    def group(self) -> str:
        """The consumer group, durable consumer or channel that all processes share."""
        return f"{self.prefix.replace('.', '_')}_jobs"


def headers_of(event: OutgoingEvent) -> dict[str, str]:
    return {"content-type": CONTENT_TYPE, "ce_id": event.id}
