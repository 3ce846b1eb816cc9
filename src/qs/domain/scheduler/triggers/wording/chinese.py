"""Triggers in Chinese."""

from datetime import datetime, timedelta

from qs.domain.scheduler.triggers.bits import listed
from qs.domain.scheduler.triggers.days import ALL_MONTHS, ALL_WEEKDAYS, EVERY_DAY_OF_MONTH, Days, DaysOfMonth
from qs.domain.scheduler.triggers.times import Times, clock_text
from qs.domain.scheduler.triggers.wording.rhythm import Listed, Spelled, Stepping, rhythm, runs, weekday_runs

_WEEKDAYS = ("周日", "周一", "周二", "周三", "周四", "周五", "周六")
_UNITS = ((timedelta(hours=1), "小时"), (timedelta(minutes=1), "分钟"), (timedelta(seconds=1), "秒"))


class Chinese:
    """Phrases of a sentence that has no subject: "周一至周五 09:00（Asia/Shanghai）"."""

    def every(self, period: timedelta) -> str:
        for unit, name in _UNITS:
            if period == unit:
                return f"每{name}"
        return f"每 {_length(period)}"

    def after_end(self, delay: timedelta) -> str:
        return f"上次执行结束 {_length(delay)}后"

    def once(self, at: datetime) -> str:
        return f"一次：{_instant(at)}"

    def recurring(self, days: Days, times: Times, timezone: str) -> str:
        shape = rhythm(times)
        on, at = self._days(days), self._times(shape)
        told = at if on == "每天" and not isinstance(shape, Listed) else f"{on} {at}"
        told = f"{told}（{timezone}）"
        if days.calendar is None:
            return told
        told = self.resting(told, days.calendar.name)
        if days.of_week.weekdays != ALL_WEEKDAYS and days.of_week.covers_working_week:
            return f"{told}，其调休上班日照常"
        return told

    def resting(self, text: str, calendar: str) -> str:
        return f"{text}，日历 {calendar} 的假日除外"

    def bounded(self, text: str, start: datetime | None, end: datetime | None) -> str:
        since = f"，自 {_instant(start)} 起" if start else ""
        until = f"，至 {_instant(end)} 前" if end else ""
        return f"{text}{since}{until}"

    def _times(self, shape: Listed | Stepping | Spelled) -> str:
        match shape:
            case Listed(seconds):
                return "、".join(clock_text(second) for second in seconds)
            case Stepping(first, last, step):
                told = self.every(step)
                if not shape.round_the_clock:
                    return f"{clock_text(first)} 至 {clock_text(last)} {told}"
                return f"自 {clock_text(first)} 起{told}" if first else told
            case Spelled(hours, minutes, seconds):
                told = f"{_field('时', '小时', hours)}{_field('分', '分钟', minutes)}"
                return told if seconds == [(0, 0)] else f"{told}{_field('秒', '秒', seconds)}"

    def _days(self, days: Days) -> str:
        any_of_month, any_of_week = days.of_month == EVERY_DAY_OF_MONTH, days.of_week.weekdays == ALL_WEEKDAYS
        in_months = "" if days.months == ALL_MONTHS else f"{_runs(days.months)} 月的"
        if (any_of_month and any_of_week) or (not days.both and (any_of_month or any_of_week)):
            return f"{in_months}每天"
        of_month = _spaced(in_months or "每月", _days_of_month(days.of_month))
        of_week = _days_of_week(days)
        each = in_months or ("每月" if days.of_week.nth or days.of_week.last else "每")
        if any_of_month:
            return _spaced(each, of_week)
        if any_of_week:
            return of_month
        return (
            f"{of_month}（仅当为{of_week}）"
            if days.both
            else _spaced(f"{of_month}或", _spaced(each, of_week))
        )


def _days_of_month(days: DaysOfMonth) -> str:
    found = [f"{first} 日" if first == last else f"{first}–{last} 日" for first, last in runs(days.numbers)]
    found += [f"离 {day} 日最近的工作日（周一至周五）" for day in listed(days.nearest)]
    if days.last_weekday:
        found.append("最后一个工作日（周一至周五）")
    found += [f"倒数第 {back + 1} 天" if back else "最后一天" for back in reversed(listed(days.from_end))]
    return f"{_and(found)}（短月取最近的一天）" if days.clamp else _and(found)


def _days_of_week(days: Days) -> str:
    of_week = days.of_week
    found = [
        _WEEKDAYS[first] if first == last else f"{_WEEKDAYS[first]}至{_WEEKDAYS[last]}"
        for first, last in weekday_runs(of_week.weekdays)
    ]
    found += [f"第 {n} 个{_WEEKDAYS[weekday]}" for weekday, n in sorted(of_week.nth)]
    found += [f"最后一个{_WEEKDAYS[weekday]}" for weekday in listed(of_week.last)]
    return _and(found)


def _field(name: str, unit: str, values: list[tuple[int, int]] | None) -> str:
    if values is None:
        return f"每{unit}"
    return (
        f"第 {'、'.join(str(first) if first == last else f'{first}–{last}' for first, last in values)} {name}"
    )


def _runs(members: int) -> str:
    return "、".join(str(first) if first == last else f"{first}–{last}" for first, last in runs(members))


def _and(parts: list[str]) -> str:
    return _spaced("、".join(parts[:-1]) + "和", parts[-1]) if len(parts) > 1 else parts[0]


def _spaced(text: str, following: str) -> str:
    # Chinese runs on, but for figures.
    return f"{text} {following}" if following[:1].isdigit() else text + following


def _length(period: timedelta) -> str:
    found = []
    for unit, name in _UNITS[:2]:
        count, period = divmod(period, unit)
        found += [f"{count} {name}"] if count else []
    return " ".join(found + ([f"{period.total_seconds():g} 秒"] if period else []))


def _instant(at: datetime) -> str:
    clock = at.replace(tzinfo=None).isoformat(" ", "auto" if at.second or at.microsecond else "minutes")
    return f"{clock}（{at.tzinfo}）"
