"""``/scheduler``: the duties as jobs, and the executions of whoever asks."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Request, Response, get
from litestar.params import FromPath, FromQuery
from msgspec import Meta

from qs.application.scheduler.ports import ExecutionFilter
from qs.application.scheduler.reading import DutyReading
from qs.domain.identity.principal import Principal
from qs.domain.scheduler.execution import ExecutionStatus
from qs.interface.rest.dependencies import Given, given
from qs.interface.rest.envelope import Success, success
from qs.interface.rest.paging import CursorToken, PageSize, Slice, read_cursor, write_cursor
from qs.interface.rest.scheduler.dto import (
    ExecutionItem,
    ExecutionView,
    JobView,
    execution_item,
    execution_view,
)

READ = "scheduler:read"
# Whoever may start a duty may ask what became of it.
STARTERS = ("tasks:schedule", "statistics:sync")

JobName = Annotated[str, Meta(min_length=1, max_length=200, description="Only executions of this job.")]


class SchedulerController(Controller):
    path = "/scheduler"
    tags = ("scheduler",)
    dependencies = {"reading": given("duty_reading")}  # noqa: RUF012 - litestar's way to declare

    @get("/jobs", opt={"scope": READ, "platform": True}, summary="List the jobs")
    async def jobs(
        self, request: Request[Principal, Any, Any], reading: Given[DutyReading]
    ) -> Response[Success[list[JobView]]]:
        """The duties of qs: what they are called, when they run next, when they ran last."""
        return success([JobView.of(state) for state in await reading.jobs(request.user.home_tenant)])

    @get("/executions", opt={"scope": READ, "platform": True}, summary="List executions, newest first")
    async def executions(
        self,
        request: Request[Principal, Any, Any],
        reading: Given[DutyReading],
        name: FromQuery[JobName | None] = None,
        status: FromQuery[ExecutionStatus | None] = None,
        cursor: FromQuery[CursorToken | None] = None,
        page_size: FromQuery[PageSize] = 20,
    ) -> Response[Success[Slice[ExecutionItem]]]:
        """The executions of the caller's tenant; a platform account reads those that served all tenants."""
        position = read_cursor("executions", cursor, UUID)
        found = await reading.executions(
            request.user.home_tenant,
            ExecutionFilter(name, status),
            before=position[0] if position else None,
            size=page_size + 1,
        )
        items = [execution_item(execution) for execution in found[:page_size]]
        more = write_cursor("executions", items[-1].id) if len(found) > page_size else None
        return success(Slice(items, more))

    @get(
        "/executions/{execution_id:uuid}",
        opt={"scope": (READ, *STARTERS), "platform": True},
        summary="Show an execution",
    )
    async def execution(
        self,
        execution_id: FromPath[UUID],
        request: Request[Principal, Any, Any],
        reading: Given[DutyReading],
    ) -> Response[Success[ExecutionView]]:
        """One execution with its result. Who started it may read it; others need `scheduler:read`."""
        principal = request.user
        started_by = None if principal.may(READ) else principal.actor
        return success(
            execution_view(
                await reading.execution(principal.home_tenant, execution_id, started_by=started_by)
            )
        )
