"""Calendars: named sets of days off and of make-up workdays that a job may follow."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date

from qs.domain.kernel.errors import Invalid, Problem

MOST_DATES = 5_000
_LONGEST_NAME = 100


class CalendarInvalid(Invalid):
    """The dates of a calendar contradict each other or are too many, or its name is none."""

    code = "calendar.invalid"
    sentence = (
        "the calendar breaks the rules of its fields, so no job can follow it; correct every problem listed"
    )


@dataclass(frozen=True, slots=True)
class Marks:
    """The marked days of one month, bit n of each number being day n."""

    holidays: int = 0
    workdays: int = 0


UNMARKED = Marks()


@dataclass(frozen=True, slots=True)
class Calendar:
    """Days on which jobs rest (``holidays``) and days off that are worked after all (``workdays``).

    What a trigger makes of them stands in docs/scheduler/triggers.md. Raises CalendarInvalid for a name that is
    empty, padded or over 100 characters, for a date that is both, and for more than 5,000 dates.
    """

    name: str
    holidays: frozenset[date] = frozenset()
    workdays: frozenset[date] = frozenset()
    _months: Mapping[tuple[int, int], Marks] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if problems := list(self._problems()):
            raise CalendarInvalid(problems)
        object.__setattr__(self, "_months", _by_month(self.holidays, self.workdays))

    def marks(self, year: int, month: int) -> Marks:
        """The holidays and make-up workdays of that month."""
        return self._months.get((year, month), UNMARKED)

    def _problems(self) -> Iterator[Problem]:
        if not 1 <= len(self.name) <= _LONGEST_NAME or self.name != self.name.strip():
            yield Problem("/name", f"must have 1 to {_LONGEST_NAME} characters and no space at either end")
        if both := sorted(self.holidays & self.workdays):
            named = ", ".join(str(day) for day in both[:5])
            more = f" and {len(both) - 5} more" if len(both) > 5 else ""
            yield Problem("/workdays", f"{named}{more} is a holiday too; keep it in one of the two lists")
        if (count := len(self.holidays) + len(self.workdays)) > MOST_DATES:
            yield Problem(
                "/holidays", f"{count} dates are more than the {MOST_DATES} of a calendar; drop past years"
            )


def _by_month(holidays: frozenset[date], workdays: frozenset[date]) -> dict[tuple[int, int], Marks]:
    months: dict[tuple[int, int], list[int]] = {}
    for kind, days in enumerate((holidays, workdays)):
        for day in days:
            months.setdefault((day.year, day.month), [0, 0])[kind] |= 1 << day.day
    return {month: Marks(*marks) for month, marks in months.items()}
