"""Every page can be said in every language: nothing is missing, and nothing is said by a template itself."""

import re
from collections.abc import Iterator
from importlib.resources import files
from string import Formatter

import pytest

from qs.domain.identity.scopes import SCOPES
from qs.domain.identity.tenant import TenantStatus
from qs.domain.kernel.quotas import Quota
from qs.domain.notification.alerts import AlertKind
from qs.domain.notification.delivery import DeliveryStatus, Outcome
from qs.domain.plan.enrollment import EnrollmentStatus
from qs.domain.plan.plan import PlanStatus, ResumePolicy
from qs.domain.plan.schedule import ScheduleType
from qs.domain.plan.task import TaskStatus
from qs.domain.plan.terms import CatchUp, NotifyOnExpiry
from qs.domain.scheduler.policies import MisfirePolicy, OverlapPolicy
from qs.domain.scheduler.triggers import MarkCode
from qs.domain.statistics.metrics import METRICS
from qs.interface.dashboard.administration.tenants import HELD
from qs.interface.dashboard.navigation import SECTIONS
from qs.interface.dashboard.statistics.figures import DIMENSIONS
from qs.interface.dashboard.words import WordsMissing, phrases, say
from qs.interface.rest.languages import LANGUAGES
from qs.interface.rest.scheduler.execution_dto import Fired, Status

_PACKAGE = files("qs.interface.dashboard")
_SAID_IN_FULL = re.compile(r"""\bt\(\s*'([a-z]+\.[a-z_]+)'""")
_SAID_IN_PART = re.compile(r"""\bt\(\s*'([a-z]+\.[a-z_]*)'\s*~""")
_CHINESE = re.compile(r"[\u4e00-\u9fff]")

# What is put together of a beginning and a value, by the values there are.
ENDINGS = {
    "nav.": [section.name for section in SECTIONS],
    "state.": [
        *PlanStatus,
        *TenantStatus,
        *TaskStatus,
        *EnrollmentStatus,
        *Status,
        *DeliveryStatus,
        *Outcome,
    ],
    "alert.": list(AlertKind),
    "administration.": [
        *("users", "roles", "machines", "organisation", "tenants", "scales", "calendars", "texts"),
        *("suspend", "resume"),
        *Quota,
    ],
    "administration.about_to_": ["suspend", "resume"],
    "administration.do_": ["suspend", "resume"],
    "administration.held_": list(HELD.values()),
    **{
        f"administration.{what}_": ["suspend", "resume"]
        for what in ("users", "machines", "jobs", "executions", "opened", "due")
    },
    "metric.": list(METRICS),
    "statistics.of_": list(DIMENSIONS),
    "statistics.sync_": ["done", "already_running"],
    "statistics.check_": ["consistent", "different", "repaired", "already_running"],
    "shell.theme_": ["auto", "light", "dark"],
    "plans.": ["by_day", "by_week", "by_month", "pause", "resume", "finish", "cancel"],
    "plans.about_to_": ["pause", "resume", "finish", "cancel"],
    "plans.do_": ["pause", "resume", "finish", "cancel"],
    "plans.policy_": list(ResumePolicy),
    "plans.catch_up_": list(CatchUp),
    "plans.notify_": list(NotifyOnExpiry),
    "plans.type_": list(ScheduleType),
    "plans.cell_": list(TaskStatus),
    "plans.action_": ["reschedule", "create", "cancel"],
    "plans.flag_": ["gap", "fold"],
    "scheduler.misfire_": list(MisfirePolicy),
    "scheduler.overlap_": list(OverlapPolicy),
    "scheduler.by_": list(Fired),
    "scheduler.mark_": list(MarkCode),
    "scope.": [scope.replace(":", "_") for scope in SCOPES],
    "scheduler.stopped_": ["tenant", "installation"],
}


def templates() -> Iterator[tuple[str, str]]:
    pending = [_PACKAGE.joinpath("templates")]
    while pending:
        for each in pending.pop().iterdir():
            if each.is_dir():
                pending.append(each)
            else:
                yield each.name, each.read_text("utf-8")


@pytest.mark.parametrize("key", sorted(phrases()))
def test_a_phrase_is_there_in_every_language_with_the_same_values(key: str) -> None:
    phrase = phrases()[key]
    wanted = {name for _, name, _, _ in Formatter().parse(phrase["en"]) if name}

    assert set(LANGUAGES) <= phrase.keys()
    for name, words in phrase.items():
        assert words.strip() == words != ""
        assert name.partition("_")[0] in LANGUAGES
        assert {each for _, each, _, _ in Formatter().parse(words) if each} <= wanted, name


def test_everything_a_template_says_has_words() -> None:
    said = {key for _, text in templates() for key in _SAID_IN_FULL.findall(text) if not key.endswith("_")}
    beginnings = {key for _, text in templates() for key in _SAID_IN_PART.findall(text)}
    said -= beginnings

    assert len(said) > 100
    assert said - phrases().keys() == set()
    assert {
        f"{start}{end}" for start in beginnings & ENDINGS.keys() for end in ENDINGS[start]
    } <= phrases().keys()


def test_a_scope_is_said_as_its_table_says_it() -> None:
    assert {scope: say("en", f"scope.{scope.replace(':', '_')}") for scope in SCOPES} == SCOPES


def test_no_template_holds_words_of_its_own() -> None:
    for name, text in templates():
        if name != "base.html":
            assert not _CHINESE.search(text), name


def test_what_nobody_has_words_for_is_named() -> None:
    with pytest.raises(WordsMissing, match=r"today\.nothing"):
        say("en", "today.nothing")


@pytest.mark.parametrize(("n", "words"), [(0, "0 days"), (1, "1 day"), (2, "2 days")])
def test_one_takes_the_singular(n: int, words: str) -> None:
    assert say("en", "plans.days", n=n) == words
    assert say("zh", "plans.days", n=n) == f"{n} 天"


def test_every_section_is_for_those_who_may_read_something_of_it() -> None:
    for section in SECTIONS:
        assert section.scopes
        assert set(section.scopes) <= SCOPES.keys()
