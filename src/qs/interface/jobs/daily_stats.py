"""Yesterday's figures as the result of an execution."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from qs.application.scheduler.builtins import BuiltinContext, Result, builtin
from qs.interface.jobs.daily_figures import Statistics, figures_of


@builtin("task:daily-stats", needs={"statistics": "statistics_reading", "clock": "system_time"})
async def daily_stats(
    context: BuiltinContext,
    payload: Mapping[str, Any],
    *,
    statistics: Statistics,
    clock: Callable[[], datetime],
) -> Result:
    """Payload: ``date``, which may be left out: the day before the slot, in the tenant's zone."""
    figures = await figures_of(statistics, clock, context, payload)
    context.log.info("daily_stats", date=figures.day.isoformat(), **figures.counts)
    return figures.to_dict()
