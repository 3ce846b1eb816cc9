"""A value that WeChat would refuse never leaves: it is cut, written otherwise, or named as unfit beforehand."""

import re
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qs.infra.notification.channels.wechat_fields import ValueUnfit, fit, shown_time
from qs.infra.notification.channels.wechat_templates import template_problems

# What the documentation says of each kind, in its own words turned into shapes.
DOCUMENTED = {
    "thing": r".{1,20}",
    "number": r"[0-9]+(\.[0-9]+)?",
    "letter": r"[A-Za-z]{1,32}",
    "symbol": r"[^\w\s]{1,5}|_{1,5}|[^\w\s_]*_[^\w\s]*",
    "character_string": r"[\x20-\x7e]{1,32}",
    "phone_number": r"[0-9+() -]{1,17}",
    "car_number": r"[A-Z0-9\u3400-\U0003ffff]{3,8}",
    "phrase": r"[\u3400-\U0003ffff]{1,5}",
    "name": r"\D{1,20}",
}
SOME = st.text(max_size=60) | st.from_regex(r"[A-Za-z0-9:/ 年月日\u4e00-\u4e10.+-]{0,40}", fullmatch=True)


@given(kind=st.sampled_from(sorted(DOCUMENTED)), value=SOME)
def test_what_fits_is_within_the_documented_limits(kind, value):
    try:
        fitted = fit(f"{kind}1", value)
    except ValueUnfit:
        return

    assert re.fullmatch(DOCUMENTED[kind], fitted), (kind, fitted)
    assert len(fitted) <= 32
    assert fitted == fitted.strip()


@given(st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2199, 12, 31)))  # noqa: DTZ001
def test_every_instant_is_a_time_and_a_date(instant):
    shown = shown_time(instant.replace(tzinfo=ZoneInfo("Asia/Shanghai")))

    assert fit("time2", shown) == fit("date3", shown) == shown


@pytest.mark.parametrize(
    ("key", "value", "fitted"),
    [
        ("thing1", "问卷" * 15, "问卷" * 9 + "问…"),
        ("thing1", "a\n b\x07c", "a b c"),
        ("name3", "欧阳娜娜·亚历山德罗芙娜", "欧阳娜娜·亚历山德罗"),
        ("name3", "Alexandrina Victoria of Hanover", "Alexandrina Victoria"),
        ("phrase1", "等待您填写问卷", "等待您填写"),
        ("amount1", "¥99.5", "¥99.5"),
        ("amount1", "100元", "100元"),
        ("time9", "15:01", "15:01"),
        ("date9", "2019年10月1日~2019年10月7日", "2019年10月1日~2019年10月7日"),
        ("car_number4", "粤A8Z888挂", "粤A8Z888挂"),
    ],
)
def test_a_value_is_written_as_its_kind_takes_it(key, value, fitted):
    assert fit(key, value) == fitted


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("thing1", " \n"),
        ("thing", "no number"),
        ("Thing1", "no such kind"),
        ("number1", "1" * 33),
        ("number1", "１２"),
        ("letter1", "abc1"),
        ("symbol1", "!!!!!!"),
        ("character_string1", "f" * 33),
        ("character_string1", "问卷"),
        ("time1", "25:00"),
        ("date1", "2019-10-01"),
        ("amount1", "12345678901"),
        ("phone_number1", "+86-0766-66888866-1"),
        ("car_number1", "粤A8Z8888挂"),
        ("name1", "Li 2"),
        ("phrase1", "ok"),
    ],
)
def test_a_value_of_another_kind_is_unfit(key, value):
    with pytest.raises(ValueUnfit):
        fit(key, value)


FINE = {
    "message": "task_opened",
    "id": "tmpl-000001",
    "page": "a?t={token}",
    "fields": {"thing1": "{subject}"},
}


@pytest.mark.parametrize(
    ("template", "where"),
    [
        (FINE, None),
        (FINE | {"message": "task_opned"}, "[0].message"),
        (FINE | {"id": "short"}, "[0].id"),
        (FINE | {"page": "a?t={name}"}, "[0].page"),
        (FINE | {"page": "问卷"}, "[0].page"),
        (FINE | {"fields": {}}, "[0].fields"),
        (FINE | {"fields": {"thing1": "{name}"}}, "[0].fields.thing1"),
        (FINE | {"fields": {"thing1": 7}}, "[0].fields.thing1"),
        (FINE | {"fields": {"time1": "{subject}"}}, "[0].fields.time1"),
        (FINE | {"fields": {"character_string1": "{task_id}!"}}, "[0].fields.character_string1"),
        (FINE | {"colour": "red"}, "[0].colour"),
        ("task_opened", "[0]"),
    ],
)
def test_a_template_that_cannot_be_sent_is_found_in_the_settings(template, where):
    found = [at for at, _ in template_problems([template], ["task_opened"])]

    assert found == ([] if where is None else [where])


def test_one_message_has_one_template():
    assert [at for at, _ in template_problems([FINE, FINE], ["task_opened"])] == ["[1].message"]
