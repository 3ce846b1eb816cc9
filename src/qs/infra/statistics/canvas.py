"""A sheet to draw on by matplotlib: no display, no state that outlives the drawing, the same bytes for the same figures."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
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
    "grid.color": "#e3e3e3",
    "grid.linewidth": 0.8,
    "axes.edgecolor": "#888888",
    "axes.labelcolor": "#333333",
    "xtick.color": "#555555",
    "ytick.color": "#555555",
    "xtick.labelcolor": "#333333",
    "ytick.labelcolor": "#333333",
    # Text stays text, so that it can be read aloud and searched, and needs no font to be drawn with.
    "svg.fonttype": "none",
    # Else the ids inside the file are new at every drawing.
    "svg.hashsalt": "qs",
}
_WIDTH, _DPI = 9.0, 150
GREY = "#666666"


@contextmanager
def style() -> Iterator[None]:
    """Inside the block figures look as ours do; afterwards matplotlib is as it was."""
    installed = {font.name for font in fontManager.ttflist}
    fonts = ["DejaVu Sans", *(name for name in _CHINESE if name in installed)]
    settings: Any = _STYLE | {"font.family": [*fonts, "sans-serif"]}
    with mpl.rc_context(settings):
        yield


def sheet(title: str, note: str, *, height: float = 5.4, bottom: float = 0.72, right: float = 0.25) -> Figure:
    """An empty sheet under its title and, smaller, what it is about; margins in inches below and on the right."""
    figure = Figure(figsize=(_WIDTH, height), dpi=_DPI, facecolor="white")
    figure.subplots_adjust(
        left=0.8 / _WIDTH, right=1 - right / _WIDTH, top=1 - 0.85 / height, bottom=bottom / height
    )
    left = 0.15 / _WIDTH
    figure.text(left, 1 - 0.16 / height, _plain(title), fontsize=13, fontweight="bold", va="top")
    figure.text(left, 1 - 0.48 / height, _plain(note), fontsize=9, color=GREY, va="top")
    return figure


def in_percent(axes: Axes) -> None:
    """The axis upwards goes from 0 to 100 %."""
    axes.set_ylim(0, 1.0)
    axes.set_yticks([0, 0.2, 0.4, 0.6, 0.8, 1])
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))


def say_nothing_is_counted(axes: Axes) -> None:
    """Leaves the axes empty and says so, which a reader would else take for a mistake."""
    axes.set_xticks([])
    axes.text(0.5, 0.5, "nothing counted yet", transform=axes.transAxes, ha="center", va="center", color=GREY)


def save(figure: Figure, path: Path) -> bool:
    """Writes a PNG or an SVG, as the suffix says; whether every character could be drawn. Raises OSError."""
    drawn = BytesIO()
    is_svg = path.suffix.lower() == ".svg"
    metadata = {"Creator": "qs", "Date": None} if is_svg else {"Software": "qs"}
    with style(), warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        figure.savefig(drawn, format="svg" if is_svg else "png", metadata=metadata)
    path.write_bytes(drawn.getvalue())
    return is_svg or not any("Glyph" in str(each.message) for each in said)


def _plain(text: str) -> str:
    # A dollar sign would begin a formula.
    return text.replace("$", r"\$")
