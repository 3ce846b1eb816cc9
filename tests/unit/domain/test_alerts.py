"""When staff are told of trouble: at once, then seldom, once at its end, and never too much in one hour."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qs.application.notification.alert_explaining import explanation
from qs.domain.notification.alerts import (
    AT_MOST_EVERY,
    SETTLED_AFTER,
    Alert,
    AlertKind,
    Relief,
    Trouble,
    raised,
    tellings,
)
from qs.domain.notification.texts import LOCALES
from qs.domain.notification.texts.alerts import over_phrase, trouble_phrase

NOON = datetime(2026, 3, 9, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
TENANT = UUID(int=7)


def trouble(
    cause: str = "1", count: int = 1, kind: AlertKind = AlertKind.DUTY_FAILING, *, more: bool = False
):
    return Trouble(kind, "sweep", cause, count, {}, more)


def an_alert(**fields) -> Alert:
    return raised(trouble(**fields), TENANT, uuid4(), NOON)


def relief(at: datetime, kind: AlertKind = AlertKind.DUTY_FAILING) -> Relief:
    return Relief(kind, "sweep", at)


def test_new_trouble_is_due_at_once_and_told_once():
    alert = an_alert()

    assert alert.is_due(NOON)
    assert not alert.told(NOON).is_due(NOON + 2 * AT_MOST_EVERY)


def test_trouble_that_goes_on_is_due_again_an_hour_after_it_was_told():
    alert = an_alert().told(NOON).met(trouble("2", 2), NOON + MINUTE)

    assert not alert.is_due(NOON + AT_MOST_EVERY - MINUTE)
    assert alert.is_due(NOON + AT_MOST_EVERY)
    assert (alert.count, alert.untold) == (2, 1)


def test_the_same_cause_is_no_news():
    alert = an_alert().told(NOON)

    assert alert.met(trouble(), NOON + 2 * AT_MOST_EVERY) is alert


def test_what_is_counted_in_addition_adds_up():
    alert = an_alert(count=3, kind=AlertKind.MISSED_OPENINGS)

    again = alert.met(trouble("2", 4, AlertKind.MISSED_OPENINGS, more=True), NOON + MINUTE)

    assert (again.count, again.untold) == (7, 7)


def test_the_end_of_trouble_is_told_once_and_at_once():
    alert = an_alert().told(NOON).relieved(relief(NOON + MINUTE), NOON + MINUTE)

    assert alert.tells_recovery
    assert alert.is_due(NOON + MINUTE)
    assert not alert.told(NOON + MINUTE).is_due(NOON + 2 * AT_MOST_EVERY)


def test_of_trouble_that_nobody_heard_of_the_end_is_not_told():
    assert not an_alert().relieved(relief(NOON), NOON).is_due(NOON + 2 * AT_MOST_EVERY)


def test_trouble_that_comes_and_goes_is_told_once_an_hour():
    over = an_alert().told(NOON).relieved(relief(NOON), NOON + MINUTE).told(NOON + MINUTE)

    back = over.met(trouble("2"), NOON + 2 * MINUTE)

    assert back.id == over.id
    assert back.first_seen_at == NOON + 2 * MINUTE
    assert not back.is_due(NOON + 3 * MINUTE)
    assert back.is_due(NOON + AT_MOST_EVERY)


def test_trouble_that_is_back_before_its_end_was_told_simply_goes_on():
    alert = an_alert().told(NOON).relieved(relief(NOON), NOON + MINUTE).met(trouble("2"), NOON + 2 * MINUTE)

    assert alert.first_seen_at == NOON
    assert not alert.tells_recovery
    assert not alert.is_due(NOON + 3 * MINUTE)


@pytest.mark.parametrize(("after", "is_over"), [(SETTLED_AFTER - MINUTE, False), (SETTLED_AFTER, True)])
def test_openings_beside_missed_ones_do_not_show_that_all_is_well_again(after, is_over):
    alert = an_alert(kind=AlertKind.MISSED_OPENINGS)

    later = alert.relieved(relief(NOON + after, AlertKind.MISSED_OPENINGS), NOON + after)

    assert later.is_open is not is_over


def test_what_exceeds_the_room_of_the_hour_becomes_one_summary():
    due = [an_alert() for _ in range(4)]
    told_at = [NOON - AT_MOST_EVERY, NOON - 30 * MINUTE]

    assert tellings(due[:2], told_at, NOON, 3).alone == due[:2]
    assert tellings(due, told_at, NOON, 3).together == due
    assert tellings(due, told_at, NOON, 3).messages == 1
    assert tellings(due, told_at, NOON, 1).messages == 0


@pytest.mark.parametrize("kind", AlertKind)
def test_every_kind_has_its_words_and_its_explanation(kind):
    facts = {"task_id": "1", "job_id": "2"}

    assert explanation(kind, "x", facts).command.startswith("qs ")
    for locale in LOCALES:
        assert trouble_phrase(kind, locale) in over_phrase(kind, locale)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 4),
            st.sampled_from(["trouble", "relief", "nothing"]),
            st.integers(0, 50),
        ),
        max_size=120,
    ),
    st.integers(1, 4),
)
def test_no_hour_has_too_many_messages_and_no_end_is_told_without_its_beginning(steps, per_hour):
    now = NOON
    alerts: dict[int, Alert] = {}
    told_at: list[datetime] = []
    told: dict[int, list[tuple[datetime, bool]]] = defaultdict(list)
    for number, (subject, what, minutes) in enumerate(steps):
        now += minutes * MINUTE
        alert = alerts.get(subject)
        if what == "trouble":
            met = trouble(str(number))
            alerts[subject] = alert.met(met, now) if alert else raised(met, TENANT, uuid4(), now)
        elif what == "relief" and alert:
            alerts[subject] = alert.relieved(relief(now), now)
        chosen = tellings([each for each in alerts.values() if each.is_due(now)], told_at, now, per_hour)
        told_at += [now] * chosen.messages
        for each in (*chosen.alone, *chosen.together):
            [subject] = [key for key, value in alerts.items() if value is each]
            told[subject].append((now, each.tells_recovery))
            alerts[subject] = each.told(now)

    for at in told_at:
        assert sum(at - AT_MOST_EVERY < other <= at for other in told_at) <= per_hour
    for messages in told.values():
        beginnings = [at for at, is_over in messages if not is_over]
        assert all(later - at >= AT_MOST_EVERY for at, later in pairwise(beginnings))
        previous = True
        for _, is_over in messages:
            assert not (is_over and previous)
            previous = is_over
