"""Three pictures of statistics: how many a day, which part was answered, and how long people stay."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from itertools import pairwise
from math import nan
from typing import TYPE_CHECKING, Any

from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import blended_transform_factory
from numpy import array

from qs.application.statistics import drawing
from qs.application.statistics.drawing import Chart, Heading, Look
from qs.application.statistics.picture_words import Words
from qs.domain.statistics.metrics import Counts
from qs.domain.statistics.rates import Rate, rates
from qs.infra.statistics.canvas import Colors, Series, in_percent, say_instead, sheet, style

if TYPE_CHECKING:
    from qs.application.statistics.following import SurvivalView

_MOST_TICKS = 12
_BAR = 0.9
_LEAST = timedelta(days=6)
_AS_USUAL = Look()
# By years, months, days, hours, minutes and seconds; of the first of each its own.
_NUMBERS = ["%Y", "%Y-%m", "%m-%d", "%H:%M", "%H:%M", "%S.%f"]
_LARGER_NUMBERS = ["", "%Y", "%Y", "%Y-%m-%d", "%Y-%m-%d", "%Y-%m-%d"]


def figure_of(chart: Chart, look: Look) -> Figure:
    """The chart as it is drawn."""
    match chart:
        case drawing.Trend(heading, days):
            return trend(heading, days, look)
        case drawing.CompletionByDay(heading, days):
            return completion_by_day(heading, days, look)
        case drawing.CompletionByOccasion(heading, occasions):
            return completion_by_occasion(heading, occasions, look)
        case drawing.Retention(heading, survival):
            return retention(heading, survival, look)


def trend(heading: Heading, days: Mapping[date, Counts], look: Look = _AS_USUAL) -> Figure:
    """Opened, completed, expired and missed tasks of each civil date, one below the other at the same scale."""
    words = look.words
    with style(look.theme) as colors:
        title = words.trend.format(subject=heading.subject)
        figure = sheet(title, _note(words, words.by_outcome, heading), colors, height=6.4)
        rows = _rows(words, colors)
        most = max((counts.get(name, 0) for counts in days.values() for name, _, _ in rows), default=0)
        grid = figure.add_gridspec(len(rows), hspace=0.32)
        first: Axes | None = None
        for row, (name, said, series) in enumerate(rows):
            axes = figure.add_subplot(grid[row], sharex=first, sharey=first)
            first = first or axes
            _bars(axes, {day: counts.get(name, 0) for day, counts in days.items()}, series.mark)
            total = sum(counts.get(name, 0) for counts in days.values())
            in_all = words.in_all.format(name=said, n=total)
            axes.set_title(in_all, loc="left", fontsize=10, color=series.words, pad=3)
            axes.set_ylabel(words.tasks)
            axes.tick_params(labelbottom=row == len(rows) - 1)
            axes.grid(visible=False, axis="x")
        assert first is not None
        first.set_ylim(0, max(most, 1) * 1.08)
        first.yaxis.set_major_locator(MaxNLocator(nbins=3, integer=True))
        _dates(axes, days, heading.timezone, words, colors)
    return figure


def completion_by_occasion(heading: Heading, occasions: Mapping[int, Rate], look: Look = _AS_USUAL) -> Figure:
    """The part of the closed tasks of each occasion that was completed."""
    words = look.words
    with style(look.theme) as colors:
        title = words.completion.format(subject=heading.subject)
        figure = sheet(title, _note(words, words.by_occasion, heading), colors)
        axes = figure.add_subplot()
        seqs = list(occasions)
        shown = [rate.rate or 0 for rate in occasions.values()]
        axes.bar(seqs, shown, width=0.62, color=colors.completed.mark)
        for seq, rate in occasions.items():
            said = words.none_closed if rate.rate is None else f"{rate.rate:.0%}\n{rate.n}/{rate.d}"
            # With many occasions there is no room for the numbers side by side.
            size = 9 if len(seqs) <= _MOST_TICKS else 6
            axes.annotate(
                said, (seq, rate.rate or 0), (0, 3), textcoords="offset points", ha="center", fontsize=size
            )
        in_percent(axes)
        axes.set_ylim(0, 1.12)
        axes.set_xlabel(words.occasion)
        axes.set_ylabel(words.completed_of_closed)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=_MOST_TICKS, integer=True, min_n_ticks=1))
        axes.set_xlim(0.4, max(seqs, default=1) + 0.6)
        axes.grid(visible=False, axis="x")
        if not occasions:
            say_instead(axes, words.nothing, colors)
    return figure


def completion_by_day(heading: Heading, days: Mapping[date, Counts], look: Look = _AS_USUAL) -> Figure:
    """The part of the tasks closed on each civil date that was completed, and how many they were."""
    words = look.words
    with style(look.theme) as colors:
        title = words.completion.format(subject=heading.subject)
        figure = sheet(title, _note(words, words.by_day, heading), colors)
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
            color=colors.completed.mark,
            clip_on=False,
        )
        in_percent(above)
        above.set_ylabel(words.completed_of_closed)
        _bars(below, {day: rate.d for day, rate in closed.items()}, colors.count)
        below.set_ylim(0, max((rate.d for rate in closed.values()), default=1) * 1.08)
        below.yaxis.set_major_locator(MaxNLocator(nbins=3, integer=True))
        below.set_ylabel(words.closed)
        _dates(below, days, heading.timezone, words, colors)
    return figure


def retention(heading: Heading, survival: "SurvivalView", look: Look = _AS_USUAL) -> Figure:
    """The Kaplan-Meier estimate of staying, with its confidence band, and the numbers at risk under the axis."""
    words = look.words
    last = max(survival.times, default=0.0) or 1.0
    with style(look.theme) as colors:
        people = survival.at_risk[0] if survival.at_risk else 0
        title = words.retention.format(subject=heading.subject)
        note = _note(words, words.estimated.format(n=people), heading)
        figure = sheet(title, note, colors, height=5.9, bottom=1.25, right=0.65)
        axes = figure.add_subplot()
        in_percent(axes)
        axes.set_ylim(0, 1.04)
        axes.set_xlim(0, last)
        axes.set_xlabel(words.days_since_first)
        axes.set_ylabel(words.still_answering)
        ticks = _ticks(survival, last)
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        if not survival.times:
            say_instead(axes, words.nothing, colors)
            return figure
        _curve(axes, survival, words, colors)
        _mark_censored(axes, survival, words, colors)
        _numbers_at_risk(axes, survival, ticks, words, colors)
        axes.legend(loc="lower left", frameon=False)
    return figure


def _note(words: Words, what: str, heading: Heading) -> str:
    return words.as_of.format(what=what, at=heading.as_of, zone=heading.timezone)


def _rows(words: Words, colors: Colors) -> tuple[tuple[str, str, Series], ...]:
    """The figures of the trend from above: name, what it is called, colours."""
    return (
        ("opened", words.opened, colors.opened),
        ("completed", words.completed, colors.completed),
        ("expired", words.expired, colors.expired),
        ("missed", words.missed, colors.missed),
    )


def _curve(axes: Axes, survival: "SurvivalView", words: Words, colors: Colors) -> None:
    times, stayed = [0.0, *survival.times], [1.0, *survival.survival]
    low, high = _bounds(survival.low), _bounds(survival.high)
    color = colors.opened.mark
    band = words.band.format(share=f"{survival.confidence:.0%}")
    axes.step(times, stayed, where="post", color=color, linewidth=2, label=words.estimate, clip_on=False)
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


def _mark_censored(axes: Axes, survival: "SurvivalView", words: Words, colors: Colors) -> None:
    censored = [
        (time, share)
        for time, share, count in zip(survival.times, survival.survival, survival.censored, strict=True)
        if count
    ]
    if censored:
        at, shares = zip(*censored, strict=True)
        mark: Any = {"linestyle": "none", "marker": "|", "markersize": 10.0, "markeredgewidth": 1.5}
        axes.plot(at, shares, color=colors.censored, label=words.censored, clip_on=False, **mark)


def _numbers_at_risk(
    axes: Axes, survival: "SurvivalView", ticks: Sequence[float], words: Words, colors: Colors
) -> None:
    place = blended_transform_factory(axes.transData, axes.transAxes)
    said: Any = {"fontsize": 9, "va": "center"}
    axes.text(0, -0.2, words.at_risk, transform=axes.transAxes, color=colors.soft, **said)
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
    if not days:
        return
    corners = [
        [(left, 0), (left, count), (left + _BAR, count), (left + _BAR, 0)]
        for left, count in ((_place(day) - _BAR / 2, count) for day, count in days.items())
    ]
    # As one path: hundreds of bars by themselves take a second to draw.
    bars = Path.make_compound_path_from_polys(array(corners))
    # An edge keeps the bar of one day visible among a thousand.
    axes.add_patch(PathPatch(bars, facecolor=color, edgecolor=color, linewidth=1.2))


def _dates(axes: Axes, days: Mapping[date, Counts], timezone: str, words: Words, colors: Colors) -> None:
    axes.set_xlabel(words.civil_date.format(zone=timezone))
    if not days:
        say_instead(axes, words.nothing, colors)
        return
    # Of less than a week a day would be as wide as the sheet, with the hours of it underneath.
    first = min(*days, max(days) - _LEAST)
    axes.set_xlim(_place(first) - 1, _place(max(days)) + 1)
    locator = AutoDateLocator(minticks=4, maxticks=9)  # type: ignore[no-untyped-call]
    numbers: Any = (
        {"formats": _NUMBERS, "zero_formats": _NUMBERS, "offset_formats": _LARGER_NUMBERS}
        if words.dates_are_numbers
        else {}
    )
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, **numbers))  # type: ignore[no-untyped-call]


def _place(day: date) -> float:
    """Where the date stands on the axis, one a day."""
    return float(date2num(day))  # type: ignore[no-untyped-call]
