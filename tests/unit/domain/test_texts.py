"""What messages say."""

import re
from datetime import UTC, datetime

import pytest

from qs.domain.notification.texts import BUILT_IN, KINDS, VARIABLES, compose, locale_of, problems_of

LINK = "https://answer.example.org/e?token=t&task_id=1"
VALUES = {name: variable.sample for name, variable in VARIABLES.items()} | {"reason": "missed"}
MESSAGES = sorted(KINDS.keys() - {"greeting", "greeting_nameless"})


def test_every_language_has_every_text():
    assert {locale: texts.keys() for locale, texts in BUILT_IN.items()} == {
        "zh": KINDS.keys(),
        "en": KINDS.keys(),
    }


@pytest.mark.parametrize("locale", ["zh", "en"])
@pytest.mark.parametrize("template", MESSAGES)
def test_every_built_in_text_is_one_that_a_tenant_could_have_written(locale, template):
    kind = KINDS[template]

    text = compose(
        template,
        locale,
        name="Anna",
        values=VALUES,
        link=LINK,
        expires_at=datetime(2026, 3, 9, 11, tzinfo=UTC),
        timezone="Asia/Shanghai",
    )

    assert problems_of(kind, BUILT_IN[locale][template]) == []
    assert "{" not in text.subject + text.body
    assert bool(text.subject) == kind.has_subject
    assert "Anna" not in text.subject
    assert ("Anna" in text.body) == ("{greeting}" in BUILT_IN[locale][template].body)
    assert (LINK in text.body) == bool({"link", "links"} & kind.required)
    shown = BUILT_IN[locale][template].body
    assert ("2026-03-09 19:00 (Asia/Shanghai)" in text.body) == ("{expires}" in shown)


def test_what_is_asked_about_is_told_to_nobody_who_looks_over_a_shoulder():
    telling = re.compile(
        r"PHQ|GAD|BDI|SCL|MMSE|scale|depress|anxi|mood|抑郁|焦虑|心理|精神|量表|患者|patient", re.I
    )

    found = [
        (locale, key, match[0])
        for locale, texts in BUILT_IN.items()
        for key, text in texts.items()
        if (match := telling.search(f"{text.subject}\n{text.body}"))
    ]

    assert found == []


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
        assert VALUES["task_id"] in body


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
