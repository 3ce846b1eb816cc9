"""What messages say in Chinese. They name no scale and nobody but the one they greet.

The format is that of `template.py`; which variables a text may and must use stands in `catalogue.py`. Each key is in
every language. A body begins with ``{greeting}`` where the recipient is greeted.
"""

from collections.abc import Mapping

from qs.domain.notification.texts.text import Text

TEXTS: Mapping[str, Text] = {
    "greeting": Text("", "{name}，您好："),
    "greeting_nameless": Text("", "您好："),
    "task_opened": Text(
        "您有一份问卷待填写",
        "{greeting}\n\n您有一份问卷待填写，请通过以下链接作答：\n{link}\n\n"
        "链接仅供您本人使用，有效期至 {expires}（剩余 {remaining}）。",
    ),
    "task_opened_guardian": Text(
        "有一份问卷待填写",
        "{greeting}\n\n您所照护的人有一份问卷待填写，请协助其通过以下链接作答：\n{link}\n\n"
        "链接仅供其本人使用，有效期至 {expires}（剩余 {remaining}）。",
    ),
    "task_opened_digest": Text(
        "您有多份问卷待填写",
        "{greeting}\n\n您有多份问卷待填写，请分别通过以下链接作答：\n{links}\n\n"
        "链接仅供您本人使用，最早的有效期至 {expires}（剩余 {remaining}）。",
    ),
    "task_opened_digest_guardian": Text(
        "有多份问卷待填写",
        "{greeting}\n\n您所照护的人有多份问卷待填写，请协助其分别通过以下链接作答：\n{links}\n\n"
        "链接仅供其本人使用，最早的有效期至 {expires}（剩余 {remaining}）。",
    ),
    "task_reminder": Text(
        "您还有一份问卷未填写",
        "{greeting}\n\n您还有一份问卷未填写，请通过以下链接作答：\n{link}\n\n"
        "链接仅供您本人使用，有效期至 {expires}（剩余 {remaining}）。",
    ),
    "task_reminder_guardian": Text(
        "还有一份问卷未填写",
        "{greeting}\n\n您所照护的人还有一份问卷未填写，请协助其通过以下链接作答：\n{link}\n\n"
        "链接仅供其本人使用，有效期至 {expires}（剩余 {remaining}）。",
    ),
    "entry_reissued": Text(
        "您的新问卷链接",
        "{greeting}\n\n您的问卷链接已更换，原链接已失效，请使用新链接作答：\n{link}\n\n"
        "链接仅供您本人使用，有效期至 {expires}（剩余 {remaining}）。",
    ),
    "entry_reissued_guardian": Text(
        "新的问卷链接",
        "{greeting}\n\n您所照护的人的问卷链接已更换，原链接已失效，请使用新链接：\n{link}\n\n"
        "链接仅供其本人使用，有效期至 {expires}（剩余 {remaining}）。",
    ),
    "task_expired": Text("问卷作答时间已过", "{greeting}\n\n您上一份问卷的作答时间已过，无需任何操作。"),
    "task_expired_guardian": Text(
        "问卷作答时间已过", "{greeting}\n\n您所照护的人上一份问卷的作答时间已过，无需任何操作。"
    ),
    "task_expired_staff": Text(
        "测评任务已过期",
        "{greeting}\n\n计划 {plan_id} 的任务 {task_id} 已过期：{reason}。\n可用 `qs task explain {task_id}` 查看经过。",
    ),
}

REASONS: Mapping[str, str] = {
    "entry_timeout": "未在有效期内作答",
    "manual": "已被手动结束",
    "missed": "未曾开放作答",
}
"""How the reasons of an event read."""
