"""Who is told over which channel."""

from uuid import uuid4

import pytest

from qs.domain.notification.addressing import (
    Addressee,
    Contact,
    OptOut,
    Person,
    intents_for_staff,
    intents_for_testee,
    to_guardian,
    to_testee,
)

TESTEE = uuid4()
ALL = ("log", "webhook", "email")
ADDRESSED = {"email"}


def addressee(contacts=(), guardians=()) -> Addressee:
    return Addressee(
        testee=Person(to_testee(TESTEE), "Anna", tuple(Contact(*each) for each in contacts)),
        guardians=tuple(
            Person(to_guardian(TESTEE, n), "Eva", tuple(Contact(*each) for each in own))
            for n, own in enumerate(guardians)
        ),
        opt_outs=(),
        locale=None,
    )


def told(who: Addressee, event_name: str = "TaskOpened", channels=ALL):
    intents = intents_for_testee(event_name, who, channels, ADDRESSED, "en")
    return [(i.recipient.split(":")[0], i.channel, i.address_index, i.template, i.skipped) for i in intents]


def test_a_testee_with_a_mailbox_is_told_over_every_channel():
    assert told(addressee([("email", "a@example.org")])) == [
        ("testee", "log", 0, "task_opened", None),
        ("testee", "webhook", 0, "task_opened", None),
        ("testee", "email", 0, "task_opened", None),
    ]


def test_each_mailbox_is_written_to():
    who = addressee([("phone", "+49 1"), ("email", "a@example.org"), ("email", "b@example.org")])

    assert told(who, channels=["email"]) == [
        ("testee", "email", 0, "task_opened", None),
        ("testee", "email", 1, "task_opened", None),
    ]


def test_guardians_are_told_when_the_testee_has_no_contact_at_all():
    who = addressee(guardians=[[("email", "e@example.org")], [("phone", "+49 1")]])

    assert told(who, channels=["email"]) == [
        ("guardian", "email", 0, "task_opened_guardian", None),
        ("guardian", "email", 0, "task_opened_guardian", "no_address"),
    ]


def test_guardians_are_not_told_when_the_testee_has_a_contact_elsewhere():
    who = addressee([("phone", "+49 1")], guardians=[[("email", "e@example.org")]])

    assert told(who, channels=["email"]) == [("testee", "email", 0, "task_opened", "no_address")]


def test_nobody_reachable_shows_in_the_ledger():
    assert told(addressee(), channels=["email"]) == [("testee", "email", 0, "task_opened", "no_address")]


@pytest.mark.parametrize(
    ("contacts", "channels", "expected"),
    [
        ([("email", "s@example.org")], ALL, [("staff", "log"), ("staff", "webhook"), ("staff:0", "email")]),
        ([("email", "s@example.org")], ["email"], [("staff:0", "email")]),
        (
            [("email", "s@example.org"), ("email", "t@example.org")],
            ["email"],
            [("staff:0", "email"), ("staff:1", "email")],
        ),
        ([], ["email"], [("staff", "log")]),
        ([("phone", "+49 1")], ["email"], [("staff", "log")]),
        ([], ["log", "email"], [("staff", "log")]),
    ],
)
def test_staff_are_told_where_they_are_and_else_in_the_log(contacts, channels, expected):
    intents = intents_for_staff(
        "TaskExpired", [Contact(*each) for each in contacts], channels, ADDRESSED, "zh"
    )

    assert [(intent.recipient, intent.channel) for intent in intents] == expected


def test_an_opt_out_holds_for_its_channel_and_its_plan():
    plan, other = uuid4(), uuid4()
    who = Addressee(Person("t", None, ()), (), (OptOut("email", plan), OptOut("webhook", None)), None)

    assert who.opted_out("email", plan)
    assert not who.opted_out("email", other)
    assert who.opted_out("webhook", other)
    assert not who.opted_out("log", plan)
