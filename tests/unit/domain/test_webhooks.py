"""Which events an endpoint asks for, when it is called again, and when it is spared."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qs.domain.webhook.endpoint import Secrets
from qs.domain.webhook.errors import EventFilterUnknown
from qs.domain.webhook.filters import check_filters, lets_through
from qs.domain.webhook.retrying import BROKEN_AFTER, Health, Result, RetryPolicy

NOW = datetime(2026, 3, 1, tzinfo=UTC)
POLICY = RetryPolicy()
FAILED, ACCEPTED = Result(accepted=False), Result(accepted=True)


@pytest.mark.parametrize(
    ("filters", "fits"),
    [
        (["*"], True),
        (["plan.*"], True),
        (["TaskOpened"], True),
        (["plan.TaskOpened"], True),
        (["Task*"], True),
        (["plan.Task*"], True),
        (["webhook.*"], False),
        (["TaskOpene"], False),
        (["webhook.TaskOpened"], False),
        (["EnrollmentJoined", "TaskOpened"], True),
        ([], False),
    ],
)
def test_a_filter_is_a_name_or_its_beginning_with_or_without_its_context(
    filters: list[str], fits: bool
) -> None:
    assert lets_through(filters, "plan", "TaskOpened") is fits


def test_a_filter_that_would_never_let_anything_through_is_refused() -> None:
    known = [("plan", "TaskOpened"), ("webhook", "WebhookEndpointDisabled")]

    check_filters(["Task*", "webhook.*"], known)
    with pytest.raises(EventFilterUnknown):
        check_filters(["Task*", "TaskOpend"], known)


@given(
    attempt=st.integers(1, 100),
    waited=st.timedeltas(timedelta(0), timedelta(days=6)),
    jitter=st.floats(0, 1),
    asked=st.none() | st.timedeltas(timedelta(0), timedelta(days=9)),
)
def test_a_delivery_is_tried_for_five_days_and_not_longer(
    attempt: int, waited: timedelta, jitter: float, asked: timedelta | None
) -> None:
    delay = POLICY.delay(attempt, waited, jitter, asked)

    if waited >= POLICY.give_up:
        assert delay is None
    else:
        assert delay is not None
        assert timedelta(0) < delay <= min(POLICY.longest, POLICY.give_up - waited)
        left = POLICY.give_up - waited
        assert delay >= min(asked or timedelta(0), POLICY.longest, left)


def test_the_tries_of_five_days_are_some_twenty_and_the_first_come_soon() -> None:
    waited = timedelta(0)
    delays: list[timedelta] = []
    while (delay := POLICY.delay(len(delays) + 1, waited, 0.0, None)) is not None:
        delays.append(delay)
        waited += delay

    assert delays[:3] == [timedelta(seconds=5), timedelta(seconds=10), timedelta(seconds=20)]
    assert 15 <= len(delays) <= 25
    assert waited == timedelta(days=5)


def test_failures_in_a_row_have_an_endpoint_spared_ever_longer_and_one_acceptance_ends_that() -> None:
    broken = Health().after([FAILED] * 30, NOW, POLICY, 0.0, probing=False)
    probed = broken.after([FAILED], NOW, POLICY, 0.0, probing=True)
    for _ in range(20):
        probed = probed.after([FAILED], NOW, POLICY, 0.0, probing=True)

    assert (broken.failures, broken.is_broken) == (BROKEN_AFTER, True)
    assert broken.paused_until == NOW + POLICY.first
    assert probed.paused_until == NOW + POLICY.probe_longest
    assert probed.after([FAILED, ACCEPTED], NOW, POLICY, 0.0, probing=True) == Health()


def test_the_wish_to_be_left_alone_is_honoured_also_by_one_that_is_well() -> None:
    asked = Result(accepted=False, retry_after=timedelta(minutes=10))

    health = Health().after([asked, FAILED], NOW, POLICY, 0.0, probing=False)

    assert (health.is_broken, health.paused_until) == (False, NOW + timedelta(minutes=10))


def test_only_days_of_nothing_but_failures_are_hopeless() -> None:
    failing = Health().after([FAILED], NOW, POLICY, 0.0, probing=False)

    assert not failing.is_hopeless(NOW + timedelta(days=5) - timedelta(seconds=1), POLICY)
    assert failing.is_hopeless(NOW + timedelta(days=5), POLICY)
    well = failing.after([ACCEPTED], NOW, POLICY, 0.0, probing=False)
    assert not well.is_hopeless(NOW + timedelta(days=50), POLICY)


def test_the_secret_before_signs_for_its_time_only() -> None:
    secrets = Secrets("new", "old")

    assert secrets.signing(NOW + timedelta(seconds=1), NOW) == ("new", "old")
    assert secrets.signing(NOW, NOW) == ("new",)
    assert secrets.signing(None, NOW) == ("new",)
