"""What text messages say: short, since every segment is paid for, and without a greeting. Staff get the usual texts."""

from collections.abc import Mapping

from qs.domain.notification.texts.text import Text

SUFFIX = "_sms"
"""What a text's key ends with that takes the place of the one without it."""

_LEFT = {"en": "({remaining} left)", "zh": "（剩余{remaining}）"}

_WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "task_opened": f"A questionnaire is ready for you {_LEFT['en']}: {{link}}",
        "task_opened_guardian": (
            f"A questionnaire is ready for the person in your care {_LEFT['en']}: {{link}}"
        ),
        "task_reminder": f"A questionnaire is still waiting for you {_LEFT['en']}: {{link}}",
        "task_reminder_guardian": (
            f"A questionnaire is still waiting for the person in your care {_LEFT['en']}: {{link}}"
        ),
        "entry_reissued": "The new link to your questionnaire; the earlier one no longer works: {link}",
        "entry_reissued_guardian": (
            "The new link to the questionnaire of the person in your care; the earlier one no longer works: {link}"
        ),
        "task_expired": "The time to answer your last questionnaire is over. There is nothing you need to do.",
        "task_expired_guardian": (
            "The time to answer the last questionnaire of the person in your care is over. There is nothing you need to do."
        ),
    },
    "zh": {
        "task_opened": f"您有一份问卷待填写{_LEFT['zh']}：{{link}}",
        "task_opened_guardian": f"您所照护的人有一份问卷待填写{_LEFT['zh']}：{{link}}",
        "task_reminder": f"您有一份问卷仍待填写{_LEFT['zh']}：{{link}}",
        "task_reminder_guardian": f"您所照护的人有一份问卷仍待填写{_LEFT['zh']}：{{link}}",
        "entry_reissued": "您的问卷链接已更换，原链接已失效：{link}",
        "entry_reissued_guardian": "您所照护的人的问卷链接已更换，原链接已失效：{link}",
        "task_expired": "您上一份问卷的作答时间已过，无需任何操作。",
        "task_expired_guardian": "您所照护的人上一份问卷的作答时间已过，无需任何操作。",
    },
}

TEXTS: Mapping[str, Mapping[str, Text]] = {
    locale: {f"{key}{SUFFIX}": Text("", words) for key, words in texts.items()}
    for locale, texts in _WORDS.items()
}
