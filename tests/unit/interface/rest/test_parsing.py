"""JSON is read so that what it says is beyond doubt."""

import pytest

from qs.domain.kernel.errors import Invalid
from qs.interface.rest.parsing import DEEPEST, Malformed, is_storable, parse_json, pointer


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"{'a': 1}",
        b'{"a": 1,}',
        b"{} {}",
        b"\xff\xfe",
        b'{"a": "\xc3\x28"}',
        b"\xef\xbb\xbf{}",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": -Infinity}',
        b'{"a": "line\nbreak"}',
        b'{"a": "\x00"}',
        b'{"a": ' + b"9" * 5000 + b"}",
    ],
)
def test_what_is_not_one_json_value_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        parse_json(body)


def test_a_key_given_twice_is_malformed_wherever_it_stands() -> None:
    with pytest.raises(Malformed, match="twice"):
        parse_json(b'{"rows": [{"a": 1, "b": 2, "a": 3}]}')


def test_the_place_of_a_syntax_error_is_told_without_repeating_the_body() -> None:
    with pytest.raises(Malformed) as caught:
        parse_json(b'{"password": "hunter2" "x"}')

    assert "line 1, column 24" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_hundred_thousand_brackets_are_malformed_and_crash_nothing() -> None:
    for opening in (b"[", b'{"a":'):
        with pytest.raises(Malformed):
            parse_json(opening * 100_000)


def test_nesting_is_allowed_up_to_a_limit() -> None:
    assert parse_json(b"[" * DEEPEST + b"]" * DEEPEST) is not None

    with pytest.raises(Malformed, match="deeper"):
        parse_json(b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1))


def test_many_brackets_side_by_side_are_not_deep() -> None:
    assert len(parse_json(b"[" + b"[]," * 500 + b"[]]")) == 501


@pytest.mark.parametrize("text", [r"\u0000", r"\ud800", r"\udc00\ud800", r"a\udfffb"])
def test_nul_and_lone_surrogates_are_refused_with_a_pointer(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_json(b'{"rows": [{"a/b": "' + text.encode() + b'"}]}')

    assert [problem.pointer for problem in caught.value.problems] == ["/rows/0/a~1b"]


def test_a_key_that_holds_nul_is_refused() -> None:
    with pytest.raises(Invalid):
        parse_json(rb'{"a\u0000": 1}')


def test_a_surrogate_pair_is_one_character() -> None:
    assert parse_json(rb'"\ud83d\ude00"') == "\U0001f600"


def test_a_pointer_escapes_tilde_and_slash() -> None:
    assert pointer("a/b", "c~d", 0) == "/a~1b/c~0d/0"


def test_only_text_that_postgresql_holds_is_storable() -> None:
    assert is_storable("张三 \U0001f600")
    assert not is_storable("a\x00b")
    assert not is_storable("张\x00三")
    assert not is_storable("\ud800")
