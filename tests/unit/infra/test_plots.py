"""Pictures are files that programs can open, say whose figures they are, and are the same for the same figures."""

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import fields
from datetime import date, timedelta
from pathlib import Path

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure

import qs
from qs.application.statistics.drawing import (
    Chart,
    CompletionByDay,
    CompletionByOccasion,
    Heading,
    Look,
    Retention,
    Theme,
    Trend,
)
from qs.application.statistics.following import SurvivalView
from qs.application.statistics.picture_words import CHINESE, ENGLISH, Words
from qs.domain.statistics.rates import Rate
from qs.infra.statistics.canvas import COLORS, file_of, save
from qs.infra.statistics.plots import (
    completion_by_day,
    completion_by_occasion,
    figure_of,
    retention,
    trend,
)

HEADING = Heading("Weekly <PHQ-9> for $5", "2026-06-01 00:00", "Asia/Shanghai")
DAYS = {
    date(2026, 5, 1) + timedelta(n): {"opened": 3, "completed": n % 3, "expired": 1, "missed": n % 2}
    for n in range(40)
}
SURVIVAL = SurvivalView(
    times=[7.0, 14.0, 28.0],
    at_risk=[150, 148, 127],
    events=[2, 21, 19],
    censored=[0, 0, 108],
    survival=[148 / 150, 127 / 150, 108 / 150],
    low=[0.95, 0.78, 0.64],
    high=[0.99, 0.89, 0.78],
    confidence=0.95,
)
NOBODY = SurvivalView([], [], [], [], [], [], [], 0.95)

DRAWN: dict[str, Callable[[], Figure]] = {
    "trend": lambda: trend(HEADING, DAYS),
    "completion by day": lambda: completion_by_day(HEADING, DAYS),
    "completion by occasion": lambda: completion_by_occasion(HEADING, {1: Rate(3, 4), 2: Rate(0, 0)}),
    "retention": lambda: retention(HEADING, SURVIVAL),
}
CHARTS: dict[str, Chart] = {
    "trend": Trend(HEADING, DAYS),
    "completion by day": CompletionByDay(HEADING, DAYS),
    "completion by occasion": CompletionByOccasion(HEADING, {1: Rate(3, 4), 2: Rate(0, 0)}),
    "retention": Retention(HEADING, SURVIVAL),
    "trend of nothing": Trend(HEADING, {}),
    "retention of nobody": Retention(HEADING, NOBODY),
}
EMPTY: dict[str, Callable[[], Figure]] = {
    "trend": lambda: trend(HEADING, {}),
    "completion by day": lambda: completion_by_day(HEADING, {}),
    "completion by occasion": lambda: completion_by_occasion(HEADING, {}),
    "retention": lambda: retention(HEADING, NOBODY),
}


def words_of(file: Path) -> list[str]:
    """The texts of an SVG in the order they stand in."""
    return ["".join(each.itertext()) for each in texts_of(file.read_bytes())]


