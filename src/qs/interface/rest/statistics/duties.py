"""Syncs and validation: an empty body, their work at every call, and a second caller told who is at it."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Request, Response, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromQuery
from msgspec import Meta, Struct

from qs.application.kernel.limiting import DUTIES
from qs.application.scheduler.executing import DutyExecutions
from qs.domain.identity.principal import Principal
from qs.interface.rest.dependencies import Given, given
from qs.interface.rest.envelope import Success
from qs.interface.rest.executions import AcceptedView, Async, answer_execution

OPT = {"scope": "statistics:sync", "platform": True, "limit": DUTIES}

Repair = Annotated[
    bool,
    Meta(description="Put the side that is wrong right: counters are rebuilt, stored figures rewritten."),
]


class SyncView(Struct):
    """What a sync did. `status`: done, or already_running with the execution that is at it."""

    execution_id: UUID
    kind: str
    status: str
    upserted: int
    unchanged: int
    as_of: datetime | None


class DifferenceView(Struct):
    """One figure that is not what the tasks say, and why that probably is. A side that was not asked is null."""

    dimension: str
    key: str
    date: str | None
    metric: str
    redis: int | None
    stored: int | None
    expected: int
    cause: str


class ValidationView(Struct):
    """`status`: consistent, different, repaired, or already_running with the execution that is at it."""

    execution_id: UUID
    status: str
    checked: int
    differences_total: int
    differences: Annotated[list[DifferenceView], Meta(max_length=1000, description="The first thousand.")]


_ACCEPTED = ResponseSpec(Success[AcceptedView], description="Accepted; see Location.")
SYNCED = {200: ResponseSpec(Success[SyncView], description="Done, or being done by another."), 202: _ACCEPTED}
VALIDATED = {200: ResponseSpec(Success[ValidationView], description="What was found."), 202: _ACCEPTED}


class StatisticsDutyController(Controller):
    path = "/statistics"
    tags = ("statistics",)
    dependencies = {"executions": given("duty_executions")}  # noqa: RUF012 - litestar's way to declare

    @post("/sync/daily", opt=OPT, status_code=200, summary="Sync the daily figures", responses=SYNCED)
    async def daily(
        self,
        request: Request[Principal, Any, Any],
        executions: Given[DutyExecutions],
        in_background: Async = False,
    ) -> Response[Any]:
        """Writes what was counted since the last sync; absolute values, so that twice changes nothing.

        Of the caller's tenant, of every tenant for a platform account; the same holds for the others.
        """
        return await answer_execution(executions, "sync-daily", request.user, {}, in_background=in_background)

    @post("/sync/accumulated", opt=OPT, status_code=200, summary="Add the daily figures up", responses=SYNCED)
    async def accumulated(
        self,
        request: Request[Principal, Any, Any],
        executions: Given[DutyExecutions],
        in_background: Async = False,
    ) -> Response[Any]:
        """Totals, and windows of 7, 15 and 30 dates; never from daily figures that are half written."""
        return await answer_execution(
            executions, "sync-accumulated", request.user, {}, in_background=in_background
        )

    @post("/sync/plan", opt=OPT, status_code=200, summary="Count the tasks of every plan", responses=SYNCED)
    async def plan(
        self,
        request: Request[Principal, Any, Any],
        executions: Given[DutyExecutions],
        in_background: Async = False,
    ) -> Response[Any]:
        """Tasks by state and per occasion, as they are now."""
        return await answer_execution(executions, "sync-plan", request.user, {}, in_background=in_background)

    @post(
        "/validate",
        opt=OPT,
        status_code=200,
        summary="Hold all figures against the tasks",
        responses=VALIDATED,
    )
    async def validate(
        self,
        request: Request[Principal, Any, Any],
        executions: Given[DutyExecutions],
        repair: FromQuery[Repair] = False,
        in_background: Async = False,
    ) -> Response[Any]:
        """Compares the live counters, the stored figures and a recount; lists every difference with its cause."""
        return await answer_execution(
            executions, "validate", request.user, {"repair": repair}, in_background=in_background
        )
