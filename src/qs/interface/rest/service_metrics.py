"""Metrics of the installation as a whole: readiness, events, duties, workers, messages, clocks, the certificate.

docs/operations/watching.md says what each means. But for those of the process itself (``qs_ready``, ``qs_clock_gap_seconds``,
``qs_tls_certificate_not_after_timestamp_seconds``) every API process tells the same: take ``max``, never ``sum``.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.metadata import version
from pathlib import Path

from cryptography import x509
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from qs.application.kernel.event_backlog import EventBacklog, EventBacklogs
from qs.application.kernel.readiness import Check
from qs.application.notification.delivery_condition import DeliveryCondition, DeliveryConditions
from qs.application.scheduler.duty_condition import DutyCondition, ServiceCondition, ServiceConditions
from qs.domain.scheduler.duty import DailyAt, Duty, Every
from qs.interface.rest.dependencies import given
from qs.interface.rest.health import find_faults
from qs.interface.rest.job_metrics import asked
from qs.settings import Settings

DEPENDENCIES = {
    "watched_settings": given("settings"),
    "checks": given("readiness_checks"),
    "backlogs": given("event_backlog"),
    "services": given("service_conditions"),
    "deliveries": given("delivery_conditions"),
    "duties": given("duties"),
}
"""What ``ServiceMetrics.ask`` is given."""

# Who calls from a crontab does so each hour, as the kit in deploy/crontab does.
_FROM_OUTSIDE = timedelta(hours=1)


class ServiceMetrics(Collector):
    """What was told last; nothing of what was never told, which is not zero."""

    def __init__(self) -> None:
        self._ready: dict[str, bool] = {}
        self._backlog: EventBacklog | None = None
        self._service: ServiceCondition | None = None
        self._clock_gap = timedelta(0)
        self._deliveries: DeliveryCondition | None = None
        self._every: dict[str, timedelta] = {}
        self._certificates: dict[Path, float] = {}

    async def ask(
        self,
        settings: Settings,
        checks: Iterable[Check],
        backlogs: EventBacklogs,
        services: ServiceConditions,
        deliveries: DeliveryConditions,
        duties: Sequence[Duty],
        within_s: float,
    ) -> None:
        """Asks all of them at once, and does without those that do not answer."""
        checks = tuple(checks)
        faults, backlog, _, delivery = await asyncio.gather(
            find_faults(checks),
            asked(backlogs.measure, "event_backlog_unknown", within_s),
            self._look(services, within_s),
            asked(deliveries.look, "delivery_condition_unknown", within_s),
        )
        self._ready = {check.name: check.name not in faults for check in checks}
        self._backlog = backlog or self._backlog
        self._deliveries = delivery or self._deliveries
        internal = settings.clock.internal
        self._every = {duty.name: _period(duty, internal=internal) for duty in duties}
        file = settings.server.tls.cert_file
        # Read once, like the certificate that is served: a renewed one is served after the next start.
        if file is not None and file not in self._certificates:
            ends = await asked(partial(asyncio.to_thread, _not_after, file), "certificate_unknown", within_s)
            if ends is not None:
                self._certificates[file] = ends

    async def _look(self, services: ServiceConditions, within_s: float) -> None:
        condition = await asked(services.look, "service_condition_unknown", within_s)
        if condition is not None:
            self._service, self._clock_gap = condition, datetime.now(UTC) - condition.now

    def collect(self) -> Iterator[Metric]:
        yield _family("qs_build_info", "The release that runs.", "version", {version("qs"): 1.0})
        yield _family("qs_ready", "1 while the check of /health/ready passes.", "check", self._ready)
        if self._backlog is not None:
            yield from _events(self._backlog)
        if self._service is not None:
            yield from self._services(self._service)
        if self._deliveries is not None:
            yield from _messages(self._deliveries)
        for not_after in self._certificates.values():
            yield GaugeMetricFamily(
                "qs_tls_certificate_not_after_timestamp_seconds",
                "When the certificate that the API serves ends.",
                value=not_after,
            )

    def _services(self, service: ServiceCondition) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "qs_clock_gap_seconds",
            "How far the clock of this process is ahead of the database's.",
            value=self._clock_gap.total_seconds(),
        )
        yield GaugeMetricFamily(
            "qs_worker_clock_gap_seconds",
            "How far the clock of the worker that disagrees most is from the database's.",
            value=service.worker_clock_gap.total_seconds(),
        )
        yield _family("qs_workers", "Worker processes seen within 30 s.", "role", service.workers)
        yield from self._duties(service.duties)

    def _duties(self, duties: Mapping[str, DutyCondition]) -> Iterator[Metric]:
        yield _family(
            "qs_duty_last_succeeded_timestamp_seconds",
            "When the last execution that succeeded began (system time).",
            "duty",
            {name: each.succeeded_at.timestamp() for name, each in duties.items() if each.succeeded_at},
        )
        yield _family(
            "qs_duty_period_seconds",
            "How often the duty is due.",
            "duty",
            {name: period.total_seconds() for name, period in self._every.items()},
        )
        yield _family(
            "qs_duty_failing",
            "1 where the last execution that ended failed or was lost.",
            "duty",
            {name: float(each.is_failing) for name, each in duties.items()},
        )
        yield _family(
            "qs_duty_lost_executions",
            "Of the last hundred executions, those whose process went away.",
            "duty",
            {name: each.lost for name, each in duties.items()},
        )


def _events(backlog: EventBacklog) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "qs_events_unpublished", "Events that are not in the streams yet.", value=backlog.unpublished
    )
    yield GaugeMetricFamily(
        "qs_events_oldest_unpublished_seconds", "How long the oldest of them waits.", value=backlog.oldest_s
    )
    waiting = {each.subscriber: each.unacknowledged for each in backlog.subscribers}
    yield _family("qs_events_unacknowledged", "Events not acted on yet.", "subscriber", waiting)
    dead = {each.subscriber: each.dead for each in backlog.subscribers}
    yield _family("qs_events_dead", "Events given up, until they are replayed.", "subscriber", dead)


def _messages(condition: DeliveryCondition) -> Iterator[Metric]:
    yield _family(
        "qs_notification_unsettled_deliveries",
        "Messages neither sent nor given up.",
        "channel",
        condition.unsettled,
    )
    late = {channel: late_by.total_seconds() for channel, late_by in condition.late_by.items()}
    yield _family("qs_notification_lag_seconds", "How long the message due longest waits.", "channel", late)


def _family(name: str, told: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, told, labels=[label])
    for key, value in sorted(values.items()):
        family.add_metric([key], value)
    return family


def _period(duty: Duty, *, internal: bool) -> timedelta:
    """How long there is at most between two slots of the duty."""
    if isinstance(duty.timing, DailyAt):
        return timedelta(days=1)
    if isinstance(duty.timing, Every) and internal:
        return duty.timing.period
    return _FROM_OUTSIDE


def _not_after(file: Path) -> float:
    return x509.load_pem_x509_certificate(file.read_bytes()).not_valid_after_utc.timestamp()


service = ServiceMetrics()
