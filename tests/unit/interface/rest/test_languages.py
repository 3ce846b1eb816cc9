"""The language of titles follows Accept-Language."""

import pytest

from qs.interface.rest.languages import preferred
from qs.interface.rest.titles import title


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("zh", "zh"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en;q=0.5, zh;q=0.6", "zh"),
        ("zh;q=0, en", "en"),
        ("fr, zh-Hans;q=0.1", "zh"),
        ("fr", "en"),
        ("*", "en"),
        ("en, zh", "en"),
        ("ZH-tw", "zh"),
        ("zh;q=x, en;q=0.1", "en"),
        ("zhuang", "en"),
        (";;;,,,", "en"),
    ],
)
def test_the_language_weighed_highest_is_taken(header: str, language: str) -> None:
    assert preferred(header) == language


def test_who_names_none_of_ours_gets_the_default() -> None:
    assert preferred("fr", "zh") == "zh"
    assert preferred("*;q=0.1", "zh") == "zh"


def test_an_endless_header_is_read_to_a_limit() -> None:
    assert preferred("x," * 100_000 + "zh") == "en"


def test_a_cause_has_its_own_title_or_that_of_its_status() -> None:
    assert title("task.not_due", 409, "zh") == "任务尚未到期"
    assert title("something.else", 409, "zh") == "当前状态下无法执行"
    assert title("something.else", 418, "en") == "Internal error"
