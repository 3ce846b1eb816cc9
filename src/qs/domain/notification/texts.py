"""What messages say, in Chinese and English. They name no scale and nobody but the one they greet."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from qs.domain.kernel.zones import zone

LOCALES = ("zh", "en")


@dataclass(frozen=True, slots=True)
class Text:
    subject: str
    body: str


_GREETINGS = {"en": ("Hello {name},", "Hello,"), "zh": ("{name}，您好：", "您好：")}

_TEXTS: Mapping[str, Mapping[str, Text]] = {
    "en": {
        "task_opened": Text(
            "A questionnaire is ready for you",
            "A questionnaire is ready for you. Please answer it here:\n{link}\n\n"
            "The link is personal and works until {expires}.",
        ),
        "task_opened_guardian": Text(
            "A questionnaire is ready",
            "A questionnaire is ready for the person in your care. Please help them answer it here:\n{link}\n\n"
            "The link is personal and works until {expires}.",
        ),
        "entry_reissued": Text(
            "Your new link",
            "You have been given a new link to your questionnaire; the earlier one no longer works:\n{link}\n\n"
            "The link is personal and works until {expires}.",
        ),
        "entry_reissued_guardian": Text(
            "A new link",
            "There is a new link to the questionnaire of the person in your care; the earlier one no longer "
            "works:\n{link}\n\nThe link is personal and works until {expires}.",
        ),
        "task_expired": Text(
            "The time for a questionnaire is over",
            "The time to answer your last questionnaire is over. There is nothing you need to do.",
        ),
        "task_expired_guardian": Text(
            "The time for a questionnaire is over",
            "The time to answer the last questionnaire of the person in your care is over. "
            "There is nothing you need to do.",
        ),
        "task_expired_staff": Text(
            "A task expired",
            "Task {task_id} of plan {plan_id} expired: {reason}.\n"
            "`qs task explain {task_id}` shows what happened.",
        ),
    },
    "zh": {
        "task_opened": Text(
            "您有一份问卷待填写",
            "您有一份问卷待填写，请通过以下链接作答：\n{link}\n\n链接仅供您本人使用，有效期至 {expires}。",
        ),
        "task_opened_guardian": Text(
            "有一份问卷待填写",
            "您所照护的人有一份问卷待填写，请协助其通过以下链接作答：\n{link}\n\n"
            "链接仅供其本人使用，有效期至 {expires}。",
        ),
        "entry_reissued": Text(
            "您的新问卷链接",
            "您的问卷链接已更换，原链接已失效，请使用新链接作答：\n{link}\n\n"
            "链接仅供您本人使用，有效期至 {expires}。",
        ),
        "entry_reissued_guardian": Text(
            "新的问卷链接",
            "您所照护的人的问卷链接已更换，原链接已失效，请使用新链接：\n{link}\n\n"
            "链接仅供其本人使用，有效期至 {expires}。",
        ),
        "task_expired": Text("问卷作答时间已过", "您上一份问卷的作答时间已过，无需任何操作。"),
        "task_expired_guardian": Text(
            "问卷作答时间已过", "您所照护的人上一份问卷的作答时间已过，无需任何操作。"
        ),
        "task_expired_staff": Text(
            "测评任务已过期",
            "计划 {plan_id} 的任务 {task_id} 已过期：{reason}。\n可用 `qs task explain {task_id}` 查看经过。",
        ),
    },
}

_REASONS = {
    "en": {
        "entry_timeout": "it was not answered in time",
        "manual": "it was ended by hand",
        "missed": "it was never opened",
    },
    "zh": {"entry_timeout": "未在有效期内作答", "manual": "已被手动结束", "missed": "未曾开放作答"},
}


def locale_of(*wishes: str | None) -> str:
    """The first of the wishes, such as ``zh_CN`` or ``en-GB``, that there are texts for; else English."""
    for wish in wishes:
        language = (wish or "").lower().replace("_", "-").split("-")[0]
        if language in LOCALES:
            return language
    return "en"


def compose(
    template: str,
    locale: str,
    *,
    name: str | None,
    values: Mapping[str, str],
    link: str | None = None,
    expires_at: datetime | None = None,
    timezone: str = "UTC",
) -> Text:
    """The message for one recipient; times are shown in ``timezone``."""
    text = _TEXTS[locale][template]
    facts = dict(values)
    facts["reason"] = _REASONS[locale].get(values.get("reason", ""), values.get("reason", ""))
    facts["link"] = link or ""
    facts["expires"] = "" if expires_at is None else _local(expires_at, timezone)
    named, nameless = _GREETINGS[locale]
    greeting = named.format(name=name) if name else nameless
    return Text(text.subject, f"{greeting}\n\n{text.body.format(**facts)}\n")


def _local(instant: datetime, timezone: str) -> str:
    return f"{instant.astimezone(zone(timezone)):%Y-%m-%d %H:%M} ({timezone})"
