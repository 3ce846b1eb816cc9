"""How the settings of the message broker become what speaks to it."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from qs.application.kernel.brokers import EventBroker, MessageQueue
from qs.application.kernel.forwarding import SUBSCRIBER, EventForwarding, ForwardingAgain, NoStream
from qs.application.kernel.subscribing import Subscribing
from qs.application.kernel.subscriptions import Subscription
from qs.application.scheduler.accepting import JobRequestAccepting
from qs.application.scheduler.operating import JobOperating
from qs.domain.plan import events as plan_events
from qs.domain.webhook import events as webhook_events
from qs.infra.brokers.addressing import BrokerAddress, default_port
from qs.infra.brokers.choosing import make_events, make_queue
from qs.infra.brokers.names import Names
from qs.infra.postgres.event_backlog import SqlEventBacklog
from qs.infra.postgres.failures import is_away, translate
from qs.infra.postgres.forwarding_outbox import SqlForwardingOutbox
from qs.infra.postgres.inbox import SqlDueAttempts
from qs.infra.postgres.unit_of_work import SqlUnitOfWork
from qs.settings import Settings

# Named here again, since whoever asks the interface for them loads all of that.
_PUBLISHED = (*plan_events.ALL_EVENTS, *webhook_events.ALL_EVENTS)
SUBSCRIPTION = Subscription(
    SUBSCRIBER,
    tuple(sorted({event.context for event in _PUBLISHED})),
    tuple(event.name for event in _PUBLISHED),
)


def all_subscriptions(settings: Settings, others: Sequence[Subscription]) -> Sequence[Subscription]:
    """Everybody whom the outbox waits for: the broker, too, where there is one."""
    return (*others, SUBSCRIPTION) if settings.mq.type else others


def make_event_broker(settings: Settings) -> EventBroker:
    """Where events go; only to be asked for where ``mq.type`` is set."""
    assert settings.mq.type is not None
    return make_events(settings.mq.type, _address(settings), Names(settings.mq.prefix))


def make_request_queue(settings: Settings) -> MessageQueue:
    """Where requests come from; only to be asked for where ``mq.accept_jobs`` is set."""
    assert settings.mq.type is not None
    return make_queue(settings.mq.type, _address(settings), Names(settings.mq.prefix))


def make_forwarding(engine: AsyncEngine, broker: EventBroker) -> EventForwarding:
    unit_of_work: Any = partial(SqlUnitOfWork, engine)
    return EventForwarding(SqlForwardingOutbox(engine), broker, unit_of_work)


def make_forwarding_again(engine: AsyncEngine, broker: EventBroker, max_attempts: int) -> Subscribing[Any]:
    return Subscribing(
        ForwardingAgain(broker, SUBSCRIPTION),
        partial(SqlUnitOfWork, engine),
        NoStream(),
        SqlDueAttempts(engine),
        max_attempts=max_attempts,
        handling_limit=timedelta(seconds=20),
        is_away=is_away,
    )


async def measure_backlog(engine: AsyncEngine) -> tuple[int, int]:
    """How many events the broker does not have yet, and how many it refused for good."""
    (behind,) = (await SqlEventBacklog(engine, [SUBSCRIPTION]).measure()).subscribers
    return behind.unacknowledged, behind.dead


def make_accepting(
    settings: Settings, operating: JobOperating, active_tenant: Callable[[str], Awaitable[UUID | None]]
) -> JobRequestAccepting:
    assert settings.mq.tenant is not None
    return JobRequestAccepting(operating, active_tenant, settings.mq.tenant, translate=translate)


def _address(settings: Settings) -> BrokerAddress:
    mq = settings.mq
    assert mq.type is not None
    assert mq.host is not None
    return BrokerAddress(
        mq.host,
        mq.port or default_port(mq.type, tls=mq.tls),
        mq.username,
        mq.password,
        mq.tls,
        mq.ca_file,
        mq.mechanism,
        mq.virtual_host,
    )
