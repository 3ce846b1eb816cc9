"""Small sets of numbers as the bits of one integer: the values of a cron field, the days of a month."""

from collections.abc import Iterable


def bits(values: Iterable[int]) -> int:
    """The set of these numbers."""
    found = 0
    for value in values:
        found |= 1 << value
    return found


def first_from(members: int, value: int) -> int:
    """The smallest member that is ``value`` or more; -1 if there is none."""
    rest = members >> value
    return value + (rest & -rest).bit_length() - 1 if rest else -1


def last_to(members: int, value: int) -> int:
    """The largest member that is ``value`` or less; -1 if there is none."""
    return (members & ((2 << value) - 1)).bit_length() - 1


def listed(members: int) -> list[int]:
    """The members in order."""
    return [value for value in range(members.bit_length()) if members >> value & 1]
