"""What tenants may write, and what becomes of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qs.domain.notification.templates import TemplateAbsent, TemplateInvalid, kind_of, read_text
from qs.domain.notification.texts import BUILT_IN, KINDS, OwnText, Text, compose
from qs.domain.notification.texts.checking import plain
from qs.domain.notification.texts.template import TemplateBroken, render

LINK = "https://answer.example.org/e?token=t"
VALUES = {"task_id": "T", "plan_id": "P", "reason": "missed"}
MARKUP = (
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert('1')>",
    "javascript:alert(1)",
    "<!--#exec cmd='id'-->",
    "${7*7} #{7*7} <%= 7*7 %> %s %(link)s",
    "=cmd|' /C calc'!A0",
    "'; DROP TABLE message_template; --",
    "&lt;b&gt; &amp; &#x202e;",
)


def problems(key: str, subject: str, body: str) -> list[tuple[str, str]]:
    with pytest.raises(TemplateInvalid) as caught:
        read_text(KINDS[key], subject, body)
    return [(each.pointer, each.detail) for each in caught.value.problems]


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (
            "{link}\n\nHi {nam}",
            "line 3, column 4: {nam} is no variable here; use {expires}, {greeting}, {link}",
        ),
        ("{link} {task_id}", "line 1, column 8: {task_id} is no variable here"),
        ("{link} {", "line 1, column 8: a brace"),
        ("{link} }", "line 1, column 8: a brace"),
        ("{link} {}", "line 1, column 8: a brace"),
        ("{link} {0}", "line 1, column 8: a brace"),
        ("{link} {link!r}", "line 1, column 8: a brace"),
        ("{link} {link:>99999999}", "line 1, column 8: a brace"),
        ("{link} {link.__class__.__mro__}", "line 1, column 8: a brace"),
        ("{link} {link[0]}", "line 1, column 8: a brace"),
        ("{link} { link }", "line 1, column 8: a brace"),
        ("{link} {LINK}", "line 1, column 8: a brace"),
        ("{link} {{link}", "line 1, column 14: a brace"),
        ("{{link}}", "must show {link}: the personal link to the questionnaire"),
        ("{link} \x1b[31m", "line 1, column 8: must not hold the character U+001B"),
        ("{link}\tx", "line 1, column 7: must not hold the character U+0009"),
        ("{link}\u2028x", "line 1, column 7: must not hold the character U+2028"),
        ("{link} \u202emoc.elpmaxe", "line 1, column 8: must not hold the character U+202E"),
        ("{link} \u2066x\u2069", "line 1, column 8: must not hold the character U+2066"),
        ("{link}" + "x" * 4995, "must have at most 5000 characters"),
    ],
)
def test_a_body_no_message_can_be_made_of_is_refused_with_the_place(body, detail):
    [(pointer, told)] = problems("task_opened", "Hello", body)

    assert pointer == "/body"
    assert told.startswith(detail)


@pytest.mark.parametrize(
    ("subject", "detail"),
    [
        ("", "must not be blank"),
        ("x" * 201, "must have at most 200 characters"),
        ("a\r\nBcc: x@example.org", "line 1, column 2: must not hold the character U+000D"),
        ("a\nb", "line 1, column 2: must not hold the character U+000A"),
        ("See {link}", "line 1, column 5: {link} is no variable here; use {expires}"),
        ("{greeting}", "line 1, column 1: {greeting} is no variable here; use {expires}"),
    ],
)
def test_a_subject_is_one_line_and_shows_neither_link_nor_name(subject, detail):
    [(pointer, told)] = problems("task_opened", subject, "{link}")

    assert pointer == "/subject"
    assert told.startswith(detail)


def test_all_that_is_wrong_is_told_at_once():
    found = problems("task_opened", " ", "{no} {what}")

    assert [pointer for pointer, _ in found] == ["/subject", "/body", "/body", "/body"]
    assert problems("greeting", "Hello", "Hi {link}")[0][0] == "/subject"
    assert problems("greeting_nameless", "", "Hi {name}") == [
        ("/body", "line 1, column 4: {name} is no variable here; there are none")
    ]


def test_lines_end_in_one_way_and_the_last_one_not_at_all():
    assert read_text(KINDS["task_opened"], "a", "x\r\n{link}\r\n\r\n") == Text("a", "x\n{link}")


@pytest.mark.parametrize("markup", MARKUP)
def test_markup_is_text_like_any_other(markup):
    written = markup.replace("{", "{{").replace("}", "}}")

    text = read_text(KINDS["task_opened"], written, f"{written} {{link}}")
    sent = compose(
        "task_opened", "en", name=markup, values={}, link=LINK, own={"task_opened": OwnText(1, text)}
    )

    assert (sent.subject, sent.body) == (markup, f"{markup} {LINK}\n")


@given(st.text(max_size=80), st.text(max_size=20))
def test_doubled_braces_say_what_was_meant_and_a_value_is_put_in_once(said, value):
    escaped = said.replace("{", "{{").replace("}", "}}")

    assert render(escaped + "{name}", {"name": value}) == said + value


@given(st.text(alphabet="{}abc_.![]:0 \n", max_size=40))
def test_whatever_is_written_is_refused_or_can_be_sent(body):
    try:
        text = read_text(KINDS["task_expired"], "Over", body)
    except TemplateInvalid:
        return

    sent = compose("task_expired", "en", name=None, values={}, own={"task_expired": OwnText(3, text)})

    assert (sent.version, sent.unusable) == (3, ())


def test_no_value_stands_for_nothing():
    with pytest.raises(TemplateBroken, match=r"\{name\} has no value here"):
        render("Hi {name}", {})


def test_a_name_cannot_turn_or_break_what_stands_beside_it():
    sent = compose("task_expired", "en", name="An\u202ena\nBcc:", values=VALUES)

    assert sent.body.startswith("Hello Anna Bcc:,\n")
    assert plain("a\u2066b\x00c\u2029d") == "ab c d"


def test_the_greeting_can_be_the_tenants_own():
    own = {
        "greeting": OwnText(1, Text("", "Dear {name}:")),
        "greeting_nameless": OwnText(2, Text("", "Good day")),
    }

    assert compose("task_expired", "en", name="Anna", values=VALUES, own=own).body.startswith("Dear Anna:\n")
    assert compose("task_expired", "en", name=None, values=VALUES, own=own).body.startswith("Good day\n")


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("{link} {score}", "/body line 1, column 8: {score} is no variable here"),
        ("no way in", "/body must show {link}"),
        ("{link} {", "/body line 1, column 8: a brace"),
    ],
)
def test_what_this_release_cannot_send_gives_way_to_the_built_in_text(body, why):
    own = {"task_opened": OwnText(4, Text("Old", body))}

    sent = compose("task_opened", "en", name="Anna", values=VALUES, link=LINK, own=own)

    assert sent.subject == BUILT_IN["en"]["task_opened"].subject
    assert LINK in sent.body
    assert sent.version == 0
    [left_out] = sent.unusable
    assert (left_out.key, left_out.version) == ("task_opened", 4)
    assert left_out.why.startswith(why)


def test_a_variable_without_a_value_gives_way_too():
    own = {"alert_duty_late": OwnText(2, Text("Late", "{alert_trouble}"))}
    values = {"alert_subject": "sweep", "alert_count": "3", "alert_explain": "`qs alerts list`"}

    sent = compose("alert_duty_late", "en", name=None, values=values, own=own)

    assert "sweep" in sent.body
    assert [(each.version, each.why) for each in sent.unusable] == [(2, "{alert_trouble} has no value here")]


def test_there_are_no_other_keys_and_languages():
    for key, locale in (("task_open", "en"), ("task_opened", "de"), ("", ""), ("task_opened", "EN")):
        with pytest.raises(TemplateAbsent):
            kind_of(key, locale)


def test_no_more_is_told_than_anybody_reads():
    assert len(problems("task_opened", "Hello", "{ " * 2500)) == 100
    assert problems("task_opened", "Hello", "{" * 1_000_000) == [
        ("/body", "must have at most 5000 characters")
    ]
