"""What is written in a picture beside names and numbers, in English and Chinese."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Language = Literal["en", "zh"]


@dataclass(frozen=True, slots=True)
class Words:
    """The phrases of one language; what stands in braces is put in. Months are named unless ``dates_are_numbers``."""

    all_plans: str = "all plans"
    scale: str = "scale {key}"
    testee: str = "testee {key}"
    as_of: str = "{what} · as of {at} ({zone})"
    never: str = "never"
    nothing: str = "nothing counted yet"
    trend: str = "Tasks a day: {subject}"
    by_outcome: str = "by what became of them"
    opened: str = "opened"
    completed: str = "completed"
    expired: str = "expired"
    missed: str = "missed"
    in_all: str = "{name}, {n} in all"
    tasks: str = "tasks"
    civil_date: str = "civil date in {zone}"
    completion: str = "Completion: {subject}"
    by_occasion: str = "completed of closed tasks, by occasion"
    by_day: str = "completed of closed tasks, by day"
    completed_of_closed: str = "completed of closed tasks"
    closed: str = "closed tasks (n)"
    none_closed: str = "none closed"
    occasion: str = "occasion (seq)"
    retention: str = "Retention: {subject}"
    estimated: str = "Kaplan-Meier estimate, n = {n} enrollments"
    days_since_first: str = "days since the first occasion"
    still_answering: str = "enrollments still answering"
    estimate: str = "estimate"
    band: str = "{share} confidence band"
    censored: str = "censored"
    at_risk: str = "enrollments at risk"
    dates_are_numbers: bool = False


ENGLISH = Words()
CHINESE = Words(
    all_plans="全部计划",
    scale="量表 {key}",
    testee="受试者 {key}",
    as_of="{what} · 统计时间 {at}（{zone}）",
    never="尚未统计",
    nothing="暂无统计数据",
    trend="每日任务：{subject}",
    by_outcome="按结果分列",
    opened="开启",
    completed="完成",
    expired="过期",
    missed="错过",
    in_all="{name}，共 {n}",
    tasks="任务数",
    civil_date="日期（{zone}）",
    completion="完成率：{subject}",
    by_occasion="已结束任务中完成的比例，按测评时点",
    by_day="已结束任务中完成的比例，按日",
    completed_of_closed="完成占已结束任务的比例",
    closed="已结束任务数 (n)",
    none_closed="无已结束",
    occasion="测评时点（序号）",
    retention="留存：{subject}",
    estimated="Kaplan–Meier 估计，n = {n} 次入组",
    days_since_first="距首个测评时点的天数",
    still_answering="仍在作答的入组比例",
    estimate="估计值",
    band="{share} 置信带",
    censored="删失",
    at_risk="在险入组数",
    dates_are_numbers=True,
)
WORDS: Mapping[Language, Words] = {"en": ENGLISH, "zh": CHINESE}
