from typing import Any

import pytest

from qs.domain.scheduler.triggers import words
from tests.unit.domain.triggers.making import at, trigger
from tests.unit.domain.triggers.test_calendars import CHINA


@pytest.mark.parametrize(
    ("kind", "schedule", "english", "chinese"),
    [
        ("cron", "0 9 * * 1-5", "Mon–Fri at 09:00 Asia/Shanghai", "每周一至周五 09:00（Asia/Shanghai）"),
        ("cron", "*/5 * * * *", "every 5 min Asia/Shanghai", "每 5 分钟（Asia/Shanghai）"),
        ("cron", "* * * * *", "every minute Asia/Shanghai", "每分钟（Asia/Shanghai）"),
        ("cron", "* * * * * *", "every second Asia/Shanghai", "每秒（Asia/Shanghai）"),
        ("cron", "@hourly", "every hour Asia/Shanghai", "每小时（Asia/Shanghai）"),
        ("cron", "5 * * * *", "every hour from 00:05 Asia/Shanghai", "自 00:05 起每小时（Asia/Shanghai）"),
        (
            "cron",
            "30 */2 * * *",
            "every 2 h from 00:30 Asia/Shanghai",
            "自 00:30 起每 2 小时（Asia/Shanghai）",
        ),
        (
            "cron",
            "0 */6 * * *",
            "every day at 00:00, 06:00, 12:00 and 18:00 Asia/Shanghai",
            "每天 00:00、06:00、12:00、18:00（Asia/Shanghai）",
        ),
        (
            "cron",
            "*/15 9-17 * * 6,0,1",
            "Mon, Sat and Sun every 15 min from 09:00 to 17:45 Asia/Shanghai",
            "每周一、周六和周日 09:00 至 17:45 每 15 分钟（Asia/Shanghai）",
        ),
        (
            "cron",
            "*/10 * 9-17 * * *",
            "every 10 s from 09:00 to 17:59:50 Asia/Shanghai",
            "09:00 至 17:59:50 每 10 秒（Asia/Shanghai）",
        ),
        (
            "cron",
            "*/10 0-58 * * * *",
            "at second 0, 10, 20, 30, 40 and 50 of minute 0–58 of every hour Asia/Shanghai",
            "每小时第 0–58 分第 0、10、20、30、40、50 秒（Asia/Shanghai）",
        ),
        (
            "cron",
            "7,12 3-5 * * *",
            "every day at 03:07, 03:12, 04:07, 04:12, 05:07 and 05:12 Asia/Shanghai",
            "每天 03:07、03:12、04:07、04:12、05:07、05:12（Asia/Shanghai）",
        ),
        (
            "cron",
            "1,5,7-9 3,4 * * *",
            "at minute 1, 5 and 7–9 of hour 3–4 Asia/Shanghai",
            "第 3–4 时第 1、5、7–9 分（Asia/Shanghai）",
        ),
        (
            "cron",
            "* 3,7 * * *",
            "every minute of hour 3 and 7 Asia/Shanghai",
            "第 3、7 时每分钟（Asia/Shanghai）",
        ),
        (
            "cron",
            "30 0 9 29 2 *",
            "the 29th of the month in Feb at 09:00:30 Asia/Shanghai",
            "2 月的 29 日 09:00:30（Asia/Shanghai）",
        ),
        (
            "cron",
            "0 0 13 * 5",
            "the 13th of the month or Fri, at 00:00 Asia/Shanghai",
            "每月 13 日或每周五 00:00（Asia/Shanghai）",
        ),
        (
            "cron",
            "0 0 */10 1-3 1",
            "the 1st, the 11th, the 21st and the 31st of the month in Jan–Mar, if that is Mon, at 00:00 Asia/Shanghai",
            "1–3 月的 1 日、11 日、21 日和 31 日（仅当为周一） 00:00（Asia/Shanghai）",
        ),
        (
            "cron",
            "0 0 1 2 1#2,5L",
            "the 1st of the month or the 2nd Mon of the month and the last Fri of the month, in Feb, "
            "at 00:00 Asia/Shanghai",
            "2 月的 1 日或 2 月的第 2 个周一和最后一个周五 00:00（Asia/Shanghai）",
        ),
        ("cron", "0 0 1-31 * 5", "every day at 00:00 Asia/Shanghai", "每天 00:00（Asia/Shanghai）"),
        ("cron", "0 0 * 7 *", "every day in Jul at 00:00 Asia/Shanghai", "7 月的每天 00:00（Asia/Shanghai）"),
        (
            "cron",
            "0 0 * 7 1#3",
            "the 3rd Mon of the month in Jul at 00:00 Asia/Shanghai",
            "7 月的第 3 个周一 00:00（Asia/Shanghai）",
        ),
        (
            "cron",
            "0 0 2-4,22,15W,LW,L-3 * *",
            "the 2nd–4th, the 22nd, the weekday (Mon–Fri) nearest the 15th, the last weekday (Mon–Fri) and the 4th to "
            "last day of the month at 00:00 Asia/Shanghai",
            "每月 2–4 日、22 日、离 15 日最近的工作日（周一至周五）、最后一个工作日（周一至周五）"
            "和倒数第 4 天 00:00（Asia/Shanghai）",
        ),
        ("duration", "30s", "every 30 s", "每 30 秒"),
        ("duration", "1h30m", "every 1 h 30 min", "每 1 小时 30 分钟"),
        ("duration", "1.5s", "every 1.5 s", "每 1.5 秒"),
        ("duration", "1m", "every minute", "每分钟"),
        ("fixed_delay", "90s", "1 min 30 s after the last execution ended", "上次执行结束 1 分钟 30 秒后"),
        (
            "daily",
            "02:00,14:30",
            "every day at 02:00 and 14:30 Asia/Shanghai",
            "每天 02:00、14:30（Asia/Shanghai）",
        ),
        (
            "weekly",
            "fri-mon 09:00",
            "Mon and Fri–Sun at 09:00 Asia/Shanghai",
            "每周一和周五至周日 09:00（Asia/Shanghai）",
        ),
        (
            "monthly",
            "1,L 03:00",
            "the 1st and the last day of the month at 03:00 Asia/Shanghai",
            "每月 1 日和最后一天 03:00（Asia/Shanghai）",
        ),
        (
            "monthly",
            "11,-2 03:00",
            "the 11th and the 2nd to last day of the month at 03:00 Asia/Shanghai",
            "每月 11 日和倒数第 2 天 03:00（Asia/Shanghai）",
        ),
        (
            "once",
            "2026-07-01 09:00",
            "once at 2026-07-01 09:00 Asia/Shanghai",
            "一次：2026-07-01 09:00（Asia/Shanghai）",
        ),
        (
            "once",
            "2026-07-01T01:00:00.5Z",
            "once at 2026-07-01 09:00:00.500000 Asia/Shanghai",
            "一次：2026-07-01 09:00:00.500000（Asia/Shanghai）",
        ),
    ],
)
def test_a_trigger_is_told_in_one_phrase(kind: str, schedule: str, english: str, chinese: str):
    told = trigger(kind, schedule, None, default_timezone="Asia/Shanghai")

    assert words(told, "en") == english
    assert words(told, "zh") == chinese


