"""Prometheus metrics. Whoever has something to count makes it with prometheus_client; ``/metrics`` shows all of it."""

import asyncio
from bisect import bisect_left
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import structlog
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from qs.application.kernel.audit_sealing import UnsealedAudit
from qs.application.kernel.event_backlog import EventBacklogs
from qs.application.kernel.readiness import Check
from qs.application.notification.delivery_condition import DeliveryConditions
from qs.application.scheduler.duty_condition import ServiceConditions
from qs.application.scheduler.job_condition import JobConditions
from qs.application.scheduler.metering import Measurements
from qs.application.statistics.ports import Condition, Tenants
from qs.application.webhook.condition import OutcomeCounts, WebhookConditions
from qs.domain.scheduler.duty import Duty
from qs.interface.rest import job_metrics, service_metrics, webhook_metrics
from qs.interface.rest.dependencies import Given, given
from qs.logs.crashes import describe_crash
from qs.settings import Settings

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_UNMATCHED = "unmatched"
_ASKED_WITHIN_S = 2.0

_log = structlog.get_logger()


class Requests(Collector):
    """Counts and times of answered requests.

    The library's own counters take a lock for each of the four numbers of a request; these are written by the event
    loop alone.
    """

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str, int], int] = {}
        self._times: dict[tuple[str, str], tuple[list[int], list[float]]] = {}

    def observe(self, method: str, route: str | None, status: int, duration_s: float) -> None:
        """Counts one request. Unknown methods and paths share a label, so that nobody can make them grow."""
        method = method if method in _METHODS else "other"
        route = route or _UNMATCHED
        counts, key = self._counts, (method, route, status)
        counts[key] = counts.get(key, 0) + 1
        times = self._times.get((method, route))
        if times is None:
            times = self._times[method, route] = ([0] * (len(_SECONDS) + 1), [0.0])
        times[0][bisect_left(_SECONDS, duration_s)] += 1
        times[1][0] += duration_s

    def collect(self) -> Iterator[Metric]:
        count = CounterMetricFamily(
            "qs_http_requests", "Requests answered.", labels=["method", "route", "status"]
        )
        for (method, route, status), number in self._counts.items():
            count.add_metric([method, route, str(status)], number)
        yield count
        time = HistogramMetricFamily(
            "qs_http_request_seconds", "Time to the end of the answer.", labels=["method", "route"]
        )
        for labels, (buckets, total) in self._times.items():
            time.add_metric(labels, _cumulative(buckets), total[0])
        yield time


requests = Requests()
REGISTRY.register(requests)


def _cumulative(buckets: list[int]) -> list[tuple[str, float]]:
    total, found = 0, []
    for bound, number in zip((*map(str, _SECONDS), "+Inf"), buckets, strict=True):
        total += number
        found.append((bound, float(total)))
    return found


class Statistics(Collector):
    """The condition of the statistics as the database told it last; nothing while it never did, which is not zero."""

    def __init__(self) -> None:
        self._known: Condition | None = None

    async def ask(self, tenants: Tenants) -> None:
        """Asks the database, and does without where it does not answer."""
        try:
            async with asyncio.timeout(_ASKED_WITHIN_S):
                self._known = await tenants.condition()
        except Exception as error:  # noqa: BLE001 - whatever it is, the other metrics must be told all the same
            _log.warning("statistics_condition_unknown", **describe_crash(error))

    def collect(self) -> Iterator[Metric]:
        if self._known is None:
            return
        yield GaugeMetricFamily(
            "qs_statistics_differences",
            "Differences that the last validations left.",
            value=self._known.differences,
        )
        finished = GaugeMetricFamily(
            "qs_statistics_last_finished_timestamp_seconds",
            "When statistics of each kind were last brought up to date for every tenant (system time).",
            labels=["kind"],
        )
        for kind, at in self._known.finished_at.items():
            finished.add_metric([kind], at.timestamp())
        yield finished


class Audit(Collector):
    """How long records wait to be sealed, as the database told it last; nothing while it never did."""

    def __init__(self) -> None:
        self._waiting: timedelta | None = None

    async def ask(self, unsealed: UnsealedAudit) -> None:
        """Asks the database, and does without where it does not answer."""
        try:
            async with asyncio.timeout(_ASKED_WITHIN_S):
                self._waiting = await unsealed.waiting()
        except Exception as error:  # noqa: BLE001 - whatever it is, the other metrics must be told all the same
            _log.warning("audit_condition_unknown", **describe_crash(error))

    def collect(self) -> Iterator[Metric]:
        if self._waiting is not None:
            yield GaugeMetricFamily(
                "qs_audit_unsealed_seconds",
                "How long the oldest audit record waits to be sealed.",
                value=self._waiting.total_seconds(),
            )


statistics = Statistics()
REGISTRY.register(statistics)
audit = Audit()
REGISTRY.register(audit)
REGISTRY.register(job_metrics.scheduler)
REGISTRY.register(service_metrics.service)
REGISTRY.register(webhook_metrics.webhooks)


# The framework appends the charset itself.
_MEDIA_TYPE = CONTENT_TYPE_LATEST.removesuffix("; charset=utf-8")


def metrics_handler(*, public: bool, **layers: Any) -> HTTPRouteHandler:
    """``/metrics``, for everybody or for holders of ``metrics:read``."""

    @get(
        "/metrics",
        opt={"public": True} if public else {"scope": "metrics:read", "platform": True},
        media_type=_MEDIA_TYPE,
        include_in_schema=False,
        dependencies={
            "tenants": given("counted_tenants"),
            "unsealed": given("unsealed_audit"),
            **job_metrics.DEPENDENCIES,
            **service_metrics.DEPENDENCIES,
            **webhook_metrics.DEPENDENCIES,
        },
        **layers,
    )
    async def metrics(
        tenants: Given[Tenants],
        unsealed: Given[UnsealedAudit],
        conditions: Given[JobConditions],
        measurements: Given[Measurements],
        watched_settings: Given[Settings],
        checks: Given[tuple[Check, ...]],
        backlogs: Given[EventBacklogs],
        services: Given[ServiceConditions],
        deliveries: Given[DeliveryConditions],
        duties: Given[tuple[Duty, ...]],
        webhook_conditions: Given[WebhookConditions],
        webhook_counts: Given[OutcomeCounts],
    ) -> Response[bytes]:
        jobs = job_metrics.scheduler.ask(conditions, measurements, _ASKED_WITHIN_S)
        whole = service_metrics.service.ask(
            watched_settings, checks, backlogs, services, deliveries, duties, _ASKED_WITHIN_S
        )
        webhooks = webhook_metrics.webhooks.ask(webhook_conditions, webhook_counts, _ASKED_WITHIN_S)
        await asyncio.gather(statistics.ask(tenants), audit.ask(unsealed), jobs, whole, webhooks)
        return Response(generate_latest(REGISTRY), media_type=_MEDIA_TYPE)

    return metrics
