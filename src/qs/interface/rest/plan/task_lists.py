"""Lists of tasks by planned_at and id, as JSON or, for spreadsheets, as CSV."""

import csv
import io
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from litestar import Request, Response
from litestar.openapi.datastructures import ResponseSpec
from msgspec import Meta, to_builtins

from qs.application.plan.finding import TesteeRef
from qs.application.plan.ports import Slice as SliceOf
from qs.application.plan.ports import TaskFilter
from qs.application.plan.reading import PlanReading
from qs.domain.plan.task import AssessmentTask, TaskStatus
from qs.interface.rest.bodies import Instant
from qs.interface.rest.envelope import Success, success
from qs.interface.rest.paging import Slice, read_cursor, write_cursor
from qs.interface.rest.plan.task_dto import TaskView, task_views

CSV = "text/csv"
TASK_LIST = {
    200: ResponseSpec(Success[Slice[TaskView]], description="Tasks; as text/csv if Accept asks for it.")
}

StatusFilter = Annotated[TaskStatus, Meta(description="Only tasks in this state.")]
PlannedFrom = Annotated[Instant, Meta(description="Only tasks planned at this instant or later.")]
PlannedTo = Annotated[Instant, Meta(description="Only tasks planned before this instant.")]
ExpiresBefore = Annotated[Instant, Meta(description="Only tasks whose link runs out before this instant.")]

_LISTING = "tasks"
_QUALITY = re.compile(r"(?:0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)")
# A spreadsheet takes text that begins so for a formula and would run it.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


async def answer_tasks(
    request: Request[Any, Any, Any],
    reading: PlanReading,
    where: TaskFilter,
    cursor: str | None,
    page_size: int,
    *,
    testee: TesteeRef | None = None,
) -> Response[Any]:
    """One slice of the tasks that fit, in the media type the caller prefers."""
    position: tuple[datetime, UUID] | None = read_cursor(_LISTING, cursor, datetime, UUID)
    tenant_id = request.user.home_tenant
    found = await reading.tasks(tenant_id, where, SliceOf(position, page_size + 1), testee=testee)
    shown = found[:page_size]
    following = None
    if len(found) > page_size:
        following = write_cursor(_LISTING, shown[-1].planned_at, shown[-1].id)
    if prefers_csv(request.headers.get("accept", "")):
        return _csv_response(request, shown, following)
    response = success(Slice(task_views(shown), following))
    response.headers["Vary"] = "Accept"
    return response


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


def _csv_response(
    request: Request[Any, Any, Any], tasks: Sequence[AssessmentTask], following: str | None
) -> Response[bytes]:
    headers = {"Vary": "Accept", "Content-Disposition": 'attachment; filename="tasks.csv"'}
    if following is not None:
        query = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
        target = urlencode([*query, ("cursor", following)])
        headers["Link"] = f'<{request.scope["path"]}?{target}>; rel="next"'
    return Response(tasks_as_csv(tasks), media_type=CSV, headers=headers)


def tasks_as_csv(tasks: Sequence[AssessmentTask]) -> bytes:
    """A header line and one line for each task; empty cells are null."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(TaskView.__struct_fields__)
    for view in task_views(tasks):
        cells = to_builtins(view)
        writer.writerow([_cell(cells[name]) for name in TaskView.__struct_fields__])
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
