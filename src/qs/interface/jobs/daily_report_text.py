"""The daily report in words: numbers only, nobody's name."""

from collections.abc import Mapping

from qs.domain.kernel.zones import zone
from qs.interface.jobs.daily_figures import DailyFigures

_SUBJECTS = {"en": "Figures of {day}", "zh": "{day} 数据日报"}
LANGUAGES = tuple(_SUBJECTS)

_COUNTS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "enrolled": "Enrolled",
        "opened": "Tasks opened",
        "completed": "Tasks completed",
        "on_time": "  of those in time",
        "expired": "Tasks expired",
        "missed": "Tasks missed",
        "canceled": "Tasks canceled",
    },
    "zh": {
        "enrolled": "新入组",
        "opened": "已开放任务",
        "completed": "已完成任务",
        "on_time": "  其中按时完成",
        "expired": "已过期任务",
        "missed": "错过的任务",
        "canceled": "已取消任务",
    },
}
_RATE = {"en": "Completion: {n} of {d} ({percent:.1f} %)", "zh": "完成率：{n}/{d}（{percent:.1f}%）"}
_AS_OF = {
    "en": "Counted in {zone}, as of {at}.",
    "zh": "按 {zone} 时区统计，截至 {at}。",
}
_NEVER = {
    "en": "Counted in {zone}; nothing was added up yet (`qs stats sync daily`).",
    "zh": "按 {zone} 时区统计；尚未汇总过数据（`qs stats sync daily`）。",
}


def compose(figures: DailyFigures, language: str) -> tuple[str, str]:
    """Subject and text."""
    colon = ": " if language == "en" else "："
    lines = [f"{label}{colon}{figures.counts[name]}" for name, label in _COUNTS[language].items()]
    completion = figures.rates["completion"]
    if completion.rate is not None:
        lines.append(_RATE[language].format(n=completion.n, d=completion.d, percent=completion.rate * 100))
    if figures.as_of is None:
        footing = _NEVER[language].format(zone=figures.timezone)
    else:
        at = f"{figures.as_of.astimezone(zone(figures.timezone)):%Y-%m-%d %H:%M}"
        footing = _AS_OF[language].format(zone=figures.timezone, at=at)
    subject = _SUBJECTS[language].format(day=figures.day.isoformat())
    return subject, "\n".join([subject, "", *lines, "", footing, ""])
