"""What is remembered, and that it never weighs more than it may."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from qs.domain.kernel.remembering import remembered


class Asked:
    """A function of how long a result is, and what it was really asked."""

    def __init__(self, most: int) -> None:
        self.calls: list[int] = []
        self.of = remembered(most, len)(self._of)

    def _of(self, length: int) -> tuple[int, ...]:
        if length < 0:
            raise ValueError(length)
        self.calls.append(length)
        return tuple(range(length))


def test_the_same_question_is_answered_by_the_same_result() -> None:
    asked = Asked(10)

    assert asked.of(3) is asked.of(3)
    assert asked.calls == [3]


def test_those_asked_for_last_are_kept_as_long_as_they_weigh_no_more_together() -> None:
    asked = Asked(10)

    for length in (4, 3, 4, 5):
        asked.of(length)
    # 4 and 5 weigh 9; the 3 had to go, and 4 stayed for having been asked for again.
    for length in (5, 4, 3):
        asked.of(length)

    assert asked.calls == [4, 3, 5, 3]


def test_what_is_heavier_than_everything_together_may_be_is_not_kept_and_displaces_nothing() -> None:
    asked = Asked(10)

    for length in (4, 11, 4, 11):
        assert len(asked.of(length)) == length

    assert asked.calls == [4, 11, 11]


def test_what_raises_is_asked_again() -> None:
    asked = Asked(10)

    for _ in range(2):
        with pytest.raises(ValueError, match="-1"):
            asked.of(-1)


def test_arguments_by_name_are_refused_instead_of_being_taken_for_others() -> None:
    with pytest.raises(TypeError, match="by position"):
        Asked(10).of(length=1)


def test_threads_may_share_it() -> None:
    asked = Asked(50)

    with ThreadPoolExecutor(8) as threads:
        lengths = [length % 40 for length in range(4000)]
        assert [len(each) for each in threads.map(asked.of, lengths)] == lengths
