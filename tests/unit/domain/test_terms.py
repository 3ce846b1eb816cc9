import pytest

from qs.domain.plan.terms import CatchUp, InvalidTerms, NotifyOnExpiry, Terms

DAYS = ("due_days", "entry_ttl_days", "catch_up_days")


def terms(**fields: object) -> Terms:
    return Terms.of(**({"name": "PHQ-9 monthly", "schedule_type": "by_month"} | fields))


def pointers(**fields: object) -> list[str]:
    with pytest.raises(InvalidTerms) as caught:
        terms(**fields)
    assert caught.value.code == "plan.invalid_terms"
    return [problem.pointer for problem in caught.value.problems]


def test_terms_left_out_have_their_defaults():
    assert terms() == Terms("PHQ-9 monthly", 7, 7, 7, CatchUp.ALL, NotifyOnExpiry.STAFF)


@pytest.mark.parametrize(
    ("schedule_type", "default"),
    [("by_day", "latest"), ("by_week", "all"), ("by_month", "all"), ("custom", "all"), ("fixed_date", "all")],
)
def test_only_a_daily_plan_catches_up_with_the_latest_unless_told_otherwise(schedule_type, default):
    assert terms(schedule_type=schedule_type).catch_up == default
    assert terms(schedule_type=schedule_type, catch_up="all").catch_up is CatchUp.ALL
    assert terms(schedule_type=schedule_type, catch_up="latest").catch_up is CatchUp.LATEST


@pytest.mark.parametrize("field", DAYS)
def test_days_are_1_to_366(field):
    for days in (1, 366):
        assert getattr(terms(**{field: days}), field) == days
    # 10**5000 is longer than Python will turn into text, as a message that quotes it would find out.
    wrong: list[object] = [0, -1, 367, 10**5000, 1.0, "7", True, [7]]
    for value in wrong:
        assert pointers(**{field: value}) == [f"/{field}"]


def test_a_catch_up_window_may_be_open_for_ever_and_the_others_may_not():
    assert terms(catch_up_days=None).catch_up_days is None
    assert pointers(due_days=None, entry_ttl_days=None) == ["/due_days", "/entry_ttl_days"]


def test_staff_the_testee_or_nobody_is_told_of_an_expiry():
    for who in ("staff", "testee", "nobody"):
        assert terms(notify_on_expiry=who).notify_on_expiry == who


def test_a_plan_says_after_how_many_missed_occasions_staff_are_alerted_or_leaves_it_open():
    assert terms().alert_after_missed is None
    for missed in (0, 1, 100, None):
        assert terms(alert_after_missed=missed).alert_after_missed == missed
    wrong: list[object] = [-1, 101, 1.0, "2", True]
    for value in wrong:
        assert pointers(alert_after_missed=value) == ["/alert_after_missed"]


def test_an_unknown_choice_is_refused_and_never_defaulted():
    wrong: list[object] = ["", "STAFF", "everybody", 1, ["staff"], {}]
    for value in wrong:
        assert pointers(notify_on_expiry=value, catch_up=value) == ["/catch_up", "/notify_on_expiry"]
    assert pointers(notify_on_expiry=None) == ["/notify_on_expiry"]


def test_a_name_is_1_to_200_characters_of_any_script():
    for name in ("x", "x" * 200, "抑郁　筛查", "家人👨‍👩‍👧", "Ça va ?"):
        assert terms(name=name).name == name


def test_a_name_that_is_empty_too_long_or_not_plain_text_is_refused():
    for name in ("", " ", "　", "x" * 201, "a\x00b", "a\nb", "a\x7f", "\ud800", None, 5, ["x"]):
        assert pointers(name=name) == ["/name"]


def test_all_problems_are_told_at_once():
    assert pointers(
        name="", due_days=0, entry_ttl_days=0, catch_up_days=0, catch_up="some", notify_on_expiry="me"
    ) == ["/name", "/due_days", "/entry_ttl_days", "/catch_up_days", "/catch_up", "/notify_on_expiry"]
