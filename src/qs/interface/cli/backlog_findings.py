"""What the doctor finds of the work itself: duties that are late, and what waits or was given up, of all tenants."""

from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import text

from qs.application.kernel.event_backlog import EventBacklog
from qs.application.notification.delivery_condition import DeliveryCondition
from qs.application.scheduler.duty_condition import ServiceCondition
from qs.application.scheduler.job_condition import JobCondition
from qs.application.statistics.ports import Condition
from qs.application.webhook.condition import WebhookCondition
from qs.domain.scheduler.duty import DailyAt, Duty, Every
from qs.infra.postgres.migrate import current_standing
from qs.infra.postgres.roles import RELAY
from qs.interface.cli.findings import Finding, duration, found, well
from qs.provisioning import migration_dsn
from qs.settings import Settings

if TYPE_CHECKING:
    from qs.container import Container

_LATE = timedelta(minutes=5)
_FIGURES_OLD_AFTER = timedelta(hours=2)
_MANY_BEHIND = 1000
# Who calls from a crontab does so each hour, as the kit in deploy/crontab does.
_FROM_OUTSIDE = timedelta(hours=1)
_SLACK = timedelta(minutes=10)

# What was given up, or is to be tried again, stays for as long as it takes.
_OLDEST = text(
    "SELECT clock_timestamp() - o.published_at FROM outbox o WHERE o.position IS NOT NULL"
    " AND NOT EXISTS (SELECT FROM inbox i WHERE i.event_id = o.id AND i.state = 'dead')"
    " AND NOT EXISTS (SELECT FROM inbox_attempt a WHERE a.event_id = o.id) ORDER BY o.position LIMIT 1"
)


async def backlog_findings(settings: Settings) -> AsyncIterator[Finding]:
    """Findings about what is to be done; none without a key or a schema that serves, which are findings of their own."""
    if settings.secret_key is None or not await _schema_serves(settings):
        return
    from qs.container import build_container, close

    container = build_container(settings)
    try:
        for finding in await _look(container, settings):
            yield finding
    finally:
        await close(container)


async def _schema_serves(settings: Settings) -> bool:
    try:
        return (await current_standing(migration_dsn(settings))).serves
    except Exception:  # noqa: BLE001 - whatever the server says is told with the database
        return False


async def _look(container: "Container", settings: Settings) -> Sequence[Finding]:
    service = await container.service_conditions().look()
    jobs = await container.job_conditions().look()
    statistics = await container.counted_tenants().condition()
    return [
        *_of_duties(service, container.duties(), internal=settings.clock.internal),
        *_of_events(await container.event_backlog().measure()),
        *_of_messages(await container.delivery_conditions().look()),
        *_of_webhooks(await container.webhook_conditions().look()),
        *_of_jobs(jobs),
        *_of_statistics(statistics, service),
        *await _of_retention(container, settings),
    ]


def _of_duties(service: ServiceCondition, duties: Sequence[Duty], *, internal: bool) -> Iterator[Finding]:
    late, failing = [], []
    for duty in duties:
        condition = service.duties[duty.name]
        allowed = 2 * _period(duty, internal=internal) + _SLACK
        # One that never succeeded may belong to an installation that begins.
        if condition.succeeded_at is not None and service.now - condition.succeeded_at > allowed:
            late.append(f"{duty.name} ({duration(service.now - condition.succeeded_at)})")
        if condition.is_failing:
            failing.append(duty.name)
    if late:
        yield found("duty.late", "duties", f"have not succeeded for so long: {', '.join(late)} (h:mm:ss)")
    if failing:
        yield found("duty.failing", "duties", f"failed or were lost at the last run: {', '.join(failing)}")
    if not late and not failing:
        yield well("duties", "none is late or failing")


def _period(duty: Duty, *, internal: bool) -> timedelta:
    if isinstance(duty.timing, DailyAt):
        return timedelta(days=1)
    return duty.timing.period if isinstance(duty.timing, Every) and internal else _FROM_OUTSIDE


def _of_events(backlog: EventBacklog) -> Iterator[Finding]:
    oldest = timedelta(seconds=backlog.oldest_s)
    if backlog.unpublished and oldest > _LATE:
        what = f"{backlog.unpublished} are not published, the oldest since {duration(oldest)} (h:mm:ss)"
        yield found("events.unpublished", "events", what)
    else:
        yield well("events", f"{backlog.unpublished} are still to be published")
    for each in backlog.subscribers:
        if each.unacknowledged > _MANY_BEHIND:
            what = f"{each.unacknowledged} events behind"
            yield found("events.behind", f"subscriber {each.subscriber}", what)
        if each.dead:
            what = f"{each.dead} events were given up"
            yield found("events.given_up", f"subscriber {each.subscriber}", what)


def _of_messages(deliveries: DeliveryCondition) -> Iterator[Finding]:
    for channel, late_by in sorted(deliveries.late_by.items()):
        if late_by > _LATE:
            what = f"{deliveries.unsettled[channel]} wait, the one due longest since {duration(late_by)} (h:mm:ss)"
            yield found("messages.late", f"messages {channel}", what)


def _of_webhooks(webhooks: WebhookCondition) -> Iterator[Finding]:
    if webhooks.oldest_s > _FIGURES_OLD_AFTER.total_seconds():
        since = duration(timedelta(seconds=webhooks.oldest_s))
        yield found(
            "webhooks.late", "webhooks", f"{webhooks.backlog} wait, the oldest since {since} (h:mm:ss)"
        )
    if webhooks.endpoints["disabled"]:
        yield found(
            "webhooks.disabled", "webhook endpoints", f"{webhooks.endpoints['disabled']} are disabled"
        )


def _of_jobs(jobs: JobCondition) -> Iterator[Finding]:
    if jobs.due_lag_s > _LATE.total_seconds():
        since = duration(timedelta(seconds=jobs.due_lag_s))
        yield found(
            "jobs.not_fired", "jobs", f"the one due longest waits since {since} (h:mm:ss) for a clock"
        )
    if jobs.waiting_s > _LATE.total_seconds():
        since = duration(timedelta(seconds=jobs.waiting_s))
        yield found("jobs.waiting", "executions", f"the oldest waits since {since} (h:mm:ss) for a worker")
    if broken := jobs.jobs.get("config_error", 0):
        yield found("jobs.broken", "job definitions", f"{broken} cannot be run as they are written")
    if jobs.notices_dead:
        yield found("notices.given_up", "notices", f"{jobs.notices_dead} were given up within thirty days")


def _of_statistics(condition: Condition, service: ServiceCondition) -> Iterator[Finding]:
    if condition.differences:
        yield found("statistics.differ", "statistics", f"{condition.differences} differences were left")
    old = [kind for kind, at in condition.finished_at.items() if service.now - at > _FIGURES_OLD_AFTER]
    if old:
        what = f"{', '.join(sorted(old))}: not brought up to date for more than two hours"
        yield found("statistics.old", "figures", what)


async def _of_retention(container: "Container", settings: Settings) -> Sequence[Finding]:
    async with container.engine().connect() as connection:
        await connection.execute(text(f"SET LOCAL ROLE {RELAY}"))
        age: timedelta | None = await connection.scalar(_OLDEST)
    kept = timedelta(days=settings.retention.outbox_days)
    if age is not None and age > kept + timedelta(days=2):
        what = f"events published {age.days} days ago are still there; {kept.days} days are to be kept"
        return [found("retention.behind", "retention", what)]
    return []
