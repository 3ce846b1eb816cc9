"""When a message is put down, what it is called, and what it says."""

from datetime import timedelta

import pytest

from qs.domain.scheduler.job_execution import RunStatus
from qs.domain.scheduler.notice_texts import compose, language_of
from qs.domain.scheduler.notices import NOTICE_RETRY, Standing, kind_of, may_tell
from qs.domain.scheduler.policies import NoticeOn, Notify

EVERYTHING = Notify(webhook="https://x.example", on=frozenset(NoticeOn))
BODY = {
    "kind": "failure",
    "job_name": "tidy",
    "job_id": "j",
    "execution_id": "e",
    "status": "timed_out",
    "attempt": 3,
    "scheduled_at": "2026-03-09T18:00:00+00:00",
    "started_at": None,
    "finished_at": "2026-03-09T18:00:07.5+00:00",
    "stands_for": 1,
    "error": "exit code {7}",
    "suppressed": 0,
}


def test_the_delays_grow_from_seconds_to_a_day_and_are_no_two_alike():
    delays = [NOTICE_RETRY.next_delay(n, None, permanent=False, chance=0.0) for n in range(1, 17)]
    shorter = NOTICE_RETRY.next_delay(3, None, permanent=False, chance=1.0)

    assert delays[0] == timedelta(seconds=5)
    assert delays[-1] is None
    assert timedelta(hours=22) < (delays[-2] or timedelta(0)) <= timedelta(hours=24)
    assert shorter == timedelta(seconds=10)


@pytest.mark.parametrize(
    ("status", "recovers", "kind"),
    [
        (RunStatus.SUCCEEDED, False, NoticeOn.SUCCESS),
        (RunStatus.SUCCEEDED, True, NoticeOn.RECOVERY),
        (RunStatus.FAILED, False, NoticeOn.FAILURE),
        (RunStatus.EXPIRED, False, NoticeOn.FAILURE),
        (RunStatus.TIMED_OUT, False, NoticeOn.TIMEOUT),
        (RunStatus.MISSED, False, NoticeOn.MISSED),
        (RunStatus.SKIPPED, False, None),
        (RunStatus.CANCELED, False, None),
        (RunStatus.REPLACED, False, None),
    ],
)
def test_each_end_has_its_most_telling_kind(status, recovers, kind):
    assert kind_of(status, EVERYTHING, Standing(recovers=recovers)) is kind


def test_a_timeout_is_a_failure_to_those_who_asked_for_failures_only():
    failures = Notify(webhook="https://x.example", on=frozenset({NoticeOn.FAILURE}))

    assert kind_of(RunStatus.TIMED_OUT, failures, Standing()) is NoticeOn.FAILURE


@pytest.mark.parametrize(
    ("ago", "kind"),
    [(timedelta(minutes=59), None), (timedelta(minutes=60), NoticeOn.FAILURE), (None, NoticeOn.FAILURE)],
)
def test_the_same_trouble_is_told_once_an_hour(ago, kind):
    assert kind_of(RunStatus.FAILED, EVERYTHING, Standing(told_ago=ago)) is kind


def test_good_news_is_never_kept_back():
    just_told = Standing(recovers=True, told_ago=timedelta(0), untold=7)

    assert kind_of(RunStatus.SUCCEEDED, EVERYTHING, just_told) is NoticeOn.RECOVERY


def test_nobody_is_asked_for_where_nobody_is_to_be_told():
    nobody = Notify()

    assert not may_tell(RunStatus.FAILED, nobody, default_webhook=False)
    assert may_tell(RunStatus.FAILED, nobody, default_webhook=True)
    assert not may_tell(RunStatus.CANCELED, EVERYTHING, default_webhook=True)


def test_a_message_says_the_facts_that_there_are():
    words = compose(NoticeOn.TIMEOUT, BODY, "en", "Asia/Shanghai")

    assert words.subject == "Job tidy took too long"
    assert words.text.splitlines()[:8] == [
        "Job: tidy",
        "Status: timed out",
        "Scheduled for: 2026-03-10 02:00:00 (Asia/Shanghai)",
        "Ended: 2026-03-10 02:00:07 (Asia/Shanghai)",
        "Attempts: 3",
        "Reason: exit code {7}",
        "Execution: e",
        "Job id: j",
    ]


def test_a_message_says_how_many_were_kept_back():
    english = compose(NoticeOn.FAILURE, BODY | {"suppressed": 59}, "en", "UTC")
    chinese = compose(NoticeOn.FAILURE, BODY | {"suppressed": 59}, "zh", "UTC")

    assert "Kept back since the last message: 59 of the same kind" in english.text
    assert "59 条" in chinese.text


@pytest.mark.parametrize("kind", NoticeOn)
def test_every_kind_has_words_in_both_languages(kind):
    for language in ("en", "zh"):
        words = compose(kind, BODY | {"job_name": "x" * 200}, language, "UTC")
        assert len(words.subject) < 130
        assert words.text.endswith("\n")


def test_what_there_are_no_texts_for_is_english():
    assert [language_of(lang) for lang in ("en", "zh_CN", "zh", "fr")] == ["en", "zh", "zh", "en"]