def texts_of(svg: bytes) -> list[ET.Element]:
    return list(ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text"))


def luminance(color: str) -> float:
    """Of ``#rrggbb`` (WCAG 2.2, relative luminance)."""
    parts = (int(color[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    brighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("draw", DRAWN.values(), ids=DRAWN)
def test_a_png_has_its_signature_and_a_size_to_print(draw, tmp_path):
    assert save(draw(), tmp_path / "x.PNG")

    content = (tmp_path / "x.PNG").read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    assert int.from_bytes(content[16:20]) > 1000


@pytest.mark.parametrize("draw", DRAWN.values(), ids=DRAWN)
def test_an_svg_names_whose_figures_as_of_when_in_which_zone(draw, tmp_path):
    assert save(draw(), tmp_path / "x.svg")

    words = words_of(tmp_path / "x.svg")
    assert any(word.endswith(f": {HEADING.subject}") for word in words)
    assert any(word.endswith("as of 2026-06-01 00:00 (Asia/Shanghai)") for word in words)


@pytest.mark.parametrize("draw", DRAWN.values(), ids=DRAWN)
def test_the_same_figures_make_the_same_svg_without_a_date(draw, tmp_path):
    for name in ("a.svg", "b.svg"):
        save(draw(), tmp_path / name)

    content = (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert content == (tmp_path / "b.svg").read_text(encoding="utf-8")
    assert "dc:date" not in content


@pytest.mark.parametrize("draw", EMPTY.values(), ids=EMPTY)
def test_where_nothing_is_counted_the_picture_says_so(draw, tmp_path):
    save(draw(), tmp_path / "x.svg")

    assert "nothing counted yet" in words_of(tmp_path / "x.svg")


def test_the_curve_has_the_numbers_at_risk_under_its_axis(tmp_path):
    save(retention(HEADING, SURVIVAL), tmp_path / "x.svg")

    words = words_of(tmp_path / "x.svg")
    at_risk = words[words.index("enrollments at risk") + 1 :]
    assert [word for word in at_risk if re.fullmatch(r"\d+", word)] == ["150", "150", "148", "127"]
    assert {"0", "7", "14", "28", "99%", "85%", "72%", "95% confidence band", "censored"} <= set(words)


def test_a_rate_is_shown_with_its_n_and_d(tmp_path):
    save(completion_by_occasion(HEADING, {1: Rate(3, 4), 2: Rate(0, 0)}), tmp_path / "x.svg")

    words = " ".join(words_of(tmp_path / "x.svg"))
    assert "75%" in words
    assert "3/4" in words
    assert "none closed" in words


def test_characters_that_no_font_has_are_told_and_stay_text_in_an_svg(tmp_path):
    name = "plan \U000f1234"
    figure = completion_by_occasion(Heading(name, "now", "UTC"), {1: Rate(1, 1)})

    assert not save(figure, tmp_path / "x.png")
    assert save(figure, tmp_path / "x.svg")
    assert name in " ".join(words_of(tmp_path / "x.svg"))


def test_matplotlib_is_afterwards_as_it_was(tmp_path):
    before = dict(mpl.rcParams)

    save(trend(HEADING, DAYS), tmp_path / "x.svg")

    assert dict(mpl.rcParams) == before


def test_drawing_needs_no_display_and_no_home_and_says_nothing(tmp_path):
    program = (
        "import sys; from pathlib import Path; from qs.application.statistics import drawing;"
        "from qs.infra.statistics import canvas, plots;"
        "canvas.save(plots.trend(drawing.Heading('a', 'b', 'UTC'), {}), Path(sys.argv[1]));"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    hidden = ("DISPLAY", "MPLCONFIGDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}

    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "x.png")],
        env=environment | {"HOME": "/proc/nobody"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "x.png").stat().st_size > 1000


@pytest.mark.parametrize("theme", Theme)
@pytest.mark.parametrize("chart", CHARTS.values(), ids=CHARTS)
def test_every_word_stands_out_against_the_ground(chart, theme):
    look = Look(theme)

    texts = texts_of(file_of(figure_of(chart, look), look).content)

    assert len(texts) > 5
    for each in texts:
        style = each.get("style", "")
        color = re.search(r"fill: (#[0-9a-f]{6})", style)
        assert contrast(color[1] if color else "#000000", COLORS[theme].ground) >= 4.5, (each.text, style)


@pytest.mark.parametrize("theme", Theme)
def test_bars_and_lines_stand_out_against_the_ground(theme):
    colors = COLORS[theme]

    for series in (colors.opened, colors.completed, colors.expired, colors.missed):
        assert contrast(series.mark, colors.ground) >= 3


def test_the_ground_of_a_dark_picture_is_that_of_the_dashboards_cards():
    css = (Path(qs.__file__).parent / "interface/dashboard/assets/dashboard.css").read_text(encoding="utf-8")
    look = Look(Theme.DARK)

    content = file_of(figure_of(Trend(HEADING, DAYS), look), look).content.decode()

    (card,) = set(re.findall(r"--card: (#1[0-9a-f]{5});", css))
    assert f"fill: {card}" in content
    assert "fill: #ffffff" not in content


@pytest.mark.parametrize("chart", CHARTS.values(), ids=CHARTS)
def test_a_chinese_picture_has_no_english_word(chart):
    look = Look(words=CHINESE)
    names = (HEADING.subject, HEADING.timezone)

    texts = ["".join(each.itertext()) for each in texts_of(file_of(figure_of(chart, look), look).content)]

    left = " ".join(texts)
    for name in (*names, "Kaplan", "Meier"):
        left = left.replace(name, "")
    assert re.findall(r"[A-Za-z]{2,}", left) == []


def test_every_phrase_is_there_in_chinese_with_the_same_values():
    for field in fields(Words):
        english, chinese = getattr(ENGLISH, field.name), getattr(CHINESE, field.name)
        if isinstance(english, str):
            assert english != chinese
            assert sorted(re.findall(r"\{\w+\}", english)) == sorted(re.findall(r"\{\w+\}", chinese))


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", r"$\frac{1}{2}$", "a $ b", "]]>", "{subject} {0}", "%s", "'\"&amp;"]
)
def test_a_name_is_text_whatever_is_in_it(name):
    chart = Trend(Heading(name, "now", "UTC"), DAYS)

    content = file_of(figure_of(chart, Look()), Look()).content

    texts = ["".join(each.itertext()) for each in texts_of(content)]
    assert f"Tasks a day: {name}" in texts
    assert ET.fromstring(content).find(".//{http://www.w3.org/2000/svg}script") is None


def test_what_xml_cannot_hold_is_replaced():
    chart = Trend(Heading("a\x01b\x0bc\ufffe\n", "now", "UTC"), DAYS)

    texts = texts_of(file_of(figure_of(chart, Look()), Look()).content)

    assert "Tasks a day: a\ufffdb\ufffdc\ufffd\ufffd" in ["".join(each.itertext()) for each in texts]


@pytest.mark.parametrize("look", [Look(), Look(words=CHINESE)], ids=["English", "Chinese"])
@pytest.mark.parametrize("draw", [Trend, CompletionByDay])
def test_one_day_stands_in_a_week_of_dates_without_hours(draw, look):
    chart = draw(HEADING, {date(2026, 5, 10): {"opened": 3, "completed": 2, "expired": 1}})

    texts = ["".join(each.itertext()) for each in texts_of(file_of(figure_of(chart, look), look).content)]

    assert not [text for text in texts if re.fullmatch(r"\d\d:\d\d", text)]
    assert {"04", "10"} <= {text[-2:] for text in texts}
