"""Sweep and expiry for whoever drives them: crontab lines, systemd timers, CronJobs, people.

They take an empty body and do their work at every call; a second path, ``/plan/tasks/…``, reads its query as older
schedulers write it.
"""

from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Request, Response, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromQuery, QueryParameter
from msgspec import Meta, Struct

from qs.application.kernel.limiting import DUTIES
from qs.application.plan.before import BeforeReading
from qs.application.scheduler.executing import DutyExecutions
from qs.domain.identity.principal import Principal
from qs.interface.rest.bodies import build
from qs.interface.rest.dependencies import Given, given
from qs.interface.rest.envelope import Success
from qs.interface.rest.executions import AcceptedView, Async, answer_execution

OPT = {"scope": "tasks:schedule", "platform": True, "limit": DUTIES}
LOOSE = {**OPT, "loose_query": True}

Before = Annotated[
    str,
    Meta(
        max_length=64,
        description="Only what was due then: RFC 3339, or `YYYY-MM-DD[ HH:MM:SS]` in the caller's zone. Empty: now.",
        examples=["2026-07-01T19:00:00+08:00"],
    ),
]
Limit = Annotated[int, Meta(ge=1, le=2_147_483_647, description="The most tasks to move.")]
LooseAsync = Annotated[str, QueryParameter(name="async", description="As async there.")]


class DutyQuery(Struct, rename={"in_background": "async"}):
    """What a call may say; empty values say nothing."""

    before: Before | None = None
    limit: Limit | None = None
    in_background: bool = False


class MovedTask(Struct):
    id: UUID
    plan_id: UUID
    seq: int
    status: str


class FailedTask(Struct):
    task_id: UUID
    error: str
    detail: str


class SweepView(Struct):
    """What one sweep did. `status`: done, limited (more is due), partial (some tasks failed)."""

    execution_id: UUID
    status: str
    before: str
    opened: int
    expired: int
    missed: int
    failed: int
    remaining: int
    duration_ms: int
    tasks: Annotated[list[MovedTask], Meta(max_length=20, description="The first of those that moved.")]
    total_count: int
    page: int
    page_size: int
    errors: list[FailedTask]


ANSWERS = {
    200: ResponseSpec(Success[SweepView], description="Done, or stopped early with what remains."),
    202: ResponseSpec(Success[AcceptedView], description="Accepted; see Location."),
}


class DutyController(Controller):
    path = "/plans/tasks"
    tags = ("duties",)
    dependencies = {  # noqa: RUF012 - litestar's way to declare
        "executions": given("duty_executions"),
        "before_reading": given("before_reading"),
    }

    @post(
        "/schedule", opt=OPT, status_code=200, summary="Sweep: expire, open, mark missed", responses=ANSWERS
    )
    async def schedule(
        self,
        request: Request[Principal, Any, Any],
        executions: Given[DutyExecutions],
        before_reading: Given[BeforeReading],
        before: FromQuery[Before | None] = None,
        limit: FromQuery[Limit | None] = None,
        in_background: Async = False,
    ) -> Response[Any]:
        """One pass over the due tasks of the caller's tenant, of every tenant for a platform account.

        Safe at any time, concurrently and repeatedly. Tasks that fail are listed and stop nothing.
        """
        query = DutyQuery(before, limit, in_background)
        return await _carry_out("sweep", query, request.user, executions, before_reading)

    @post("/expire", opt=OPT, status_code=200, summary="Expire what ran out", responses=ANSWERS)
    async def expire(
        self,
        request: Request[Principal, Any, Any],
        executions: Given[DutyExecutions],
        before_reading: Given[BeforeReading],
        before: FromQuery[Before | None] = None,
        limit: FromQuery[Limit | None] = None,
        in_background: Async = False,
    ) -> Response[Any]:
        """The first part of a sweep alone."""
        query = DutyQuery(before, limit, in_background)
        return await _carry_out("expiry", query, request.user, executions, before_reading)


class DutyAliasController(Controller):
    path = "/plan/tasks"
    tags = ("duties",)
    dependencies = DutyController.dependencies

    @post("/schedule", opt=LOOSE, status_code=200, summary="As /plans/tasks/schedule", responses=ANSWERS)
    async def schedule(
        self,
        request: Request[Principal, Any, Any],
        executions: Given[DutyExecutions],
        before_reading: Given[BeforeReading],
        before: FromQuery[str] = "",
        limit: FromQuery[str] = "",
        in_background: LooseAsync = "",
    ) -> Response[Any]:
        """Empty values and parameters it does not know are ignored."""
        query = _read_query(before, limit, in_background)
        return await _carry_out("sweep", query, request.user, executions, before_reading)

    @post("/expire", opt=LOOSE, status_code=200, summary="As /plans/tasks/expire", responses=ANSWERS)
    async def expire(
        self,
        request: Request[Principal, Any, Any],
        executions: Given[DutyExecutions],
        before_reading: Given[BeforeReading],
        before: FromQuery[str] = "",
        limit: FromQuery[str] = "",
        in_background: LooseAsync = "",
    ) -> Response[Any]:
        """Empty values and parameters it does not know are ignored."""
        query = _read_query(before, limit, in_background)
        return await _carry_out("expiry", query, request.user, executions, before_reading)


def _read_query(before: str, limit: str, in_background: str) -> DutyQuery:
    given = {"before": before, "limit": limit, "async": in_background}
    query: DutyQuery = build({name: text for name, text in given.items() if text}, DutyQuery, strict=False)
    return query


async def _carry_out(
    duty: str,
    query: DutyQuery,
    caller: Principal,
    executions: DutyExecutions,
    before_reading: BeforeReading,
) -> Response[Any]:
    parameters = await parameters_of(query, caller, before_reading)
    return await answer_execution(executions, duty, caller, parameters, in_background=query.in_background)


async def parameters_of(query: DutyQuery, caller: Principal, before_reading: BeforeReading) -> dict[str, Any]:
    """What the execution of a duty is given.

    Raises:
        BeforeInvalid, BeforeInFuture: before an execution exists that could only fail.
    """
    parameters: dict[str, Any] = {}
    if query.before:
        instant = await before_reading.read(caller.tenant_id, query.before)
        parameters["before"] = instant.isoformat()
    if query.limit is not None:
        parameters["limit"] = query.limit
    return parameters
