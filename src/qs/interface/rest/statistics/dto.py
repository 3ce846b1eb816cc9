"""How figures look on the wire. Every rate has its numerator and denominator; null where nothing could be counted."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta, Struct

from qs.application.statistics.following import LagView, LatencyView, SurvivalView
from qs.application.statistics.ports import DailyRow, Revision
from qs.application.statistics.reading import (
    Basis,
    FiguresView,
    PlanView,
    WindowView,
)
from qs.domain.statistics.metrics import METRICS, reasons
from qs.domain.statistics.rates import Rate, rates


class RateView(Struct):
    """``n`` of ``d``; ``rate`` is null where ``d`` is 0."""

    n: int
    d: int
    rate: float | None


class WindowFigures(Struct, rename={"from_": "from"}):
    """Figures of so many civil dates, the last of them included."""

    from_: date
    to: date
    counts: dict[str, int]
    rates: dict[str, RateView]


class Figures(Struct, kw_only=True):
    """Totals and windows. ``as_of`` is null where nothing was added up yet."""

    dimension: str
    key: str
    as_of: datetime | None
    timezone: str
    definition_version: int
    through: date | None
    totals: dict[str, int]
    rates: dict[str, RateView]
    windows: dict[str, WindowFigures]
    reasons: dict[str, int]
    first_on: date | None
    last_on: date | None


class Occasion(Struct):
    """The tasks of one occasion (`seq`) of a plan; closed are those opened and then completed or expired."""

    seq: int
    total: int
    opened: int
    closed: int
    completed: int
    expired: int
    completion: RateView


class PlanFigures(Figures, kw_only=True):
    """A plan's figures; `counts` and `occasions` are those of its tasks as they were at `counted_at`.

    `survival`, `latency` and `opening` are read from the tasks when somebody asks, at `followed_at`: of a large plan
    not at each call.
    """

    counts: dict[str, int]
    current_rates: dict[str, RateView]
    occasions: list[Occasion]
    retention: Annotated[list[int], Meta(description="Completed tasks of each occasion in order.")]
    followup: RateView
    survival: SurvivalView
    latency: LatencyView
    opening: LagView
    followed_at: datetime
    counted_at: datetime | None


class DailyFigures(Struct):
    """One civil date. `generation` counts changes after the date was closed, `reason` is that of the last."""

    date: date
    counts: dict[str, int]
    reasons: dict[str, int]
    rates: dict[str, RateView]
    generation: int
    reason: str | None
    as_of: datetime


class RevisionFigures(Struct):
    """What a closed date was before it changed, and why it did."""

    date: date
    generation: int
    reason: str
    before: dict[str, int]
    after: dict[str, int]
    at: datetime


class DailyList(Struct, kw_only=True, rename={"from_": "from"}):
    """The civil dates asked for that have any figure, ascending, with what was changed after they were closed."""

    dimension: str
    key: str
    from_: date
    to: date
    as_of: datetime | None
    timezone: str
    definition_version: int
    items: list[DailyFigures]
    revisions: list[RevisionFigures]


class TaskIds(Struct):
    """The tasks that make up a number (for `enrolled`, the enrollments), in the order of their ids."""

    items: list[UUID]
    next_cursor: str | None


def rate_views(many: Mapping[str, Rate]) -> dict[str, RateView]:
    return {name: rate_view(rate) for name, rate in many.items()}


def rate_view(rate: Rate) -> RateView:
    return RateView(rate.n, rate.d, rate.rate)


def figures_view(view: FiguresView) -> Figures:
    return Figures(**_figures(view))


def plan_view(view: PlanView) -> PlanFigures:
    return PlanFigures(
        **_figures(view.figures),
        counts=dict(view.counts),
        current_rates=rate_views(view.rates),
        occasions=[
            Occasion(
                **{name: each[name] for name in ("seq", "total", "opened", "closed", "completed", "expired")},
                completion=rate_view(Rate(each["completed"], each["closed"])),
            )
            for each in view.occasions
        ],
        retention=list(view.retention),
        followup=rate_view(view.followup),
        survival=view.survival,
        latency=view.latency,
        opening=view.opening,
        followed_at=view.followed_at,
        counted_at=view.as_of,
    )


def daily_list(
    whose: tuple[str, str],
    span: tuple[date, date],
    basis: Basis,
    rows: Sequence[DailyRow],
    revisions: Sequence[Revision],
) -> DailyList:
    return DailyList(
        dimension=whose[0],
        key=whose[1],
        from_=span[0],
        to=span[1],
        as_of=basis.as_of,
        timezone=basis.timezone,
        definition_version=basis.definition_version,
        items=[daily_figures(row) for row in rows],
        revisions=[
            RevisionFigures(each.day, each.generation, each.reason, each.before, each.after, each.at)
            for each in revisions
        ],
    )


def daily_figures(row: DailyRow) -> DailyFigures:
    return DailyFigures(
        row.day,
        {name: row.counts.get(name, 0) for name in METRICS},
        reasons(row.counts),
        rate_views(rates(row.counts)),
        row.generation,
        row.reason,
        row.as_of,
    )


def _figures(view: FiguresView) -> dict[str, Any]:
    return {
        "dimension": view.dimension,
        "key": view.key,
        "as_of": view.as_of,
        "timezone": view.timezone,
        "definition_version": view.definition_version,
        "through": view.through,
        "totals": {name: view.totals.get(name, 0) for name in METRICS},
        "rates": rate_views(view.rates),
        "windows": {days: _window(window) for days, window in view.windows.items()},
        "reasons": dict(view.reasons),
        "first_on": view.first_on,
        "last_on": view.last_on,
    }


def _window(window: WindowView) -> WindowFigures:
    counts = {name: window.counts.get(name, 0) for name in METRICS}
    return WindowFigures(window.from_, window.to, counts, rate_views(window.rates))
