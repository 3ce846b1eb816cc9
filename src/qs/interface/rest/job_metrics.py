"""Metrics of the job scheduler; docs/scheduler/metrics.md says what each means and what to do about it.

Decision: whoever runs executions serves no HTTP, so histograms and counters come from one hash in Redis to which every process
adds what it counted (see qs.infra.scheduler.meter), and gauges from one look at the database as the sweeper role. Both are
the whole cluster's: every API process tells the same, so take `max without (instance)`, never `sum`, over several of them.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from itertools import accumulate
from typing import TypeVar

import structlog
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from qs.application.scheduler.job_condition import JobCondition, JobConditions
from qs.application.scheduler.metering import DURATION_S, LATENESS_S, Histogram, Measured, Measurements
from qs.interface.rest.dependencies import given
from qs.logs.crashes import describe_crash

T = TypeVar("T")

DEPENDENCIES = {"conditions": given("job_conditions"), "measurements": given("job_meter")}
"""What ``SchedulerMetrics.ask`` is given."""

_log = structlog.get_logger()


class SchedulerMetrics(Collector):
    """What the database and Redis told last; nothing of what was never told, which is not zero."""

    def __init__(self) -> None:
        self._condition: JobCondition | None = None
        self._measured: Measured | None = None

    async def ask(self, conditions: JobConditions, measurements: Measurements, within_s: float) -> None:
        """Asks both at once, and does without the one that does not answer."""
        condition, measured = await asyncio.gather(
            asked(conditions.look, "job_condition_unknown", within_s),
            asked(measurements.read, "measurements_unknown", within_s),
        )
        self._condition = condition or self._condition
        self._measured = measured or self._measured

    def collect(self) -> Iterator[Metric]:
        if self._measured is not None:
            yield from _measurements(self._measured)
        if self._condition is not None:
            yield from _gauges(self._condition)


async def asked(ask: Callable[[], Awaitable[T]], event: str, within_s: float) -> T | None:
    """The answer; None where there is none in time, which is logged as ``event``."""
    try:
        async with asyncio.timeout(within_s):
            return await ask()
    except Exception as error:  # noqa: BLE001 - whatever it is, the other metrics must be told all the same
        _log.warning(event, **describe_crash(error))
        return None


def _measurements(measured: Measured) -> Iterator[Metric]:
    yield _histogram(
        "qs_scheduler_execution_lateness_seconds",
        "From the slot (or the request) of an execution to the beginning of its first attempt.",
        ("kind", "queue"),
        measured.lateness,
        LATENESS_S,
    )
    yield _histogram(
        "qs_scheduler_execution_duration_seconds",
        "How long attempts took, by how their execution stood afterwards.",
        ("kind", "status"),
        measured.durations,
        DURATION_S,
    )
    ended = CounterMetricFamily(
        "qs_scheduler_executions", "Executions that ended; slots that were missed.", labels=["kind", "status"]
    )
    for labels, number in sorted(measured.ended.items()):
        ended.add_metric(labels, number)
    yield ended
    notices = CounterMetricFamily(
        "qs_scheduler_notices", "Attempts to send notices.", labels=["channel", "outcome"]
    )
    for labels, number in sorted(measured.notices.items()):
        notices.add_metric(labels, number)
    yield notices


def _histogram(
    name: str,
    told: str,
    labels: tuple[str, str],
    observed: Mapping[tuple[str, str], Histogram],
    bounds: tuple[float, ...],
) -> Metric:
    family = HistogramMetricFamily(name, told, labels=labels)
    for values, histogram in sorted(observed.items()):
        upper = (*map(str, bounds), "+Inf")
        buckets = [
            (bound, float(total)) for bound, total in zip(upper, accumulate(histogram.counts), strict=True)
        ]
        family.add_metric(values, buckets, histogram.total_s)
    return family


def _gauges(condition: JobCondition) -> Iterator[Metric]:
    active = GaugeMetricFamily(
        "qs_scheduler_active_executions",
        "Executions that wait (queued, retrying) or are worked on (running).",
        labels=["kind", "queue", "status"],
    )
    for labels, number in sorted(condition.active.items()):
        active.add_metric(labels, number)
    yield active
    jobs = GaugeMetricFamily("qs_scheduler_jobs", "Jobs by status.", labels=["status"])
    for status in ("active", "disabled", "finished", "config_error"):
        jobs.add_metric([status], condition.jobs.get(status, 0))
    yield jobs
    notices = GaugeMetricFamily(
        "qs_scheduler_unsent_notices",
        "Notices that are to be sent (pending), and that were given up (dead).",
        labels=["status"],
    )
    notices.add_metric(["pending"], condition.notices_pending)
    notices.add_metric(["dead"], condition.notices_dead)
    yield notices
    for name, told, value in (
        ("due_lag_seconds", "How long the job due longest waits for a clock.", condition.due_lag_s),
        ("waiting_seconds", "How long the oldest execution waits for a worker.", condition.waiting_s),
        ("notice_lag_seconds", "How long the notice due longest waits to be sent.", condition.notice_lag_s),
        ("config_errors", "Jobs that cannot be run as they are written.", _broken(condition)),
        ("clock_stopped", "1 while timed firing is stopped everywhere.", float(condition.clock_stopped)),
        ("stopped_tenants", "Tenants whose timed firing is stopped.", condition.stopped_tenants),
        ("looked_timestamp_seconds", "When these were looked at (system time).", condition.now.timestamp()),
    ):
        yield GaugeMetricFamily(f"qs_scheduler_{name}", told, value=value)


def _broken(condition: JobCondition) -> int:
    return condition.jobs.get("config_error", 0)


scheduler = SchedulerMetrics()
