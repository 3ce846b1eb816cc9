"""What an alert is made of: events, duties, workers, messages, clocks and the certificate as /metrics tells them."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families

from qs.container import build_container, close
from qs.domain.kernel.ids import PLATFORM_TENANT
from qs.infra.postgres.ids import new_id
from qs.interface.rest.service_metrics import ServiceMetrics
from qs.settings.sections import TlsSettings
from tests.architecture.test_watching import asked_metrics
from tests.support.certificates import make_certificate
from tests.support.http import app_over, serving


def sampled(text: str) -> dict[tuple[str, ...], float]:
    """Every sample by its name and the values of its labels in the order of their names."""
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def scraped_text(container: Any) -> str:
    public = replace(container.settings().server, metrics_public=True)
    own = build_container(replace(container.settings(), server=public))
    try:
        async with serving(app_over(own)) as client:
            answer = await client.get("/metrics")
    finally:
        await close(own)
    assert answer.status_code == 200
    return answer.text


async def scraped(container: Any) -> dict[tuple[str, ...], float]:
    return sampled(await scraped_text(container))


async def test_a_scrape_says_how_events_duties_workers_and_messages_stand(container, database_url):
    truth = await asyncpg.connect(database_url)
    try:
        executions = [
            ("sweep", "failed"),
            ("sweep", "succeeded"),
            ("sweep", "lost"),
            ("sync-plan", "succeeded"),
        ]
        for name, status in executions:
            await truth.execute(
                "INSERT INTO execution (id, tenant_id, name, fired_by, status, actor, lease_until)"
                " VALUES ($1, $2, $3, 'http', $4, 'test', now())",
                *(new_id(), PLATFORM_TENANT, name, status),
            )
        await truth.execute(
            "INSERT INTO worker_heartbeat (worker, role, host, seen_at, clock_offset_ms) VALUES"
            " ('a', 'cron', 'h', clock_timestamp(), -1500), ('b', 'relay', 'h', clock_timestamp(), 20),"
            " ('c', 'relay', 'h', clock_timestamp(), NULL),"
            " ('d', 'ticker', 'h', clock_timestamp() - interval '1 minute', 9000)"
        )
        await truth.execute(
            "INSERT INTO outbox (id, tenant_id, context, name, subject, partition_key, occurred_at, recorded_at, data)"
            " SELECT $1, $2, 'plan', 'TaskOpened', 's', $1, now(), clock_timestamp() - interval '90 s', '{}'",
            *(new_id(), PLATFORM_TENANT),
        )
        await truth.execute(
            "INSERT INTO inbox (subscriber, event_id, tenant_id, state) VALUES ('notifications', $1, $2, 'dead')",
            *(new_id(), PLATFORM_TENANT),
        )
        for status, due in (("queued", "- interval '70 s'"), ("queued", "+ interval '1 hour'"), ("dead", "")):
            await truth.execute(
                "INSERT INTO delivery (id, tenant_id, event_id, event_name, recipient, channel, template, locale,"
                f" status, next_attempt_at) VALUES ($1, $2, $1, 'x', 'testee', 'email', 't', 'en', '{status}',"
                f" clock_timestamp() {due})",
                *(new_id(), PLATFORM_TENANT),
            )
    finally:
        await truth.close()
    before = datetime.now(UTC)

    known = await scraped(container)

    duties = {key[1]: value for key, value in known.items() if key[0] == "qs_duty_failing"}
    assert {name for name, failing in duties.items() if failing} == {"sweep"}
    assert known["qs_duty_lost_executions", "sweep"] == 1
    succeeded = known["qs_duty_last_succeeded_timestamp_seconds", "sweep"]
    assert abs(before.timestamp() - succeeded) < 60
    assert ("qs_duty_last_succeeded_timestamp_seconds", "validate") not in known
    assert known["qs_duty_period_seconds", "sweep"] == 60
    assert known["qs_duty_period_seconds", "expiry"] == 86400
    assert {key[1]: value for key, value in known.items() if key[0] == "qs_workers"} == {
        "cron": 1,
        "relay": 2,
    }
    assert known["qs_worker_clock_gap_seconds",] == 1.5
    assert abs(known["qs_clock_gap_seconds",]) < 2
    assert known["qs_events_unpublished",] == 1
    assert 90 <= known["qs_events_oldest_unpublished_seconds",] < 300
    assert known["qs_events_unacknowledged", "notifications"] == 1
    assert known["qs_events_dead", "notifications"] == 1
    assert known["qs_notification_unsettled_deliveries", "email"] == 2
    assert 70 <= known["qs_notification_lag_seconds", "email"] < 300
    ready = {key[1]: value for key, value in known.items() if key[0] == "qs_ready"}
    assert ready == {"database": 1, "migrations": 1, "clocks": 1, "redis": 1}


async def test_who_drives_the_duties_from_outside_is_given_an_hour_for_a_sweep(settings):
    outside = replace(settings, clock=replace(settings.clock, internal=False))
    container = build_container(outside)
    try:
        known = await scraped(container)
    finally:
        await close(container)

    assert known["qs_duty_period_seconds", "sweep"] == 3600
    assert ("qs_ready", "clocks") not in known


async def test_the_end_of_the_certificate_is_told_where_the_api_has_one(container, tmp_path):
    cert_file, key_file = make_certificate(tmp_path)
    tls = TlsSettings(cert_file=cert_file, key_file=key_file)
    served = replace(container.settings(), server=replace(container.settings().server, tls=tls))
    metrics = ServiceMetrics()

    await metrics.ask(
        served,
        (),
        container.event_backlog(),
        container.service_conditions(),
        container.delivery_conditions(),
        container.duties(),
        30.0,
    )

    told = {sample.name: sample.value for family in metrics.collect() for sample in family.samples}
    ends = datetime.fromtimestamp(told["qs_tls_certificate_not_after_timestamp_seconds"], UTC)
    assert timedelta(0) < ends - datetime.now(UTC) <= timedelta(hours=1)


async def test_every_metric_that_a_rule_or_a_panel_asks_for_is_served(container):
    text = await scraped_text(container)

    # A family that has nothing to tell yet is served all the same, without samples.
    served = set(re.findall(r"(?m)^# TYPE (\w+) ", text))
    served |= {f"{name}_bucket" for name in re.findall(r"(?m)^# TYPE (\w+) histogram$", text)}

    # Of an API without a certificate nothing is told of one; see the test above.
    assert asked_metrics() - served == {"qs_tls_certificate_not_after_timestamp_seconds"}
