"""Rows of a table that somebody exported: a SQL dump, CSV or JSON, told apart by what stands in it."""

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from qs.infra.scheduler.importing.imported import ImportRefused
from qs.infra.scheduler.importing.json_rows import read_json_rows
from qs.infra.scheduler.importing.sql_rows import read_dump

_SQL = re.compile(
    r"^\s*(?:INSERT|REPLACE|COPY|CREATE|SET|DROP|LOCK|BEGIN|START|USE|--|/\*)", re.IGNORECASE | re.MULTILINE
)
_LONGEST_CELL = 1024 * 1024


@dataclass(slots=True)
class Table:
    """``rows`` with the line of each, their columns in small letters; ``others`` and ``ignored`` as of a Dump."""

    rows: list[tuple[int, Mapping[str, Any]]] = field(default_factory=list)
    others: Mapping[str, int] = field(default_factory=dict)
    ignored: Mapping[str, int] = field(default_factory=dict)


def read_table(text: str, tables: tuple[str, ...], usual: tuple[str, ...]) -> Table:
    """The rows of one of ``tables``; ``usual`` are the columns where a dump names none.

    Raises:
        ImportRefused: it is none of the three, or breaks off; with the line.
    """
    stripped = text.lstrip()
    if not stripped:
        raise ImportRefused(1, "the file is empty; export the table with its rows")
    if stripped[0] in "[{":
        return Table(rows=[_json_row(line, row) for line, row in read_json_rows(text, usual)])
    first = stripped.splitlines()[0]
    if re.search(rf"\b(?:{'|'.join(map(re.escape, usual))})\b", first, re.IGNORECASE) and not _SQL.match(
        first
    ):
        return Table(rows=_csv_rows(text, first))
    if _SQL.search(text):
        dump = read_dump(text, tables, usual)
        return Table(rows=list(dump.rows), others=dump.others, ignored=dump.ignored)
    raise ImportRefused(
        1,
        f"is neither a SQL dump nor JSON nor CSV with the columns {', '.join(usual[:6])} in its first line; export it as one",
    )


def _json_row(line: int, row: Any) -> tuple[int, Mapping[str, Any]]:
    if not isinstance(row, dict):
        raise ImportRefused(line, "a row must be an object; export the rows with their column names")
    return line, {str(key).lower(): value for key, value in row.items()}


def _csv_rows(text: str, first: str) -> list[tuple[int, Mapping[str, Any]]]:
    delimiter = max(",;\t", key=first.count)
    csv.field_size_limit(_LONGEST_CELL)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[tuple[int, Mapping[str, Any]]] = []
    names: tuple[str, ...] = ()
    begin = 0
    try:
        for cells in reader:
            line, begin = begin + 1, reader.line_num
            if not any(cells):
                continue
            if not names:
                names = _names(line, cells)
            elif len(cells) != len(names):
                raise ImportRefused(
                    line,
                    f"has {len(cells)} cells for {len(names)} columns; quote a cell that holds {delimiter!r}, and double the "
                    "quotes in it",
                )
            else:
                # An empty cell is how CSV says NULL.
                rows.append((line, {name: cell or None for name, cell in zip(names, cells, strict=True)}))
    except csv.Error as error:
        raise ImportRefused(
            begin + 1, f"is not CSV ({error}); close every quote, and double those within"
        ) from error
    return rows


def _names(line: int, cells: list[str]) -> tuple[str, ...]:
    names = tuple(cell.strip().lower() for cell in cells)
    for name in names:
        if names.count(name) > 1:
            raise ImportRefused(line, f"the column {name[:64]!r} stands twice; keep one")
    return names
