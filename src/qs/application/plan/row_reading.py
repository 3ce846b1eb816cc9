"""Reading one row of a bulk enrollment, from JSON or CSV."""

import csv
import io
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice
from typing import Any
from uuid import UUID

from qs.application.plan.contacts import read_contacts, read_locale, read_text, read_timezone
from qs.domain.kernel.errors import Invalid, Problem
from qs.domain.plan.schedule import InvalidStartDate, read_start_date
from qs.domain.plan.testee import Contact, Testee

FIELDS = (
    "testee_id",
    "external_id",
    "start_date",
    "new_round",
    "name",
    "email",
    "phone",
    "sms",
    "wechat",
    "timezone",
    "locale",
)
_CONTACTS = ("email", "phone", "sms", "wechat")


class RowInvalid(Invalid):
    code = "bulk.row_invalid"
    sentence = "the row breaks the rules of its fields; correct it and send it again"


class CsvInvalid(Invalid):
    code = "bulk.csv_invalid"

    def __init__(self, detail: str) -> None:
        super().__init__([Problem("", detail)], f"the CSV cannot be read: it {detail}")


@dataclass(frozen=True, slots=True)
class EnrollmentRow:
    """A row that reads well; exactly one of ``testee_id`` and ``external_id`` is set."""

    testee_id: UUID | None
    external_id: str | None
    start_date: date
    new_round: bool
    name: str | None
    contacts: tuple[Contact, ...]
    timezone: str | None
    locale: str | None

    @property
    def describes_person(self) -> bool:
        return bool(self.name or self.contacts or self.timezone or self.locale)

    def new_testee(self, testee_id: UUID, tenant_id: UUID, now: datetime) -> Testee:
        """The testee this row describes, for an external id nobody has yet."""
        return Testee(
            testee_id,
            tenant_id,
            now,
            now,
            external_id=self.external_id,
            name=self.name,
            timezone=self.timezone,
            locale=self.locale,
            contacts=self.contacts,
        )


def read_row(fields: Mapping[str, Any]) -> EnrollmentRow:
    """Reads the flat fields of a row; empty ones count as left out. Raises RowInvalid with every problem."""
    unknown = (name for name in fields if name not in FIELDS)
    problems: list[Problem] = [
        Problem(f"/{name}"[:70], "is not a field of a row; leave it out") for name in islice(unknown, 5)
    ]
    given = {name: value for name, value in fields.items() if value not in (None, "")}
    testee_id = _read_id(given.get("testee_id"), problems)
    external_id = read_text("/external_id", given.get("external_id"), 200, problems)
    if ("testee_id" in given) == ("external_id" in given):
        problems.append(Problem("/testee_id", "exactly one of testee_id and external_id names the testee"))
    start = date.min
    try:
        start = read_start_date(given.get("start_date"))
    except InvalidStartDate as error:
        problems += error.problems
    new_round = given.get("new_round", False)
    if not isinstance(new_round, bool) and new_round not in ("true", "false"):
        problems.append(Problem("/new_round", "must be true or false"))
    contacts = read_contacts({channel: given.get(channel) for channel in _CONTACTS}, problems)
    row = EnrollmentRow(
        testee_id,
        external_id,
        start,
        new_round in (True, "true"),
        read_text("/name", given.get("name"), 200, problems),
        contacts,
        read_timezone(given.get("timezone"), problems),
        read_locale(given.get("locale"), problems),
    )
    if problems:
        raise RowInvalid(problems)
    return row


def read_csv(data: bytes, *, at_most: int | None = None) -> list[dict[str, str | None]]:
    """The rows, or the first ``at_most`` of them, of a UTF-8 CSV with a header line; a byte order mark in front is ignored.

    Raises:
        CsvInvalid: it is no UTF-8 text, has no header, names a column that no row has, or names one twice.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise CsvInvalid("is not UTF-8 text; save it as CSV UTF-8") from None
    if "\0" in text:
        raise CsvInvalid("has a NUL character; save it as plain text")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        _check_header(header)
        rows = (_cells(header, cells) for cells in reader if any(cells))
        # Short lines would take a hundred times their size in memory.
        return list(islice(rows, at_most))
    except csv.Error as error:
        raise CsvInvalid(f"breaks off in line {reader.line_num}: {error}") from None


def _check_header(header: list[str]) -> None:
    if "start_date" not in header or not {"testee_id", "external_id"} & set(header):
        raise CsvInvalid("needs a header line with start_date and testee_id or external_id")
    for name in header:
        if name not in FIELDS:
            raise CsvInvalid(f"has a column {name[:40]!r}; the columns are {', '.join(FIELDS)}")
    if len(set(header)) != len(header):
        raise CsvInvalid("names a column twice")


def _cells(header: list[str], cells: list[str]) -> dict[str, str | None]:
    row: dict[str, str | None] = dict.fromkeys(header)
    row.update(zip(header, (cell.strip() for cell in cells), strict=False))
    # The first cell beyond the header spoils its own row, which is refused for a field that is none.
    beyond = enumerate(cells[len(header) :], start=len(header) + 1)
    surplus = next((number for number, cell in beyond if cell.strip()), None)
    return row if surplus is None else row | {f"column_{surplus}": "surplus"}


def _read_id(raw: object, problems: list[Problem]) -> UUID | None:
    if raw is None or isinstance(raw, UUID):
        return raw
    if isinstance(raw, str) and len(raw) == 36:
        with suppress(ValueError):
            return UUID(raw)
    problems.append(Problem("/testee_id", "must be the id of a testee"))
    return None
