"""Bodies become Structs, and everything that does not fit is named at once."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from msgspec import Meta, field

from qs.domain.kernel.errors import Invalid
from qs.interface.rest.bodies import Body, Code, Count, Day, Instant, Name, WallTime, build, read_json


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


class Row(Body):
    seq: Annotated[int, Meta(ge=1)]
    side: Literal["left", "right"] | None = None


class Thing(Body):
    name: Name
    owner: UUID
    colour: Colour = Colour.RED
    at: Instant | None = None
    day: Day | None = None
    rows: Annotated[list[Row], Meta(max_length=2)] = field(default_factory=list)
    nested: Row | None = None
    anything: dict[str, Any] = field(default_factory=dict)
    count: Count = 0
    colours: list[Colour] | None = None
    by_colour: dict[str, Annotated[Colour, Meta(description="deep")]] = field(default_factory=dict)
    side: Annotated[Literal["left", "right"] | None, Meta(description="which")] = None
    step: Literal[1, 2] = 1
    code: Code = "a"
    codes: list[Annotated[Code, Meta(description="deep")]] = field(default_factory=list)
    unworded: Annotated[str, Meta(pattern="^[a-z]$")] = "a"


OWNER = "00000000-0000-7000-8000-000000000001"


def problems(**fields: Any) -> dict[str, str]:
    with pytest.raises(Invalid) as caught:
        build(fields, Thing)
    return {problem.pointer: problem.detail for problem in caught.value.problems}


def test_a_body_that_fits_becomes_its_struct() -> None:
    thing = read_json(b'{"name": "a", "owner": "' + OWNER.encode() + b'"}', Thing)

    assert thing == Thing(name="a", owner=UUID(OWNER))


def test_every_field_that_does_not_fit_is_named_at_once() -> None:
    found = problems(name="", owner="x", colour="blue", at="yesterday", count=-1, extra=1)

    assert found == {
        "/name": "must have at least 1 characters",
        "/owner": "must be a UUID",
        "/colour": "must be one of red, green",
        "/at": "must be an instant such as 2026-03-01T09:00:00Z",
        "/count": "must be at least 0",
        "/extra": "is not a field here",
    }


def test_a_missing_field_is_named_itself_not_its_parent() -> None:
    assert problems(name="a") == {"/owner": "is missing"}


def test_a_fault_deep_inside_has_its_own_pointer() -> None:
    assert problems(name="a", owner=OWNER, rows=[{"seq": 1}, {"seq": "2"}]) == {
        "/rows/1/seq": "must be an integer"
    }
    assert problems(name="a", owner=OWNER, nested={"seq": 0, "x": 1}) == {
        "/nested/seq": "must be at least 1",
        "/nested/x": "is not a field here",
    }
    assert problems(name="a", owner=OWNER, rows=[{"seq": 1}] * 3) == {"/rows": "must have at most 2 items"}


def test_an_enumeration_names_what_it_takes_however_deep_it_stands() -> None:
    found = problems(
        name="a",
        owner=OWNER,
        colours=["red", "blue"],
        by_colour={"x": "blue"},
        side="top",
        step=3,
        nested={"seq": 1, "side": "top"},
    )

    assert found == {
        "/colours/1": "must be one of red, green",
        "/by_colour/...": "must be one of red, green",
        "/side": "must be one of left, right",
        "/step": "must be one of 1, 2",
        "/nested/side": "must be one of left, right",
    }


def test_a_pattern_is_told_in_words() -> None:
    found = problems(name=" ", owner=OWNER, code="a b", codes=["a", "?"], unworded="A")

    assert found == {
        "/name": "must be more than blanks",
        "/code": "must be letters, digits and . _ -, and begin with a letter or digit",
        "/codes/1": "must be letters, digits and . _ -, and begin with a letter or digit",
        "/unworded": "has a value this field does not take",
    }


@pytest.mark.parametrize("value", ["5", 5.0, True, None])
def test_nothing_else_passes_for_a_number(value: Any) -> None:
    assert problems(name="a", owner=OWNER, count=value) == {"/count": "must be an integer"}


def test_a_body_that_is_no_object_is_refused_as_a_whole() -> None:
    with pytest.raises(Invalid) as caught:
        read_json(b"[]", Thing)

    assert [(problem.pointer, problem.detail) for problem in caught.value.problems] == [
        ("", "must be an object")
    ]


@pytest.mark.parametrize(
    "at",
    [
        "0001-01-01T00:00:00+14:00",
        "1899-12-31T23:59:59Z",
        "2200-01-01T00:00:00Z",
        "9999-12-31T23:59:59-14:00",
    ],
)
def test_an_instant_that_calendar_arithmetic_would_not_survive_is_refused(at: str) -> None:
    assert list(problems(name="a", owner=OWNER, at=at)) == ["/at"]


def test_a_naive_instant_is_refused() -> None:
    assert problems(name="a", owner=OWNER, at="2026-03-01T09:00:00") == {
        "/at": "must carry a zone: end in Z or an offset such as +08:00"
    }


def test_a_number_no_column_holds_is_refused_even_where_anything_goes() -> None:
    assert problems(name="a", owner=OWNER, anything={"deep": [2**63]}) == {
        "/anything/deep/0": "must be an integer of at most 64 bits"
    }
    assert problems(name="a", owner=OWNER, anything={"x": float("inf")}) == {
        "/anything/x": "must be a finite number"
    }


def test_at_most_a_hundred_problems_are_told() -> None:
    assert len(problems(**{f"x{n}": n for n in range(1000)})) == 100


def test_a_name_as_long_as_the_body_is_not_repeated() -> None:
    assert max(len(each) for each in problems(**{"x" * 100_000: 1})) < 100


@pytest.mark.parametrize(
    ("kind", "text"), [(WallTime, "09:00\n"), (WallTime, "24:00"), (Code, "a\n"), (Name, " \t ")]
)
def test_patterns_take_no_trailing_newline_and_no_blank_name(kind: Any, text: str) -> None:
    with pytest.raises(Invalid):
        build(text, kind)


def test_wall_times_come_with_and_without_seconds() -> None:
    assert [build(text, WallTime) for text in ("09:00", "23:59:59")] == ["09:00", "23:59:59"]


def test_queries_read_numbers_and_instants_from_text() -> None:
    assert build("7", Count, strict=False) == 7
    assert isinstance(build("2026-03-01T09:00:00+08:00", Instant, strict=False), datetime)
