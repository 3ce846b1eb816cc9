"""The figures of one civil date of a tenant, for the jobs that tell them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from qs.application.scheduler.builtins import BuiltinContext, PermanentFailure
from qs.application.statistics.ports import DailyRow
from qs.application.statistics.reading import Basis
from qs.domain.kernel.zones import zone
from qs.domain.statistics.metrics import METRICS, Counts, Dimension
from qs.domain.statistics.rates import Rate, rates


class Statistics(Protocol):
    """What is read of the statistics; see StatisticsReading."""

    async def daily(
        self,
        tenant_id: UUID,
        dimension: str,
        key: str,
        from_: date | None = None,
        to: date | None = None,
    ) -> Sequence[DailyRow]: ...

    async def span(self, tenant_id: UUID, from_: date | None, to: date | None) -> tuple[date, date]: ...

    async def basis(self, tenant_id: UUID) -> Basis: ...


@dataclass(frozen=True, slots=True)
class DailyFigures:
    """``counts`` has every figure, zeros among them. ``as_of`` is None where nothing was ever added up."""

    day: date
    timezone: str
    counts: Counts
    rates: Mapping[str, Rate]
    as_of: datetime | None

    def to_dict(self) -> dict[str, Any]:
        return {
            "date": self.day.isoformat(),
            "timezone": self.timezone,
            "counts": dict(self.counts),
            "rates": {
                name: {"n": rate.n, "d": rate.d, "rate": rate.rate} for name, rate in self.rates.items()
            },
            "as_of": None if self.as_of is None else self.as_of.isoformat(),
        }


async def figures_of(
    statistics: Statistics, clock: Callable[[], datetime], context: BuiltinContext, payload: Mapping[str, Any]
) -> DailyFigures:
    """Those of the payload's ``date``; without it, of the day before the execution's slot in the tenant's zone.

    A slot that is run late, or filled in afterwards, tells of its own day.

    Raises:
        PermanentFailure: ``date`` is no date.
    """
    tenant_id = context.tenant_id
    basis = await statistics.basis(tenant_id)
    day = _asked_for(payload)
    if day is None:
        # Statistics count by the business clock, which may be ahead of the clock that slots go by.
        _, today = await statistics.span(tenant_id, None, None)
        late_days = _days_since(context.scheduled_at, clock(), basis.timezone)
        day = today - timedelta(days=1 + late_days)
    rows = await statistics.daily(tenant_id, Dimension.TENANT, str(tenant_id), day, day)
    counts = rows[0].counts if rows else {}
    return DailyFigures(
        day,
        basis.timezone,
        {name: counts.get(name, 0) for name in METRICS},
        rates(counts),
        basis.as_of,
    )


def _asked_for(payload: Mapping[str, Any]) -> date | None:
    raw = payload.get("date")
    if raw is None:
        return None
    try:
        return date.fromisoformat(raw)
    except (TypeError, ValueError):
        raise PermanentFailure(
            "the payload's date is none; write it as 2026-03-08, or leave it out"
        ) from None


def _days_since(slot: datetime | None, now: datetime, timezone: str) -> int:
    if slot is None:
        return 0
    tz = zone(timezone)
    return max((now.astimezone(tz).date() - slot.astimezone(tz).date()).days, 0)
