"""What Prometheus is told of the jobs, whichever process it asks."""

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families

from qs.application.scheduler.metering import Measured, RunTiming
from qs.container import build_container, close
from qs.domain.kernel.ids import DEFAULT_TENANT, PLATFORM_TENANT
from qs.domain.scheduler.job_execution import RunStatus
from qs.infra.redis.client import create_redis
from qs.infra.scheduler.meter import RedisMeter
from qs.interface.rest.job_metrics import SchedulerMetrics
from tests.integration.jobs.nodes import ACTOR, failed
from tests.support.http import app_over, serving
from tests.support.waiting import eventually

from .desk import Desk

MINUTE = timedelta(minutes=1)


def sampled(metrics: SchedulerMetrics) -> dict[tuple[str, ...], float]:
    """Every sample by its name and the values of its labels in the order of their names."""
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in metrics.collect()
        for sample in family.samples
    }


async def scraped(container: Any) -> dict[tuple[str, ...], float]:
    metrics = SchedulerMetrics()
    await metrics.ask(container.job_conditions(), container.job_meter(), 30.0)
    return sampled(metrics)


async def test_the_gauges_say_how_the_jobs_of_all_tenants_stand(desk: Desk, container):
    late, held = await desk.job("late"), await desk.job("held")
    await desk.node.job("off", enabled=False)
    await desk.truth.execute("UPDATE job SET status = 'config_error', next_slot = NULL, next_fire_at = NULL"
                             " WHERE name = 'off'")  # fmt: skip
    await desk.books.due_since(late, await desk.books.now() - 2 * MINUTE)
    desk.node.executor.hold()
    await desk.node.operating.run(DEFAULT_TENANT, held.id, actor=ACTOR)
    await desk.node.work()
    waiting = await desk.job("waiting", queue="slow")
    await desk.node.operating.run(DEFAULT_TENANT, waiting.id, actor=ACTOR)
    await desk.truth.execute(
        "UPDATE job_execution SET available_at = available_at - interval '90 s' WHERE status = 'queued'"
    )

    known = await scraped(container)

    name = "qs_scheduler_active_executions"
    active = {key[1:]: value for key, value in known.items() if key[0] == name}
    assert active == {("builtin", "default", "running"): 1, ("builtin", "slow", "queued"): 1}
    assert 120 <= known["qs_scheduler_due_lag_seconds",] < 600
    assert 90 <= known["qs_scheduler_waiting_seconds",] < 600
    assert known["qs_scheduler_config_errors",] == known["qs_scheduler_jobs", "config_error"] == 1
    assert known["qs_scheduler_jobs", "active"] == 3
    assert known["qs_scheduler_clock_stopped",] == 0
    desk.node.executor.may_end.set()


async def test_a_stopped_clock_is_told_and_is_not_late(desk: Desk, container):
    job = await desk.job()
    await desk.books.due_since(job, await desk.books.now() - 2 * MINUTE)
    switching = container.job_switching()

    await switching.turn(DEFAULT_TENANT, False, actor=ACTOR)
    own = await scraped(container)
    await switching.turn(DEFAULT_TENANT, True, actor=ACTOR)
    await switching.turn(PLATFORM_TENANT, False, actor=ACTOR)
    everywhere = await scraped(container)

    assert (own["qs_scheduler_clock_stopped",], own["qs_scheduler_stopped_tenants",]) == (0, 1)
    assert (everywhere["qs_scheduler_clock_stopped",], everywhere["qs_scheduler_stopped_tenants",]) == (1, 0)
    assert own["qs_scheduler_due_lag_seconds",] == everywhere["qs_scheduler_due_lag_seconds",] == 0


async def test_what_processes_count_is_added_up_over_all_of_them(container, redis_url):
    redis = create_redis(redis_url)
    meters = [RedisMeter(lambda: redis) for _ in range(2)]
    for number, meter in enumerate(meters):
        meter.timed(RunTiming("http", "default", RunStatus.SUCCEEDED, 0.3 + number, 2.0))
        meter.timed(RunTiming("http", "default", RunStatus.RETRYING, None, 70.0))
        meter.ended("http", RunStatus.MISSED, 5)
        meter.noticed("email", "sent")
        await meter.aclose()

    known = await scraped(container)

    lateness = "qs_scheduler_execution_lateness_seconds"
    duration = "qs_scheduler_execution_duration_seconds"
    assert known[f"{lateness}_bucket", "http", "0.25", "default"] == 0
    assert known[f"{lateness}_bucket", "http", "0.5", "default"] == 1
    assert known[f"{lateness}_bucket", "http", "2.0", "default"] == 2
    assert known[f"{lateness}_count", "http", "default"] == 2
    assert known[f"{lateness}_sum", "http", "default"] == pytest.approx(1.6)
    assert known[f"{duration}_bucket", "http", "5.0", "succeeded"] == 2
    assert known[f"{duration}_sum", "http", "retrying"] == 140
    assert known["qs_scheduler_executions_total", "http", "missed"] == 10
    assert known["qs_scheduler_notices_total", "email", "sent"] == 2
    await redis.aclose()


