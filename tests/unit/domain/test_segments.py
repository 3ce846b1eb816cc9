"""How many parts a text message is sent in."""

import pytest

from qs.domain.notification.segments import segments


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", 0),
        ("a", 1),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("€" * 80, 1),
        ("€" * 81, 2),
        # An escaped character is not cut in two: 76 fit into a part of 153.
        ("€" * 152, 2),
        ("€" * 153, 3),
        ("ç" * 70, 1),
        ("ç" * 71, 2),
        ("问" * 70, 1),
        ("问" * 71, 2),
        ("问" * 134, 2),
        ("问" * 135, 3),
        ("😀" * 35, 1),
        ("😀" * 36, 2),
        # Neither is a surrogate pair: 33 fit into a part of 67.
        ("😀" * 66, 2),
        ("😀" * 67, 3),
        ("a" * 69 + "问", 1),
        ("a" * 70 + "问", 2),
    ],
)
def test_a_text_takes_as_many_parts_as_phones_count(text, parts):
    assert segments(text) == parts
