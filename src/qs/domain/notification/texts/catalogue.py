"""Which texts there are, and what each may and must show."""

from collections.abc import Mapping
from dataclasses import dataclass

LONGEST_SUBJECT = 200
LONGEST_BODY = 5000
LONGEST_SHORT_BODY = 335
"""Five segments of a text message in UCS-2, which Chinese is sent in."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A value a text may show. ``sample`` stands for it in a preview; empty where the preview works it out.

    What is personal or opens a questionnaire has its place in the body: subjects are shown on locked screens.
    """

    description: str
    sample: str = ""
    in_subject: bool = True


VARIABLES: Mapping[str, Variable] = {
    "greeting": Variable("the greeting, with the recipient's name where there is one", in_subject=False),
    "name": Variable("the recipient's name", in_subject=False),
    "link": Variable("the personal link to the questionnaire", in_subject=False),
    "links": Variable("the personal links of several questionnaires, one a line", in_subject=False),
    "expires": Variable("when the link ends, or the first of several, in the recipient's zone"),
    "remaining": Variable("how long the link still works, such as 2 days, at the moment of sending"),
    "reason": Variable("why it happened", "entry_timeout"),
    "task_id": Variable("the task's id", "0198f3a2-7c1e-7d3a-9b52-3f6e5a1c2d4b"),
    "plan_id": Variable("the plan's id", "0198f3a2-6b0d-7e41-8a90-1d2c3b4a5f60"),
    "alert_trouble": Variable("the trouble in a few words", "notifications given up"),
    "alert_subject": Variable("what the trouble is about: an id or a name", "email"),
    "alert_count": Variable("how often it happened", "3"),
    "alert_since": Variable("since when", "2026-03-09 18:00 (Asia/Shanghai)"),
    "alert_until": Variable("when it was over", "2026-03-09 18:40 (Asia/Shanghai)"),
    "alert_lines": Variable("the alerts, one kind a line", "- notifications given up: 3", in_subject=False),
    "alert_explain": Variable("the command that shows more", "`qs alerts list`", in_subject=False),
}


@dataclass(frozen=True, slots=True)
class TextKind:
    """What is true of one key's text in every language: its variables, and those its body cannot do without."""

    purpose: str
    variables: frozenset[str]
    required: frozenset[str] = frozenset()
    has_subject: bool = True
    longest_body: int = LONGEST_BODY


def _kind(purpose: str, *variables: str, required: tuple[str, ...] = ()) -> TextKind:
    return TextKind(purpose, frozenset({"greeting", *variables}), frozenset(required))


def _with_link(purpose: str) -> TextKind:
    return _kind(purpose, "link", "expires", "remaining", required=("link",))


def _with_links(purpose: str) -> TextKind:
    return _kind(purpose, "links", "expires", "remaining", required=("links",))


def _text_message(purpose: str, *, link: bool = True) -> TextKind:
    variables = ("link", "expires", "remaining") if link else ()
    return TextKind(
        f"as a text message {purpose}",
        frozenset(variables),
        frozenset(variables[:1]),
        has_subject=False,
        longest_body=LONGEST_SHORT_BODY,
    )


def _alert(purpose: str, *variables: str) -> TextKind:
    common = ("alert_trouble", "alert_subject", "alert_count", "alert_since", "alert_explain")
    return _kind(f"to staff: {purpose}", *common, *variables)


KINDS: Mapping[str, TextKind] = {
    "greeting": TextKind(
        "the greeting of somebody whose name is known",
        frozenset({"name"}),
        frozenset({"name"}),
        has_subject=False,
        longest_body=100,
    ),
    "greeting_nameless": TextKind(
        "the greeting of somebody whose name is not known", frozenset(), has_subject=False, longest_body=100
    ),
    "task_opened": _with_link("to the testee: a questionnaire is ready"),
    "task_opened_guardian": _with_link("to a guardian: a questionnaire is ready"),
    "task_opened_digest": _with_links("to the testee: several questionnaires are ready"),
    "task_opened_digest_guardian": _with_links("to a guardian: several questionnaires are ready"),
    "task_reminder": _with_link("to the testee: a questionnaire still waits"),
    "task_reminder_guardian": _with_link("to a guardian: a questionnaire still waits"),
    "entry_reissued": _with_link("to the testee: there is a new link"),
    "entry_reissued_guardian": _with_link("to a guardian: there is a new link"),
    "task_expired": _kind("to the testee: the time to answer is over"),
    "task_expired_guardian": _kind("to a guardian: the time to answer is over"),
    "task_opened_sms": _text_message("to the testee: a questionnaire is ready"),
    "task_opened_guardian_sms": _text_message("to a guardian: a questionnaire is ready"),
    "task_reminder_sms": _text_message("to the testee: a questionnaire still waits"),
    "task_reminder_guardian_sms": _text_message("to a guardian: a questionnaire still waits"),
    "entry_reissued_sms": _text_message("to the testee: there is a new link"),
    "entry_reissued_guardian_sms": _text_message("to a guardian: there is a new link"),
    "task_expired_sms": _text_message("to the testee: the time to answer is over", link=False),
    "task_expired_guardian_sms": _text_message("to a guardian: the time to answer is over", link=False),
    "task_expired_staff": _kind("to staff: a task expired", "task_id", "plan_id", "reason"),
    "alert_missed_in_a_row": _alert("several occasions in a row were missed", "plan_id"),
    "alert_missed_openings": _alert("tasks were not opened in time", "plan_id"),
    "alert_duty_failing": _alert("a duty fails", "reason"),
    "alert_duty_late": _alert("a duty is late"),
    "alert_job_failing": _alert("a job fails and has told nobody"),
    "alert_notifications_dead": _alert("notifications were given up"),
    "alert_events_dead": _alert("a subscriber could not act on events"),
    "alert_webhook_disabled": _alert("an event webhook was switched off", "reason"),
    "alert_over": _alert("the trouble of an alert is over", "alert_until"),
    "alert_summary": _kind(
        "to staff: several alerts together",
        "alert_count",
        "alert_lines",
        "alert_explain",
        required=("alert_lines",),
    ),
}
