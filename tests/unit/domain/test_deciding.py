"""Whether a message goes out at the moment it would."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qs.domain.notification.addressing import Addressee, Contact, OptOut, Person, to_guardian, to_testee
from qs.domain.notification.deciding import Drop, Go, Hold, Rules, Standing, Verdict, decide
from qs.domain.notification.delivery import Delivery, DeliveryStatus
from qs.domain.notification.pacing import spread
from qs.domain.notification.quiet_hours import QuietHours

TESTEE, PLAN = uuid4(), uuid4()
NOON = datetime(2026, 3, 9, 4, tzinfo=UTC)
MIDNIGHT = datetime(2026, 3, 9, 16, tzinfo=UTC)
MORNING = datetime(2026, 3, 10, 0, tzinfo=UTC)
WEEK = Standing(NOON + timedelta(days=7), paused=False)
MAIL = Contact("email", "a@example.org")


def delivery(event: str = "TaskOpened", occasion: str = "", recipient: str = to_testee(TESTEE)) -> Delivery:
    return Delivery(
        id=uuid4(),
        tenant_id=UUID(int=1),
        event_id=uuid4(),
        event_name=event,
        task_id=uuid4(),
        testee_id=TESTEE,
        plan_id=PLAN,
        recipient=recipient,
        channel="email",
        address_index=0,
        template="x",
        locale="en",
        data={"timezone": "Asia/Shanghai"},
        status=DeliveryStatus.QUEUED,
        reason=None,
        attempts=0,
        epoch=0,
        next_attempt_at=NOON,
        created_at=NOON,
        settled_at=None,
        occasion=occasion,
    )


def addressee(*opt_outs: OptOut, contacts: tuple[Contact, ...] = (MAIL,), guardians: int = 0) -> Addressee:
    people = tuple(Person(to_guardian(TESTEE, n), "Eva", (MAIL,)) for n in range(guardians))
    return Addressee(Person(to_testee(TESTEE), "Anna", contacts), people, opt_outs, None)


OPENING, REMINDER = delivery(), delivery(occasion="after:2d")
REISSUED, EXPIRED = delivery("EntryReissued"), delivery("TaskExpired")
NO_RULES = Rules()
CAP = Rules(max_per_day=2)
QUIET = Rules(quiet=QuietHours.parse("21:00-08:00"))


def verdict(
    what: Delivery,
    whom: Addressee | None = None,
    *,
    standing: Standing | None = WEEK,
    told_today: int = 0,
    rules: Rules = NO_RULES,
    now: datetime = NOON,
) -> Verdict:
    return decide(what, whom or addressee(), standing, told_today, rules, now)


def test_who_was_erased_gets_nothing():
    assert decide(EXPIRED, None, None, 0, Rules(), NOON) == Drop("erased")


def test_nothing_with_a_link_goes_out_about_a_task_that_is_not_open():
    for each in (OPENING, REMINDER, REISSUED):
        assert verdict(each, standing=None) == Drop("task_not_open")
    assert verdict(EXPIRED, standing=None) == Go()


def test_a_paused_task_reminds_nobody_and_is_announced_all_the_same():
    paused = Standing(WEEK.expires_at, paused=True)

    assert verdict(REMINDER, standing=paused) == Drop("paused")
    assert verdict(OPENING, standing=paused) == Go()


def test_a_guardian_stands_in_only_while_the_testee_has_no_contact():
    for_guardian = delivery(recipient=to_guardian(TESTEE, 0))

    assert verdict(for_guardian, addressee(contacts=(), guardians=1)) == Go()
    assert verdict(for_guardian, addressee(guardians=1)) == Drop("recipient_changed")
    assert verdict(OPENING, addressee(contacts=(), guardians=1)) == Drop("recipient_changed")
    assert verdict(OPENING, addressee(contacts=())) == Go()


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        (REMINDER, Drop("capped")),
        (EXPIRED, Drop("capped")),
        (REISSUED, Go()),
        (OPENING, Hold(MIDNIGHT)),
    ],
    ids=["reminder", "expired", "reissued", "opening"],
)
def test_beyond_the_cap_a_reminder_is_left_out_and_an_opening_waits_for_tomorrow(what, expected):
    assert verdict(what, rules=CAP, told_today=1) == Go()
    assert verdict(what, rules=CAP, told_today=2) == expected


def test_an_opening_whose_link_dies_today_goes_out_beyond_the_cap():
    assert verdict(OPENING, rules=CAP, told_today=5, standing=Standing(MIDNIGHT, paused=False)) == Go()


def test_it_is_the_recipients_own_zone_that_is_quiet():
    evening = datetime(2026, 3, 9, 15, tzinfo=UTC)

    assert verdict(OPENING, rules=QUIET, now=evening) == Hold(MORNING)
    assert verdict(OPENING, replace(addressee(), timezone="Europe/Berlin"), rules=QUIET, now=evening) == Go()


opt_outs = st.lists(
    st.builds(OptOut, st.sampled_from(["email", "sms"]), st.sampled_from([None, PLAN, uuid4()])), max_size=4
)


@given(
    opt_outs,
    st.sampled_from([OPENING, REMINDER, REISSUED, EXPIRED]),
    st.integers(-100, 20_000),
    st.integers(0, 3),
    st.sampled_from([Rules(), CAP, QUIET, replace(QUIET, max_per_day=1)]),
)
def test_no_message_goes_out_against_a_wish_or_after_its_link(wishes, what, minutes, told, rules):
    now = NOON + timedelta(minutes=minutes)
    standing = WEEK if now < WEEK.expires_at else None

    found = verdict(what, addressee(*wishes), standing=standing, told_today=told, rules=rules, now=now)

    unwanted = any(wish.channel == "email" and wish.plan_id in (None, PLAN) for wish in wishes)
    if unwanted or (what.needs_link and standing is None):
        assert isinstance(found, Drop)
    if isinstance(found, Hold):
        assert found.until > now
        assert standing is None or not what.needs_link or found.until < standing.expires_at


@given(st.integers(1, 10**6), st.integers(1000, 86_400_000))
def test_a_rate_is_spread_and_never_grows(calls, period_ms):
    few, short_ms = spread(calls, period_ms)

    assert 1000 <= short_ms <= max(period_ms, 1000)
    assert few * period_ms <= calls * short_ms
    assert spread(600, 60_000) == (10, 1000)
