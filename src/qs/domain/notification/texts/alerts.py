"""What messages to staff about alerts say, in each language. They name nobody: ids and commands lead to the rest."""

from collections.abc import Mapping

from qs.domain.notification.texts.text import Text

TEXTS: Mapping[str, Mapping[str, Text]] = {
    "en": {
        "alert_missed_in_a_row": Text(
            "Several questionnaires in a row were missed",
            "{greeting}\n\nOccasions in a row that were not answered in one enrollment of plan {plan_id}: {alert_count}. The "
            "last of them has just ended.\n{alert_explain} shows what happened.",
        ),
        "alert_missed_openings": Text(
            "Questionnaires were not opened in time",
            "{greeting}\n\nTasks of plan {plan_id} that were never opened since {alert_since}, as their time had passed "
            "before a sweep came to them: {alert_count}.\n{alert_explain} shows what happened to one of them.",
        ),
        "alert_duty_failing": Text(
            "A duty of qs fails: {alert_subject}",
            "{greeting}\n\nThe duty {alert_subject} fails since {alert_since}. Failures in a row so far: {alert_count}. "
            "The last time: {reason}.\n{alert_explain} shows more.",
        ),
        "alert_duty_late": Text(
            "A duty of qs is late: {alert_subject}",
            "{greeting}\n\nThe duty {alert_subject} was not begun when it was due. Times it was due so far: {alert_count}. "
            "Check that a worker of the role cron runs and reaches the database.\n{alert_explain} shows more.",
        ),
        "alert_job_failing": Text(
            "A job fails: {alert_subject}",
            "{greeting}\n\nThe job {alert_subject} fails since {alert_since}. Failures in a row so far: {alert_count}.\n"
            "{alert_explain} shows more.",
        ),
        "alert_notifications_dead": Text(
            "Notifications were given up: {alert_subject}",
            "{greeting}\n\nNotifications over the channel {alert_subject} that were given up and wait to be sent anew: "
            "{alert_count}.\n{alert_explain} lists them.",
        ),
        "alert_events_dead": Text(
            "Events could not be acted on: {alert_subject}",
            "{greeting}\n\nEvents that {alert_subject} could not act on and that wait as dead letters: {alert_count}.\n"
            "{alert_explain} lets it try again.",
        ),
        "alert_webhook_disabled": Text(
            "An event webhook was switched off",
            "{greeting}\n\nThe event webhook {alert_subject} was switched off: {reason}.\n{alert_explain} shows more.",
        ),
        "alert_over": Text(
            "Over: {alert_trouble}",
            "{greeting}\n\nThis is over: {alert_trouble} ({alert_subject}). It lasted from {alert_since} to "
            "{alert_until}.\n{alert_explain} shows more.",
        ),
        "alert_summary": Text(
            "{alert_count} alerts",
            "{greeting}\n\nSo much happened within an hour that it is told together:\n{alert_lines}\n\n"
            "{alert_explain} lists them.",
        ),
    },
    "zh": {
        "alert_missed_in_a_row": Text(
            "连续多次问卷未完成",
            "{greeting}\n\n计划 {plan_id} 的一名受试者已连续 {alert_count} 次未完成问卷，最近一次刚刚结束。\n"
            "可用 {alert_explain} 查看经过。",
        ),
        "alert_missed_openings": Text(
            "问卷未按时开放",
            "{greeting}\n\n自 {alert_since} 起，计划 {plan_id} 有 {alert_count} 个任务未曾开放：调度到来之前已超过时限。\n"
            "可用 {alert_explain} 查看其中一个的经过。",
        ),
        "alert_duty_failing": Text(
            "例行任务失败：{alert_subject}",
            "{greeting}\n\n例行任务 {alert_subject} 自 {alert_since} 起失败，已连续 {alert_count} 次。最近一次：{reason}。\n"
            "可用 {alert_explain} 查看详情。",
        ),
        "alert_duty_late": Text(
            "例行任务未按时执行：{alert_subject}",
            "{greeting}\n\n例行任务 {alert_subject} 到期未执行，已有 {alert_count} 次。"
            "请确认 cron 工作进程正在运行并能连接数据库。\n可用 {alert_explain} 查看详情。",
        ),
        "alert_job_failing": Text(
            "作业失败：{alert_subject}",
            "{greeting}\n\n作业 {alert_subject} 自 {alert_since} 起失败，已连续 {alert_count} 次。\n"
            "可用 {alert_explain} 查看详情。",
        ),
        "alert_notifications_dead": Text(
            "通知已放弃发送：{alert_subject}",
            "{greeting}\n\n渠道 {alert_subject} 有 {alert_count} 条通知已放弃发送，等待重发。\n可用 {alert_explain} 列出。",
        ),
        "alert_events_dead": Text(
            "事件无法处理：{alert_subject}",
            "{greeting}\n\n{alert_subject} 有 {alert_count} 个事件无法处理，已成为死信。\n可用 {alert_explain} 重新处理。",
        ),
        "alert_webhook_disabled": Text(
            "事件 Webhook 已停用",
            "{greeting}\n\n事件 Webhook {alert_subject} 已停用：{reason}。\n可用 {alert_explain} 查看详情。",
        ),
        "alert_over": Text(
            "已恢复：{alert_trouble}",
            "{greeting}\n\n已恢复：{alert_trouble}（{alert_subject}），自 {alert_since} 至 {alert_until}。\n"
            "可用 {alert_explain} 查看详情。",
        ),
        "alert_summary": Text(
            "{alert_count} 条告警",
            "{greeting}\n\n一小时内告警较多，合并通知如下：\n{alert_lines}\n\n可用 {alert_explain} 列出。",
        ),
    },
}

REASONS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "duty_lost": "its process ended, every time",
        "webhook_gone": "its receiver answered that it is gone for good (410)",
        "webhook_failing": "its receiver has taken nothing for five days",
    },
    "zh": {
        "duty_lost": "每次执行时其进程都已终止",
        "webhook_gone": "接收方表示已永久失效（410）",
        "webhook_failing": "接收方已连续五天未接收任何事件",
    },
}

_PHRASES: Mapping[str, Mapping[str, str]] = {
    "en": {
        "missed_in_a_row": "questionnaires missed in a row",
        "missed_openings": "questionnaires not opened in time",
        "duty_failing": "a duty of qs failing",
        "duty_late": "a duty of qs late",
        "job_failing": "a job failing",
        "notifications_dead": "notifications given up",
        "events_dead": "events not acted on",
        "webhook_disabled": "an event webhook switched off",
    },
    "zh": {
        "missed_in_a_row": "连续多次问卷未完成",
        "missed_openings": "问卷未按时开放",
        "duty_failing": "例行任务失败",
        "duty_late": "例行任务未按时执行",
        "job_failing": "作业失败",
        "notifications_dead": "通知已放弃发送",
        "events_dead": "事件无法处理",
        "webhook_disabled": "事件 Webhook 已停用",
    },
}
_OVER: Mapping[str, str] = {"en": "over: {}", "zh": "已恢复：{}"}


def trouble_phrase(kind: str, locale: str) -> str:
    """The kind of an alert in a few words."""
    return _PHRASES[locale][kind]


def over_phrase(kind: str, locale: str) -> str:
    """That an alert of the kind is over, in a few words."""
    return _OVER[locale].format(_PHRASES[locale][kind])
