"""How settings become what decides about messages and sends them."""

from collections.abc import Callable, Mapping
from datetime import timedelta

from qs.application.kernel.limiting import Limiter, LocalLimiter, parse_limit
from qs.application.notification.alert_ports import DueAlerts
from qs.application.notification.alert_telling import AlertTelling
from qs.application.notification.composing import Composing
from qs.application.notification.judging import Judging
from qs.application.notification.pacing import Pacing
from qs.application.notification.ports import (
    Channel,
    DueDeliveries,
    NotificationUnitOfWorkFactory,
    SendingUnitOfWorkFactory,
    StaffDirectory,
)
from qs.application.notification.sending import Sending
from qs.application.notification.taking import Taking
from qs.domain.kernel.ids import IdGenerator
from qs.domain.notification.deciding import Rules
from qs.domain.notification.quiet_hours import QuietHours
from qs.domain.notification.retrying import RetryPolicy
from qs.infra.notification.channels.choosing import ADDRESSED
from qs.infra.postgres.failures import is_away
from qs.infra.redis.limiter import RedisLimiter
from qs.infra.redis.quick import QuickRedis
from qs.settings import Settings


def make_rules(settings: Settings) -> Rules:
    notification = settings.notification
    hours = notification.quiet_hours
    return Rules(
        quiet=None if hours is None else QuietHours.parse(hours),
        max_per_day=notification.max_per_day,
        digest=notification.digest,
    )


def make_pacing(settings: Settings, redis: QuickRedis, monotonic: Callable[[], float]) -> Pacing:
    """The rate of ``notification.rate``, shared by all processes where there is a Redis."""
    limiter: Limiter = LocalLimiter(monotonic)
    if settings.redis.url is not None:
        limiter = RedisLimiter(redis, LocalLimiter(monotonic), processes=settings.limits.processes)
    return Pacing(limiter, parse_limit("notifications", settings.notification.rate))


def sending_by_channel(
    settings: Settings,
    channels: Mapping[str, Channel],
    unit_of_work: NotificationUnitOfWorkFactory,
    sending_unit_of_work: SendingUnitOfWorkFactory,
    due: DueDeliveries,
    composing: Composing,
    rules: Rules,
    pacing: Pacing,
) -> dict[str, Sending]:
    policy = RetryPolicy(
        settings.notification.max_attempts,
        timedelta(seconds=settings.notification.backoff_s),
        timedelta(seconds=settings.notification.backoff_max_s),
    )
    judging = Judging(composing, rules, max_attempts=policy.max_attempts)
    taking = Taking(sending_unit_of_work, judging, pacing, policy, is_away=is_away)
    # A little more than the channel's own deadline, which can tell better what did not answer.
    limit = timedelta(seconds=settings.notification.timeout_s + 2)
    return {
        name: Sending(
            channel,
            unit_of_work,
            due,
            taking,
            policy,
            is_away=is_away,
            concurrency=settings.worker.concurrency,
            limit=limit,
        )
        for name, channel in channels.items()
    }


def make_alert_telling(
    settings: Settings,
    unit_of_work: NotificationUnitOfWorkFactory,
    due: DueAlerts,
    staff: StaffDirectory,
    ids: IdGenerator,
) -> AlertTelling:
    return AlertTelling(
        unit_of_work,
        due,
        staff,
        ids,
        channels=settings.notification_channels,
        addressed=ADDRESSED,
        lang=settings.lang,
        timezone=settings.timezone,
        per_hour=settings.notification.alerts.per_hour,
        api_url=settings.notification.alerts.api_url,
    )
