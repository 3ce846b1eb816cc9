"""What a person reads about the end of an execution, in English and Chinese: facts, and nothing of its payload or output."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from qs.domain.kernel.zones import zone
from qs.domain.scheduler.policies import NoticeOn


@dataclass(frozen=True, slots=True)
class NoticeText:
    subject: str
    text: str


_SUBJECTS: Mapping[str, Mapping[NoticeOn, str]] = {
    "en": {
        NoticeOn.SUCCESS: "Job {job} succeeded",
        NoticeOn.FAILURE: "Job {job} failed",
        NoticeOn.RECOVERY: "Job {job} works again",
        NoticeOn.MISSED: "Job {job} was not run in time",
        NoticeOn.TIMEOUT: "Job {job} took too long",
    },
    "zh": {
        NoticeOn.SUCCESS: "任务 {job} 已成功",
        NoticeOn.FAILURE: "任务 {job} 执行失败",
        NoticeOn.RECOVERY: "任务 {job} 已恢复",
        NoticeOn.MISSED: "任务 {job} 未按时执行",
        NoticeOn.TIMEOUT: "任务 {job} 执行超时",
    },
}

_LINES: Mapping[str, Mapping[str, str]] = {
    "en": {
        "job_name": "Job: {}",
        "status": "Status: {}",
        "scheduled_at": "Scheduled for: {}",
        "first_scheduled_at": "The first of them for: {}",
        "started_at": "Began: {}",
        "finished_at": "Ended: {}",
        "attempt": "Attempts: {}",
        "stands_for": "Slots missed: {}",
        "error": "Reason: {}",
        "suppressed": "Kept back since the last message: {} of the same kind",
        "execution_id": "Execution: {}",
        "job_id": "Job id: {}",
    },
    "zh": {
        "job_name": "任务：{}",
        "status": "状态：{}",
        "scheduled_at": "计划时间：{}",
        "first_scheduled_at": "其中最早一次：{}",
        "started_at": "开始时间：{}",
        "finished_at": "结束时间：{}",
        "attempt": "尝试次数：{}",
        "stands_for": "错过的次数：{}",
        "error": "原因：{}",
        "suppressed": "自上次通知以来合并的同类消息：{} 条",
        "execution_id": "执行编号：{}",
        "job_id": "任务编号：{}",
    },
}

_STATUSES: Mapping[str, Mapping[str, str]] = {
    "en": {},
    "zh": {
        "succeeded": "成功",
        "failed": "失败",
        "timed_out": "超时",
        "missed": "错过",
        "expired": "过期未开始",
    },
}

_FAREWELLS = {
    "en": "`qs job executions` and `qs job logs` show more.\n"
    "Trouble that goes on is told once an hour at most, and once more when it is over.",
    "zh": "可用 `qs job executions` 和 `qs job logs` 查看详情。\n持续的故障每小时最多通知一次，恢复后再通知一次。",
}

_INSTANTS = frozenset({"scheduled_at", "first_scheduled_at", "started_at", "finished_at"})
# What says nothing where it is so.
_PLAIN = {"suppressed": 0, "attempt": 0, "stands_for": 1}


def compose(kind: NoticeOn, body: Mapping[str, Any], language: str, timezone: str) -> NoticeText:
    """The message that stands for a notice's body; ``language`` is ``en`` or ``zh``, times are shown in ``timezone``."""
    lines = []
    for name, line in _LINES[language].items():
        value = body.get(name)
        if value is None or value == _PLAIN.get(name):
            continue
        if name in _INSTANTS:
            value = _local(value, timezone)
        elif name == "status":
            value = _STATUSES[language].get(value, str(value).replace("_", " "))
        lines.append(line.format(value))
    subject = _SUBJECTS[language][kind].format(job=_short(str(body.get("job_name", ""))))
    return NoticeText(subject, "\n".join(lines) + f"\n\n{_FAREWELLS[language]}\n")


def language_of(lang: str) -> str:
    """``zh_CN`` is ``zh``; what there are no texts for is English."""
    language = lang.replace("-", "_").partition("_")[0].lower()
    return language if language in _LINES else "en"


def _local(instant: str, timezone: str) -> str:
    at = datetime.fromisoformat(instant).astimezone(zone(timezone))
    return f"{at:%Y-%m-%d %H:%M:%S} ({timezone})"


def _short(name: str) -> str:
    return name if len(name) <= 80 else f"{name[:79]}…"
