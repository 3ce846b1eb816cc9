"""A sheet to draw on by matplotlib: no display, no state that outlives the drawing, the same bytes for the same figures."""

import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

# What it has to say of its font cache and of a home it cannot write to concerns nobody who asked for a picture.
logging.getLogger("matplotlib").setLevel(logging.ERROR)

import matplotlib as mpl  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.font_manager import fontManager  # noqa: E402
from matplotlib.ticker import PercentFormatter  # noqa: E402

from qs.application.statistics.drawing import Drawn, FileKind, Look, Theme  # noqa: E402
from qs.infra.statistics.quiet import SILENCE  # noqa: E402

# A plan's name may be Chinese, which the font that comes with matplotlib has no characters for.
_CHINESE = (
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Source Han Sans SC",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "PingFang SC",
    "Microsoft YaHei",
    "SimHei",
    "Droid Sans Fallback",
)
_STYLE: dict[str, Any] = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.linewidth": 0.8,
    # Text stays text, so that it can be read aloud and searched, and needs no font to be drawn with.
    "svg.fonttype": "none",
    # Else the ids inside the file are new at every drawing.
    "svg.hashsalt": "qs",
}
_WIDTH, _DPI = 9.0, 150
# XML has no place for most of these, not even escaped (XML 1.0 §2.2), and a line of text for none.
_NO_XML = re.compile("[^\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Series:
    """The colour of a figure's bars and lines, and that of words about it, which hold 4.5:1 against the ground."""

    mark: str
    words: str


@dataclass(frozen=True, slots=True)
class Colors:
    """The colours of one theme: of Okabe and Ito, who chose them so that everybody can tell them apart."""

    ground: str
    ink: str
    label: str
    soft: str
    tick: str
    edge: str
    grid: str
    opened: Series
    completed: Series
    expired: Series
    missed: Series
    censored: str
    count: str


COLORS = {
    Theme.LIGHT: Colors(
        ground="#ffffff",
        ink="#000000",
        label="#333333",
        soft="#666666",
        tick="#555555",
        edge="#888888",
        grid="#e3e3e3",
        opened=Series("#0072B2", "#0072B2"),
        completed=Series("#009E73", "#00734F"),
        expired=Series("#D55E00", "#A84A00"),
        missed=Series("#7F7F7F", "#636363"),
        censored="#003a5c",
        count="#9a9a9a",
    ),
    # Ground, ink and lines are those of the dashboard's cards.
    Theme.DARK: Colors(
        ground="#1b2220",
        ink="#e6ecea",
        label="#e6ecea",
        soft="#a3b0ab",
        tick="#a3b0ab",
        edge="#8a9691",
        grid="#35403c",
        opened=Series("#56B4E9", "#56B4E9"),
        completed=Series("#009E73", "#2BC49A"),
        expired=Series("#E69F00", "#E69F00"),
        missed=Series("#A6A6A6", "#B5B5B5"),
        censored="#d7ecfa",
        count="#9a9a9a",
    ),
}


@contextmanager
def style(theme: Theme) -> Iterator[Colors]:
    """Inside the block figures look as ours do; afterwards matplotlib is as it was."""
    colors = COLORS[theme]
    installed = {font.name for font in fontManager.ttflist}
    fonts = ["DejaVu Sans", *(name for name in _CHINESE if name in installed)]
    settings: Any = _STYLE | {
        "font.family": [*fonts, "sans-serif"],
        "text.color": colors.ink,
        "axes.facecolor": colors.ground,
        "axes.edgecolor": colors.edge,
        "axes.labelcolor": colors.label,
        "grid.color": colors.grid,
        "xtick.color": colors.tick,
        "ytick.color": colors.tick,
        "xtick.labelcolor": colors.label,
        "ytick.labelcolor": colors.label,
    }
    with mpl.rc_context(settings):
        yield colors


def sheet(
    title: str, note: str, colors: Colors, *, height: float = 5.4, bottom: float = 0.72, right: float = 0.25
) -> Figure:
    """An empty sheet under its title and, smaller, what it is about; margins in inches below and on the right."""
    figure = Figure(figsize=(_WIDTH, height), dpi=_DPI, facecolor=colors.ground)
    figure.subplots_adjust(
        left=0.8 / _WIDTH, right=1 - right / _WIDTH, top=1 - 0.85 / height, bottom=bottom / height
    )
    left = 0.15 / _WIDTH
    figure.text(left, 1 - 0.16 / height, _plain(title), fontsize=13, fontweight="bold", va="top")
    figure.text(left, 1 - 0.48 / height, _plain(note), fontsize=9, color=colors.soft, va="top")
    return figure


def in_percent(axes: Axes) -> None:
    """The axis upwards goes from 0 to 100 %."""
    axes.set_ylim(0, 1.0)
    axes.set_yticks([0, 0.2, 0.4, 0.6, 0.8, 1])
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))


def say_instead(axes: Axes, words: str, colors: Colors) -> None:
    """Leaves the axes empty and says why, which a reader would else take for a mistake."""
    axes.set_xticks([])
    axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", va="center", color=colors.soft)


def file_of(figure: Figure, look: Look) -> Drawn:
    """The figure as a file."""
    drawn = BytesIO()
    is_svg = look.kind is FileKind.SVG
    metadata = {"Creator": "qs", "Date": None} if is_svg else {"Software": "qs"}
    with style(look.theme), SILENCE, warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        figure.savefig(drawn, format=look.kind.value, metadata=metadata)
    return Drawn(drawn.getvalue(), is_svg or not any("Glyph" in str(each.message) for each in said))


def save(figure: Figure, path: Path) -> bool:
    """Writes a PNG or an SVG, as the suffix says; whether every character could be drawn. Raises OSError."""
    drawn = file_of(figure, Look(kind=FileKind(path.suffix.lower().removeprefix("."))))
    path.write_bytes(drawn.content)
    return drawn.is_whole


def _plain(text: str) -> str:
    # A dollar sign would begin a formula.
    return _NO_XML.sub("\ufffd", text).replace("$", r"\$")