async def test_a_batch_whose_answer_was_lost_counts_once(redis_url):
    redis = create_redis(redis_url)

    class Forgetful:
        """Does what it is asked and loses the first answer."""

        lost = 0

        async def eval(self, *arguments: Any) -> Any:
            behind: Any = redis
            answer = await behind.eval(*arguments)
            if not self.lost:
                self.lost += 1
                raise ConnectionError("cut off")
            return answer

        def __getattr__(self, name: str) -> Any:
            return getattr(redis, name)

    forgetful = Forgetful()
    meter = RedisMeter(lambda: forgetful)  # type: ignore[arg-type, return-value]
    meter.ended("http", RunStatus.SUCCEEDED, 3)
    await meter.aclose()
    meter.ended("http", RunStatus.SUCCEEDED, 4)
    await meter.aclose()

    measured = await RedisMeter(lambda: redis).read()

    assert forgetful.lost == 1
    assert measured.ended == {("http", "succeeded"): 7}
    await redis.aclose()


async def test_the_names_of_queues_cannot_make_the_labels_grow_without_end(redis_url):
    redis = create_redis(redis_url)
    meter = RedisMeter(lambda: redis)
    for number in range(500):
        meter.timed(RunTiming("http", f"queue-{number}", RunStatus.SUCCEEDED, 0.1, 0.1))
    await meter.aclose()

    measured: Measured = await RedisMeter(lambda: redis).read()

    assert len(measured.lateness) == 51
    assert sum(sum(histogram.counts) for histogram in measured.lateness.values()) == 500
    await redis.aclose()


async def test_every_process_counts_what_it_ends_and_adds_it_by_itself(desk: Desk, container, redis_url):
    redis = create_redis(redis_url)
    meter = RedisMeter(lambda: redis)
    desk.node.ends._measure = meter.timed
    desk.node.ends._ending._meter = desk.node.firing._meter = meter
    desk.sending._meter = meter
    job = await desk.job()
    await desk.run(job, failed())
    await desk.run(job)
    await desk.books.due_since(job, (await desk.books.now()).replace(second=0) - 10 * MINUTE)
    await desk.node.firing.fire_due()
    await desk.send()

    async def known() -> Any:
        return await scraped(container)

    missed = [run for run in await desk.books.runs(job) if run.status == "missed"]
    seen = await _until(known, ("qs_scheduler_notices_total", "webhook", "sent"))
    ended = "qs_scheduler_executions_total"
    assert seen[ended, "builtin", "failed"] == seen[ended, "builtin", "succeeded"] == 1
    assert seen[ended, "builtin", "missed"] == len(missed)
    assert seen["qs_scheduler_execution_duration_seconds_count", "builtin", "failed"] == 1
    assert seen["qs_scheduler_execution_lateness_seconds_count", "builtin", "default"] == 2
    await redis.aclose()


async def test_metrics_are_shown_beside_the_others_and_while_redis_is_away(settings, desk):
    server = replace(settings.server, metrics_public=True)
    away = replace(settings.redis, url="redis://127.0.0.1:1")
    container = build_container(replace(settings, server=server, redis=away))
    await desk.job()
    try:
        async with serving(app_over(container)) as client:
            answer = await client.get("/metrics")
    finally:
        await close(container)

    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    assert answer.status_code == 200
    assert families["qs_scheduler_jobs"].samples
    assert "qs_http_requests" in families


async def test_what_was_never_known_is_not_told_as_zero():
    class Away:
        async def look(self) -> Any:
            raise ConnectionError("away")

        async def read(self) -> Any:
            raise ConnectionError("away")

    metrics = SchedulerMetrics()
    await metrics.ask(Away(), Away(), 30.0)

    assert sampled(metrics) == {}


async def _until(ask: Any, key: tuple[str, ...]) -> dict[tuple[str, ...], float]:
    async def there() -> Any:
        known = await ask()
        return known if known.get(key) == 3 else None

    return await eventually(there)
