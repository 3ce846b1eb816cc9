"""What bulk enrollment reads and answers."""

from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta, Struct, structs

from qs.application.plan.bulk_enrolling import BulkResult, RowResult
from qs.application.plan.row_reading import FIELDS
from qs.domain.kernel.errors import Invalid, Problem
from qs.interface.rest.bodies import Body
from qs.interface.rest.parsing import MOST_PROBLEMS
from qs.interface.rest.problems import ProblemDetails

Row = Annotated[
    dict[str, Any],
    Meta(
        description=f"Fields: {', '.join(FIELDS)}; start_date and exactly one of testee_id and external_id.",
        examples=[{"external_id": "P-0001", "start_date": "2026-07-01", "name": "Li Lei"}],
    ),
]


class BulkBody(Body):
    """1 to 10,000 rows; each is judged by itself."""

    rows: list[Row]


class RowView(Struct):
    """What became of one row, counted from 1: created, existing, failed, or not_written.

    ``error`` is a code and ``detail`` says it in words. A dry run shows no id of what it did not create.
    """

    row: int
    testee_id: UUID | None
    result: str
    enrollment_id: UUID | None
    error: str | None
    detail: str | None
    warning: str | None

    @classmethod
    def of(cls, row: RowResult) -> "RowView":
        return cls(row.row, row.testee_id, row.result, row.enrollment_id, row.error, row.detail, row.warning)


class BulkView(Struct):
    """How many rows there were, and what became of each."""

    total: int
    created: int
    existing: int
    failed: int
    rows: list[RowView]

    @classmethod
    def of(cls, result: BulkResult) -> "BulkView":
        return cls(
            total=result.total,
            created=result.count("created"),
            existing=result.count("existing"),
            failed=result.count("failed"),
            rows=[RowView.of(row) for row in result.rows],
        )


class RowsRefused(Invalid):
    """All or nothing was asked for, and at least one row failed."""

    code = "bulk.rows_failed"

    def __init__(self, view: BulkView) -> None:
        self.view = view
        failed = [row for row in view.rows if row.result == "failed"]
        super().__init__(
            (
                Problem(f"/rows/{row.row - 1}", row.detail or row.error or "")
                for row in failed[:MOST_PROBLEMS]
            ),
            f"{view.failed} of {view.total} rows failed, so nothing was written; correct them and send all again",
        )


class RowsProblem(ProblemDetails, omit_defaults=True, kw_only=True):
    """The problem of a bulk enrollment that wrote nothing, with what was found out about every row."""

    total: int
    created: int
    existing: int
    failed: int
    rows: list[RowView]

    @classmethod
    def of(cls, problem: ProblemDetails, view: BulkView) -> "RowsProblem":
        return cls(**structs.asdict(problem), **structs.asdict(view))
