"""Lists for spreadsheets: whether CSV is asked for, and how it is written (RFC 4180)."""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from litestar import Response
from msgspec import to_builtins

CSV = "text/csv"

_QUALITY = re.compile(r"(?:0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)")
# A spreadsheet takes text that begins so for a formula and would run it.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def prefers_csv(accept: str) -> bool:
    """Whether the header names CSV and weighs it no less than JSON (RFC 9110 §12.5.1)."""
    weights = {"text/csv": 0.0, "application/json": 0.0}
    for entry in accept[:500].split(","):
        media, *parameters = (part.strip().lower() for part in entry.split(";"))
        if media in weights:
            weights[media] = _weight(parameters)
    return weights[CSV] > 0 and weights[CSV] >= weights["application/json"]


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            return float(value) if _QUALITY.fullmatch(value) else 0.0
    return 1.0


def csv_response(
    name: str, columns: Sequence[str], lines: Iterable[Sequence[Any]], following: str | None = None
) -> Response[bytes]:
    """A file of that name; ``following`` is the address of the next page, if there is one."""
    headers = {"Vary": "Accept", "Content-Disposition": f'attachment; filename="{name}.csv"'}
    if following is not None:
        headers["Link"] = f'<{following}>; rel="next"'
    return Response(as_csv(columns, lines), media_type=CSV, headers=headers)


def as_csv(columns: Sequence[str], lines: Iterable[Sequence[Any]]) -> bytes:
    """A header line and the lines; empty cells are null."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows([_cell(value) for value in line] for line in lines)
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, date):
        return to_builtins(value)
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
