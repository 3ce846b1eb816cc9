"""How figures look in a terminal."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from qs.domain.kernel.zones import zone
from qs.domain.statistics.metrics import METRICS
from qs.domain.statistics.rates import Rate
from qs.interface.cli.output import rows

if TYPE_CHECKING:
    from rich.console import Group, RenderableType

    from qs.application.statistics.following import LagView, LatencyView, SurvivalView
    from qs.application.statistics.reading import FiguresView, PlanView

_STATES = ("total", "pending", "currently_open", "completed", "expired", "missed", "canceled")
_PEOPLE = ("enrolled", "active")
_BAR = 30


def figures_tables(title: str, view: "FiguresView") -> "Group":
    """Totals and windows of figures and rates, and what they are as of."""
    return _group(_figures(title, view))


def plan_tables(title: str, view: "PlanView") -> "Group":
    """The figures of a plan, its tasks as they are, and how long people stay."""
    return _group(_plan(title, view))


def differences_table(report: Mapping[str, Any]) -> "Group":
    """What a validation found: its status, and the differences in order."""
    shown = ("dimension", "key", "date", "metric", "redis", "stored", "expected", "cause")
    found: Sequence[Mapping[str, Any]] = report["differences"]
    parts: list[RenderableType] = [
        rows(("status", "checked", "differences"), [_status(report)]),
    ]
    if found:
        parts.append(rows(shown, [[each[name] for name in shown] for each in found]))
    if len(found) < report["differences_total"]:
        parts.append(f"these are the first {len(found)} of {report['differences_total']}")
    return _group(parts)


def survival_table(survival: "SurvivalView") -> "RenderableType":
    """A line for each time at which somebody left, and for the last; the bar is the part that stayed."""
    steps = zip(
        survival.times,
        survival.at_risk,
        survival.events,
        survival.censored,
        survival.survival,
        survival.low,
        survival.high,
        strict=True,
    )
    lines = [
        (
            f"{time:g}",
            at_risk,
            left,
            censored,
            f"{stayed:.4f}",
            None if low is None or high is None else f"{low:.3f} - {high:.3f}",
            "█" * round(stayed * _BAR),
        )
        for time, at_risk, left, censored, stayed, low, high in steps
        if left or time == survival.times[-1]
    ]
    band = f"{survival.confidence:.0%} band"
    title = "retention: how people stay, as it is now (Kaplan-Meier)"
    return rows(("day", "at risk", "left", "censored", "staying", band, ""), lines, title=title)


def local(instant: datetime, timezone: str) -> str:
    """The wall time in that zone, to the minute."""
    return f"{instant.astimezone(zone(timezone)):%Y-%m-%d %H:%M}"


def shown_rate(rate: Rate) -> str:
    return f"{rate.n}/{rate.d}  -" if rate.rate is None else f"{rate.n}/{rate.d}  {rate.rate:.1%}"


def _group(parts: "Iterator[RenderableType] | list[RenderableType]") -> "Group":
    from rich.console import Group

    return Group(*parts)


def _status(report: Mapping[str, Any]) -> tuple[Any, ...]:
    return report["status"], report["checked"], report["differences_total"]


def _figures(title: str, view: "FiguresView") -> "Iterator[RenderableType]":
    yield rows(
        ("as of", "zone", "first date", "last date", "windows through", "definition"),
        [
            (
                local(view.as_of, view.timezone) if view.as_of else None,
                view.timezone,
                view.first_on,
                view.last_on,
                view.through,
                view.definition_version,
            )
        ],
        title=title,
    )
    windows = list(view.windows.items())
    columns = ("in all", *(f"last {days} days" for days, _ in windows))
    since = ("from", None, *(window.from_ for _, window in windows))
    sides = [view.totals, *(window.counts for _, window in windows)]
    counts = [(name, *(side.get(name, 0) for side in sides)) for name in METRICS]
    yield rows(("figure", *columns), [since, *counts])
    every = [view.rates, *(window.rates for _, window in windows)]
    yield rows(
        ("rate", *columns), [(name, *(shown_rate(each[name]) for each in every)) for name in view.rates]
    )
    if view.reasons:
        yield rows(("by reason", "in all"), sorted(view.reasons.items()))


def _plan(title: str, view: "PlanView") -> "Iterator[RenderableType]":
    yield from _figures(title, view.figures)
    now = local(view.as_of, view.figures.timezone) if view.as_of else "never"
    states = (*_STATES, *_PEOPLE)
    yield rows(states, [[view.counts.get(name, 0) for name in states]], title=f"tasks and people at {now}")
    yield rows(
        ("occasion", "total", "opened", "closed", "completed", "expired", "completion"),
        [
            (
                each["seq"],
                each["total"],
                each["opened"],
                each["closed"],
                each["completed"],
                each["expired"],
                shown_rate(Rate(each["completed"], each["closed"])),
            )
            for each in view.occasions
        ],
    )
    yield survival_table(view.survival)
    yield _latency(view.latency)
    yield _opening(view.opening)


def _opening(opening: "LagView") -> "RenderableType":
    late = (opening.median_seconds, opening.p95_seconds, opening.longest_seconds)
    return rows(
        ("opened after its time, median", "95 of 100 within", "longest", "tasks"),
        [(*(None if each is None else f"{each:.1f} s" for each in late), opening.n)],
    )


def _latency(latency: "LatencyView") -> "RenderableType":
    hours = latency.median_hours
    median = None if hours is None else f"{hours:.1f} h" if hours >= 1 else f"{hours * 60:.1f} min"
    return rows(
        ("opening to answer, median", "tasks", "of these without an answer"),
        [(median, latency.n, latency.censored)],
    )
