"""Cursors are opaque, and only those that were given out are read."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from qs.interface.rest.paging import CursorInvalid, PageRequest, read_cursor, write_cursor

AT = datetime(2026, 3, 1, 9, tzinfo=UTC)
ID = UUID("00000000-0000-7000-8000-000000000001")


def test_a_cursor_reads_back_as_the_position_it_was_made_of() -> None:
    token = write_cursor("tasks", AT, ID, 7, "text")

    assert read_cursor("tasks", token, datetime, UUID, int, str) == (AT, ID, 7, "text")


def test_no_cursor_is_the_beginning() -> None:
    assert read_cursor("tasks", None, datetime, UUID) is None


def test_a_cursor_goes_into_a_url_as_it_is() -> None:
    assert write_cursor("tasks", AT, ID).replace("-", "").replace("_", "").isalnum()


def test_a_cursor_of_another_listing_is_refused() -> None:
    with pytest.raises(CursorInvalid):
        read_cursor("audit", write_cursor("tasks", AT, ID), datetime, UUID)


def test_a_cursor_of_other_types_is_refused() -> None:
    with pytest.raises(CursorInvalid):
        read_cursor("tasks", write_cursor("tasks", AT), datetime, UUID)


@pytest.mark.parametrize("token", ["", "a", "AAAA", "====", "💥", "a b", "%00", "A" * 5000, "AAAAAAAAAAAA"])
def test_anything_made_up_is_refused(token: str) -> None:
    with pytest.raises(CursorInvalid):
        read_cursor("tasks", token, datetime, UUID)


def test_every_changed_character_is_noticed() -> None:
    token = write_cursor("tasks", 12345)

    for index in range(len(token)):
        changed = token[:index] + ("A" if token[index] != "A" else "B") + token[index + 1 :]
        with pytest.raises(CursorInvalid):
            read_cursor("tasks", changed, int)


def test_the_offset_counts_pages_from_one() -> None:
    assert [PageRequest(page, 20).offset for page in (1, 2, 3)] == [0, 20, 40]
