"""What the checker of webhook calls must see, and what it must not."""

from typing import Any

import pytest

from tests.proof.laws.calls import _unlike, again
from tests.proof.webhooks import Arrival


def arrived(event: str, status: int = 200, **body: Any) -> Arrival:
    return Arrival(event, 0.0, {"id": event, **body}, status)


LEDGER: Any = {"a": {"epoch": 2, "failures": 1}, "b": {"epoch": 1, "failures": 0}}
WELL = [arrived("a", 500), arrived("a"), arrived("b")]


def test_what_was_refused_and_tried_again_is_well() -> None:
    assert list(_unlike(LEDGER, WELL, 0)) == []
    assert again(WELL) == 0


@pytest.mark.parametrize(
    ("arrivals", "words"),
    [
        (WELL[:2], "b is sent and never arrived"),
        ([*WELL, arrived("c")], "c was posted and has no delivery"),
        ([*WELL[:2], Arrival("b", 0.0, {"id": "a"})], "a was posted under the id b"),
        ([*WELL[:2], arrived("b", data={"entry_url": "https://…"})], "with a link"),
        ([*WELL, arrived("b")], "b arrived 2 times in 1 attempts"),
        ([arrived("a"), arrived("a"), arrived("b"), arrived("b")], "accepted again"),
    ],
)
def test_what_was_lost_doubled_or_mixed_up_is_told(arrivals: list[Arrival], words: str) -> None:
    assert any(words in told for told in _unlike(LEDGER, arrivals, 0))
