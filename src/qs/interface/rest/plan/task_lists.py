"""Lists of tasks by planned_at and id, as JSON or, for spreadsheets, as CSV."""

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
from qs.interface.rest.csv_answers import as_csv, csv_response, prefers_csv
from qs.interface.rest.envelope import Success, success
from qs.interface.rest.paging import Slice, read_cursor, write_cursor
from qs.interface.rest.plan.task_dto import TaskView, task_views

TASK_LIST = {
    200: ResponseSpec(Success[Slice[TaskView]], description="Tasks; as text/csv if Accept asks for it.")
}

StatusFilter = Annotated[TaskStatus, Meta(description="Only tasks in this state.")]
PlannedFrom = Annotated[Instant, Meta(description="Only tasks planned at this instant or later.")]
PlannedTo = Annotated[Instant, Meta(description="Only tasks planned before this instant.")]
ExpiresBefore = Annotated[Instant, Meta(description="Only tasks whose link runs out before this instant.")]

_LISTING = "tasks"


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
        return csv_response(
            "tasks", TaskView.__struct_fields__, _lines(shown), _next_page(request, following)
        )
    response = success(Slice(task_views(shown), following))
    response.headers["Vary"] = "Accept"
    return response


def _next_page(request: Request[Any, Any, Any], following: str | None) -> str | None:
    if following is None:
        return None
    query = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    # As it was asked for: decoded it may hold what no header may, and slashes that part nothing.
    path = request.scope["raw_path"].decode("ascii")
    return f"{path}?{urlencode([*query, ('cursor', following)])}"


def _lines(tasks: Sequence[AssessmentTask]) -> list[list[Any]]:
    return [
        [cells[name] for name in TaskView.__struct_fields__] for cells in map(to_builtins, task_views(tasks))
    ]


def tasks_as_csv(tasks: Sequence[AssessmentTask]) -> bytes:
    """A header line and one line for each task; empty cells are null."""
    return as_csv(TaskView.__struct_fields__, _lines(tasks))
