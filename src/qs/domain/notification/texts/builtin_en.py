"""What messages say in English. They name no scale and nobody but the one they greet.

The format is that of `template.py`; which variables a text may and must use stands in `catalogue.py`. Each key is in
every language. A body begins with ``{greeting}`` where the recipient is greeted.
"""

from collections.abc import Mapping

from qs.domain.notification.texts.text import Text

TEXTS: Mapping[str, Text] = {
    "greeting": Text("", "Hello {name},"),
    "greeting_nameless": Text("", "Hello,"),
    "task_opened": Text(
        "A questionnaire is ready for you",
        "{greeting}\n\nA questionnaire is ready for you. Please answer it here:\n{link}\n\n"
        "The link is personal and works until {expires} ({remaining} left).",
    ),
    "task_opened_guardian": Text(
        "A questionnaire is ready",
        "{greeting}\n\nA questionnaire is ready for the person in your care. Please help them answer it here:\n{link}\n\n"
        "The link is personal and works until {expires} ({remaining} left).",
    ),
    "task_opened_digest": Text(
        "Questionnaires are ready for you",
        "{greeting}\n\nSeveral questionnaires are ready for you. Please answer each of them here:\n{links}\n\n"
        "The links are personal; the first of them works until {expires} ({remaining} left).",
    ),
    "task_opened_digest_guardian": Text(
        "Questionnaires are ready",
        "{greeting}\n\nSeveral questionnaires are ready for the person in your care. Please help them answer each of "
        "them here:\n{links}\n\nThe links are personal; the first of them works until {expires} ({remaining} left).",
    ),
    "task_reminder": Text(
        "A questionnaire is waiting for you",
        "{greeting}\n\nA questionnaire is still waiting for your answer:\n{link}\n\n"
        "The link is personal and works until {expires} ({remaining} left).",
    ),
    "task_reminder_guardian": Text(
        "A questionnaire is waiting",
        "{greeting}\n\nA questionnaire is still waiting for the person in your care. Please help them answer it "
        "here:\n{link}\n\nThe link is personal and works until {expires} ({remaining} left).",
    ),
    "entry_reissued": Text(
        "Your new link",
        "{greeting}\n\nYou have been given a new link to your questionnaire; the earlier one no longer works:\n{link}\n\n"
        "The link is personal and works until {expires} ({remaining} left).",
    ),
    "entry_reissued_guardian": Text(
        "A new link",
        "{greeting}\n\nThere is a new link to the questionnaire of the person in your care; the earlier one no longer "
        "works:\n{link}\n\nThe link is personal and works until {expires} ({remaining} left).",
    ),
    "task_expired": Text(
        "The time for a questionnaire is over",
        "{greeting}\n\nThe time to answer your last questionnaire is over. There is nothing you need to do.",
    ),
    "task_expired_guardian": Text(
        "The time for a questionnaire is over",
        "{greeting}\n\nThe time to answer the last questionnaire of the person in your care is over. "
        "There is nothing you need to do.",
    ),
    "task_expired_staff": Text(
        "A task expired",
        "{greeting}\n\nTask {task_id} of plan {plan_id} expired: {reason}.\n"
        "`qs task explain {task_id}` shows what happened.",
    ),
}

REASONS: Mapping[str, str] = {
    "entry_timeout": "it was not answered in time",
    "manual": "it was ended by hand",
    "missed": "it was never opened",
}
"""How the reasons of an event read."""
