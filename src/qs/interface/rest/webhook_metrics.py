"""Metrics of event webhooks, all tenants together and no address among the labels.

Whoever sends serves no HTTP, so counts come from one hash in Redis to which every process adds, and gauges from one look at
the database. Both are the whole cluster's: take `max without (instance)`, never `sum`, over several API processes.
"""

import asyncio
from collections.abc import Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from qs.application.webhook.condition import OutcomeCounts, WebhookCondition, WebhookConditions
from qs.interface.rest.dependencies import given
from qs.interface.rest.job_metrics import asked

DEPENDENCIES = {
    "webhook_conditions": given("webhook_conditions"),
    "webhook_counts": given("webhook_counts"),
}
"""What ``WebhookMetrics.ask`` is given."""

_OUTCOMES = ("accepted", "failed", "dead")


class WebhookMetrics(Collector):
    """What the database and Redis told last; nothing of what was never told, which is not zero."""

    def __init__(self) -> None:
        self._condition: WebhookCondition | None = None
        self._counts: Mapping[str, int] | None = None

    async def ask(self, conditions: WebhookConditions, counts: OutcomeCounts, within_s: float) -> None:
        """Asks both at once, and does without the one that does not answer."""
        condition, counted = await asyncio.gather(
            asked(conditions.look, "webhook_condition_unknown", within_s),
            asked(counts.read, "webhook_counts_unknown", within_s),
        )
        self._condition = condition or self._condition
        self._counts = self._counts if counted is None else counted

    def collect(self) -> Iterator[Metric]:
        if self._counts is not None:
            attempts = CounterMetricFamily(
                "qs_webhook_attempts",
                "Calls of webhook endpoints that were accepted, that failed and are repeated, that were the last.",
                labels=["outcome"],
            )
            for outcome in _OUTCOMES:
                attempts.add_metric([outcome], self._counts.get(outcome, 0))
            yield attempts
        if self._condition is not None:
            yield from _gauges(self._condition)


def _gauges(condition: WebhookCondition) -> Iterator[Metric]:
    for name, told, value in (
        ("backlog_deliveries", "Webhook deliveries that wait or are being sent.", condition.backlog),
        ("oldest_delivery_seconds", "How long the oldest of them waits.", condition.oldest_s),
        ("dead_deliveries", "Webhook deliveries that were given up.", condition.dead),
    ):
        yield GaugeMetricFamily(f"qs_webhook_{name}", told, value=value)
    endpoints = GaugeMetricFamily("qs_webhook_endpoints", "Webhook endpoints by state.", labels=["state"])
    for state, number in sorted(condition.endpoints.items()):
        endpoints.add_metric([state], number)
    yield endpoints


webhooks = WebhookMetrics()
