"""The page about metrics names all of them, and none that there is not."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from qs.application.scheduler.job_condition import JobCondition
from qs.application.scheduler.metering import DURATION_S, LATENESS_S, Histogram, Measured
from qs.interface.rest.job_metrics import SchedulerMetrics

PAGE = (Path(__file__).parents[4] / "docs/scheduler/metrics.md").read_text(encoding="utf-8")


class Known:
    """What the database and Redis would tell."""

    async def look(self) -> JobCondition:
        return JobCondition(
            now=datetime(2026, 3, 9, tzinfo=UTC),
            active={("http", "default", "queued"): 3},
            jobs={"active": 1},
            due_lag_s=0.0,
            waiting_s=1.5,
            clock_stopped=False,
            stopped_tenants=0,
            notices_pending=1,
            notices_dead=2,
            notice_lag_s=0.0,
        )

    async def read(self) -> Measured:
        return Measured(
            {("http", "default"): Histogram((1,) * (len(LATENESS_S) + 1), 7.0)},
            {("http", "failed"): Histogram((1,) * (len(DURATION_S) + 1), 7.0)},
            {("http", "failed"): 3},
            {("email", "dead"): 1},
        )


async def families() -> list[Any]:
    metrics = SchedulerMetrics()
    await metrics.ask(Known(), Known(), 1.0)
    return list(metrics.collect())


async def test_every_metric_has_its_row_with_its_labels():
    for family in await families():
        name = family.name + ("_total" if family.type == "counter" else "")
        row = re.search(rf"^\| `{name}` \|([^|]*)\|", PAGE, re.MULTILINE)

        assert row is not None, name
        assert set(re.findall(r"`(\w+)`", row[1])) == set(family.samples[0].labels) - {"le"}, name


async def test_the_page_names_no_metric_that_there_is_not():
    there = {sample.name for family in await families() for sample in family.samples}
    there |= {family.name for family in await families()}

    named = set(re.findall(r"qs_scheduler_\w+", PAGE))

    assert named <= there


async def test_a_histogram_adds_up():
    [lateness] = [family for family in await families() if family.name.endswith("lateness_seconds")]

    buckets = [sample.value for sample in lateness.samples if sample.name.endswith("_bucket")]
    assert buckets == sorted(buckets)
    assert buckets[-1] == len(LATENESS_S) + 1