@pytest.mark.parametrize(
    ("kind", "schedule", "fields", "english", "chinese"),
    [
        (
            "weekly",
            "MON-FRI 09:00",
            {"calendar": CHINA},
            "Mon–Fri at 09:00 UTC, except on holidays of calendar cn, and on its make-up workdays",
            "每周一至周五 09:00（UTC），日历 cn 的假日除外，其调休上班日照常",
        ),
        (
            "daily",
            "09:00",
            {"calendar": CHINA},
            "every day at 09:00 UTC, except on holidays of calendar cn",
            "每天 09:00（UTC），日历 cn 的假日除外",
        ),
        (
            "duration",
            "1h",
            {"calendar": CHINA},
            "every hour, except on holidays of calendar cn",
            "每小时，日历 cn 的假日除外",
        ),
        (
            "daily",
            "09:00",
            {"start_at": at("2026-01-01"), "end_at": at("2027-01-01")},
            "every day at 09:00 UTC, from 2026-01-01 00:00 UTC on, before 2027-01-01 00:00 UTC",
            "每天 09:00（UTC），自 2026-01-01 00:00（UTC） 起，至 2027-01-01 00:00（UTC） 前",
        ),
        (
            "monthly",
            "31 03:00",
            {"missing": "clamp"},
            "the 31st (the nearest day there is in shorter months) of the month at 03:00 UTC",
            "每月 31 日（短月取最近的一天） 03:00（UTC）",
        ),
    ],
)
def test_calendars_bounds_and_clamping_are_told_too(
    kind: str, schedule: str, fields: dict[str, Any], english: str, chinese: str
):
    told = trigger(kind, schedule, "UTC", **fields)

    assert words(told, "en") == english
    assert words(told, "zh") == chinese
