"""Three pictures of statistics: how many a day, which part was answered, and how long people stay."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from math import nan
from typing import TYPE_CHECKING, Any

from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import blended_transform_factory

from qs.domain.statistics.metrics import Counts
from qs.domain.statistics.rates import Rate, rates
from qs.infra.statistics.canvas import GREY, in_percent, say_nothing_is_counted, sheet, style

if TYPE_CHECKING:
    from qs.application.statistics.reading import SurvivalView

_COLORS = {"opened": "#0072B2", "completed": "#009E73", "expired": "#D55E00", "missed": "#7F7F7F"}
_MOST_TICKS = 12


@dataclass(frozen=True, slots=True)
class Heading:
    """Of whom the figures are (``subject``), as of when, and in which zone dates are counted."""

    subject: str
    as_of: str
    timezone: str

    def note(self, what: str) -> str:
        return f"{what} · as of {self.as_of} ({self.timezone})"


def trend(heading: Heading, days: Mapping[date, Counts]) -> Figure:
    """Opened, completed, expired and missed tasks of each civil date, one below the other at the same scale."""
    with style():
        figure = sheet(f"Tasks a day: {heading.subject}", heading.note("by what became of them"), height=6.4)
        most = max((counts.get(name, 0) for counts in days.values() for name in _COLORS), default=0)
        grid = figure.add_gridspec(len(_COLORS), hspace=0.32)
        first: Axes | None = None
        for row, (name, color) in enumerate(_COLORS.items()):
            axes = figure.add_subplot(grid[row], sharex=first, sharey=first)
            first = first or axes
            _bars(axes, {day: counts.get(name, 0) for day, counts in days.items()}, color)
            total = sum(counts.get(name, 0) for counts in days.values())
            axes.set_title(f"{name}, {total} in all", loc="left", fontsize=10, color=color, pad=3)
            axes.set_ylabel("tasks")
            axes.tick_params(labelbottom=row == len(_COLORS) - 1)
            axes.grid(visible=False, axis="x")
        assert first is not None
        first.set_ylim(0, max(most, 1) * 1.08)
        first.yaxis.set_major_locator(MaxNLocator(nbins=3, integer=True))
        _dates(axes, days, heading.timezone)
    return figure


def completion_by_occasion(heading: Heading, occasions: Mapping[int, Rate]) -> Figure:
    """The part of the closed tasks of each occasion that was completed."""
    with style():
        figure = sheet(
            f"Completion: {heading.subject}", heading.note("completed of closed tasks, by occasion")
        )
        axes = figure.add_subplot()
        seqs = list(occasions)
        shown = [rate.rate or 0 for rate in occasions.values()]
        axes.bar(seqs, shown, width=0.62, color=_COLORS["completed"])
        for seq, rate in occasions.items():
            said = "none closed" if rate.rate is None else f"{rate.rate:.0%}\n{rate.n}/{rate.d}"
            # With many occasions there is no room for the numbers side by side.
            size = 9 if len(seqs) <= _MOST_TICKS else 6
            axes.annotate(
                said, (seq, rate.rate or 0), (0, 3), textcoords="offset points", ha="center", fontsize=size
            )
        in_percent(axes)
        axes.set_ylim(0, 1.12)
        axes.set_xlabel("occasion (seq)")
        axes.set_ylabel("completed of closed tasks")
        axes.xaxis.set_major_locator(MaxNLocator(nbins=_MOST_TICKS, integer=True, min_n_ticks=1))
        axes.set_xlim(0.4, max(seqs, default=1) + 0.6)
        axes.grid(visible=False, axis="x")
        if not occasions:
            say_nothing_is_counted(axes)
    return figure


def completion_by_day(heading: Heading, days: Mapping[date, Counts]) -> Figure:
    """The part of the tasks closed on each civil date that was completed, and how many they were."""
    with style():
        figure = sheet(f"Completion: {heading.subject}", heading.note("completed of closed tasks, by day"))
        above, below = figure.subplots(2, sharex=True, height_ratios=(3, 1), gridspec_kw={"hspace": 0.16})
        closed = {day: rate for day, counts in days.items() if (rate := rates(counts)["completion"]).d}
        drawn = [_place(day) for day in closed]
        # Points without a line: between two dates far apart there is nothing to join.
        above.plot(
            drawn,
            [rate.rate for rate in closed.values()],
            linestyle="none",
            marker="o",
            markersize=4.5,
            color=_COLORS["completed"],
            clip_on=False,
        )
        in_percent(above)
        above.set_ylabel("completed of closed tasks")
        _bars(below, {day: rate.d for day, rate in closed.items()}, "#9a9a9a")
        below.set_ylim(0, max((rate.d for rate in closed.values()), default=1) * 1.08)
        below.yaxis.set_major_locator(MaxNLocator(nbins=3, integer=True))
        below.set_ylabel("closed tasks (n)")
        _dates(below, days, heading.timezone)
    return figure


def retention(heading: Heading, survival: "SurvivalView") -> Figure:
    """The Kaplan-Meier estimate of staying, with its confidence band, and the numbers at risk under the axis."""
    last = max(survival.times, default=0.0) or 1.0
    with style():
        people = survival.at_risk[0] if survival.at_risk else 0
        what = f"Kaplan-Meier estimate, n = {people} enrollments"
        figure = sheet(
            f"Retention: {heading.subject}", heading.note(what), height=5.9, bottom=1.25, right=0.65
        )
        axes = figure.add_subplot()
        in_percent(axes)
        axes.set_ylim(0, 1.04)
        axes.set_xlim(0, last)
        axes.set_xlabel("days since the first occasion")
        axes.set_ylabel("enrollments still answering")
        ticks = _ticks(survival, last)
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        if not survival.times:
            say_nothing_is_counted(axes)
            return figure
        _curve(axes, survival)
        _mark_censored(axes, survival)
        _numbers_at_risk(axes, survival, ticks)
        axes.legend(loc="lower left", frameon=False)
    return figure


def _curve(axes: Axes, survival: "SurvivalView") -> None:
    times, stayed = [0.0, *survival.times], [1.0, *survival.survival]
    low, high = _bounds(survival.low), _bounds(survival.high)
    color = _COLORS["opened"]
    band = f"{survival.confidence:.0%} confidence band"
    axes.step(times, stayed, where="post", color=color, linewidth=2, label="estimate", clip_on=False)
    axes.fill_between(times, low, high, step="post", color=color, alpha=0.16, linewidth=0, label=band)
    # The last step has no width of its own, so its band is a bar.
    axes.plot([times[-1]] * 2, [low[-1], high[-1]], color=color, alpha=0.35, linewidth=5, clip_on=False)
    drops = [
        (time, share)
        for time, share, events in zip(survival.times, survival.survival, survival.events, strict=True)
        if events
    ]
    if len(drops) <= _MOST_TICKS:
        for time, share in drops:
            # Above the line, and beside it where it ends.
            off = (8, -3) if time == times[-1] else (5, 4)
            axes.annotate(f"{share:.0%}", (time, share), off, textcoords="offset points", fontsize=9)


def _bounds(bounds: Sequence[float | None]) -> list[float]:
    # Where the band is not defined, as where nobody is left, there is none to fill.
    return [1.0, *(nan if bound is None else bound for bound in bounds)]


def _mark_censored(axes: Axes, survival: "SurvivalView") -> None:
    censored = [
        (time, share)
        for time, share, count in zip(survival.times, survival.survival, survival.censored, strict=True)
        if count
    ]
    if censored:
        at, shares = zip(*censored, strict=True)
        mark: Any = {"linestyle": "none", "marker": "|", "markersize": 10.0, "markeredgewidth": 1.5}
        axes.plot(at, shares, color="#003a5c", label="censored", clip_on=False, **mark)


def _numbers_at_risk(axes: Axes, survival: "SurvivalView", ticks: Sequence[float]) -> None:
    place = blended_transform_factory(axes.transData, axes.transAxes)
    said: Any = {"fontsize": 9, "va": "center"}
    axes.text(0, -0.2, "enrollments at risk", transform=axes.transAxes, color=GREY, **said)
    for tick in ticks:
        # At risk at a time is who is neither gone nor out of sight before it.
        later = (n for time, n in zip(survival.times, survival.at_risk, strict=True) if time >= tick)
        axes.text(tick, -0.26, str(next(later, 0)), transform=place, ha="center", **said)


def _ticks(survival: "SurvivalView", last: float) -> list[float]:
    """The times at which somebody left or was last seen, if they are few and apart; else round ones."""
    times = sorted({0.0, *survival.times})
    if len(times) <= _MOST_TICKS and all(later - earlier >= last / 25 for earlier, later in pairwise(times)):
        return times
    return [float(tick) for tick in MaxNLocator(nbins=8, integer=True).tick_values(0, last) if tick <= last]


def _bars(axes: Axes, days: Mapping[date, int], color: str) -> None:
    # An edge keeps the bar of one day visible among a thousand.
    axes.bar(
        [_place(day) for day in days],
        list(days.values()),
        width=0.9,
        color=color,
        edgecolor=color,
        linewidth=1.2,
    )


def _dates(axes: Axes, days: Mapping[date, Counts], timezone: str) -> None:
    axes.set_xlabel(f"civil date in {timezone}")
    if not days:
        say_nothing_is_counted(axes)
        return
    axes.set_xlim(_place(min(days)) - 1, _place(max(days)) + 1)
    locator = AutoDateLocator(minticks=4, maxticks=9)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]


def _place(day: date) -> float:
    """Where the date stands on the axis, one a day."""
    return float(date2num(day))  # type: ignore[no-untyped-call]
