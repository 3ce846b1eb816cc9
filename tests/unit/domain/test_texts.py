"""What messages say."""

from datetime import UTC, datetime

import pytest

from qs.domain.notification.texts import _TEXTS, compose, locale_of

LINK = "https://answer.example.org/e?token=t&task_id=1"
VALUES = {"task_id": "T", "plan_id": "P", "reason": "missed"}


@pytest.mark.parametrize("locale", ["zh", "en"])
@pytest.mark.parametrize("template", sorted(_TEXTS["en"]))
def test_every_template_is_complete_in_every_language(locale, template):
    text = compose(
        template,
        locale,
        name="Anna",
        values=VALUES,
        link=LINK,
        expires_at=datetime(2026, 3, 9, 11, tzinfo=UTC),
        timezone="Asia/Shanghai",
    )

    assert "{" not in text.subject + text.body
    assert "Anna" in text.body.splitlines()[0]
    assert "Anna" not in text.subject
    shows_link = template.startswith(("task_opened", "entry_reissued"))
    assert (LINK in text.body) == shows_link
    assert ("2026-03-09 19:00 (Asia/Shanghai)" in text.body) == shows_link


def test_who_has_no_name_is_greeted_all_the_same():
    assert compose("task_expired", "en", name=None, values=VALUES).body.startswith("Hello,\n")
    assert compose("task_expired", "zh", name=None, values=VALUES).body.startswith("您好：\n")


def test_a_name_with_braces_stays_as_it_is():
    assert compose("task_expired", "en", name="{link} {0}", values=VALUES).body.startswith(
        "Hello {link} {0},"
    )


@pytest.mark.parametrize("reason", ["entry_timeout", "manual", "missed"])
def test_staff_read_why_in_their_language(reason):
    for locale in ("zh", "en"):
        body = compose("task_expired_staff", locale, name=None, values={**VALUES, "reason": reason}).body
        assert reason not in body
        assert "T" in body


@pytest.mark.parametrize(
    ("wishes", "expected"),
    [
        (("zh_CN",), "zh"),
        (("zh-Hant-TW",), "zh"),
        (("en-GB",), "en"),
        (("de", "zh"), "zh"),
        ((None, "en"), "en"),
        ((None, None), "en"),
        (("",), "en"),
    ],
)
def test_the_first_language_there_are_texts_for_is_taken(wishes, expected):
    assert locale_of(*wishes) == expected
