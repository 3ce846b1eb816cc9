"""``/scheduler/executions``: what ran, what it wrote, and what may be done about it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Request, Response, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIResponse, OpenAPIType, Operation, Schema
from litestar.params import FromPath, FromQuery
from litestar.response import Stream
from msgspec import Meta

from qs.application.identity.authenticating import Authentication
from qs.application.scheduler.job_reading import JobReading
from qs.application.scheduler.operating import JobOperating
from qs.application.scheduler.reading import DutyReading
from qs.domain.identity.principal import Principal
from qs.domain.kernel.errors import Invalid, Problem
from qs.domain.scheduler.errors import ExecutionAbsent
from qs.domain.scheduler.job_execution import JobExecution
from qs.interface.rest.dependencies import Given, given
from qs.interface.rest.envelope import Success, success
from qs.interface.rest.paging import CursorToken, PageSize, Slice
from qs.interface.rest.plan.examples import a_body_like
from qs.interface.rest.scheduler.duties import DutyReadOnly
from qs.interface.rest.scheduler.execution_dto import (
    ExecutionItem,
    ExecutionView,
    ReportBody,
    ReportedView,
    Status,
    duty_view,
    run_item,
    run_view,
    seen_by,
)
from qs.interface.rest.scheduler.following import FOLLOWERS, Following
from qs.interface.rest.scheduler.histories import Histories, Wanted
from qs.interface.rest.scheduler.output import LogView, end_of, gather, log_view
from qs.interface.rest.scheduler.permissions import READ, READING, RUN, RUNNING, require_starts

# Whoever may start a duty or a job may ask what became of it.
STARTERS = ("tasks:schedule", "statistics:sync", RUN)
SHOWING = {"scope": (READ, *STARTERS), "platform": True}

_OFFSET = re.compile(r"[0-9]{1,16}")
_MOST_OUTPUT = 1024 * 1024

JobName = Annotated[
    str, Meta(min_length=1, max_length=200, description="Only executions of this job or duty.")
]
JobId = Annotated[UUID, Meta(description="Only executions of this job or duty, whether it still is or not.")]
Offset = Annotated[int, Meta(ge=0, le=2**53, description="Where to begin, in bytes.")]
Limit = Annotated[int, Meta(ge=1, le=_MOST_OUTPUT, description="How many bytes at most.")]
Follow = Annotated[bool, Meta(description="Answer text/event-stream until the execution is over.")]
ReportRequest = Annotated[ReportBody, a_body_like(succeeded=False, error="the disk is full")]


@dataclass
class LogOperation(Operation):
    """Says which other media types the answer may have; litestar documents one of each status."""

    def __post_init__(self) -> None:
        answer = (self.responses or {}).get("200")
        if isinstance(answer, OpenAPIResponse) and answer.content is not None:
            text = Schema(type=OpenAPIType.STRING)
            answer.content["text/plain"] = OpenAPIMediaType(schema=text)
            # Of one event: its fields as the stream has them, ``data`` being JSON.
            event = Schema(
                type=OpenAPIType.OBJECT,
                properties={"id": text, "event": text, "data": text},
                required=["data"],
            )
            answer.content["text/event-stream"] = OpenAPIMediaType(schema=event)


class ExecutionController(Controller):
    path = "/scheduler/executions"
    tags = ("scheduler",)
    dependencies = {  # noqa: RUF012 - litestar's way to declare
        "duties": given("duty_reading"),
        "reading": given("job_reading"),
        "operating": given("job_operating"),
        "authentication": given("authentication"),
    }

    @get("/", opt=READING, summary="List executions, newest first")
    async def index(
        self,
        request: Request[Principal, Any, Any],
        duties: Given[DutyReading],
        reading: Given[JobReading],
        name: FromQuery[JobName | None] = None,
        job_id: FromQuery[JobId | None] = None,
        status: FromQuery[Status | None] = None,
        cursor: FromQuery[CursorToken | None] = None,
        page_size: FromQuery[PageSize] = 20,
    ) -> Response[Success[Slice[ExecutionItem]]]:
        """Those of duties and jobs of the caller's tenant; a platform account reads those that served all tenants."""
        wanted = Wanted(job_id, name, status)
        histories = Histories(duties, reading, request.user)
        return success(await histories.slice(request.user.home_tenant, wanted, cursor, page_size))

    @get("/{execution_id:uuid}", opt=SHOWING, summary="Show an execution")
    async def show(
        self,
        execution_id: FromPath[UUID],
        request: Request[Principal, Any, Any],
        duties: Given[DutyReading],
        reading: Given[JobReading],
    ) -> Response[Success[ExecutionView]]:
        """One execution with its result. Who started it may read it; others need `scheduler:read`."""
        caller = request.user
        try:
            return success(seen_by(caller, run_view(*await _own_run(reading, caller, execution_id))))
        except ExecutionAbsent:
            started_by = None if caller.may(READ) else caller.actor
            found = await duties.execution(caller.home_tenant, execution_id, started_by=started_by)
            ids = {duty.name: duty.id for duty in duties.duties}
            return success(seen_by(caller, duty_view(found, ids.get(found.name))))

    @get(
        "/{execution_id:uuid}/log",
        opt=SHOWING,
        summary="Read or follow what an execution writes",
        operation_class=LogOperation,
        responses={
            200: ResponseSpec(
                Success[LogView],
                description="JSON; as text/plain if Accept asks for it, as text/event-stream with follow.",
            )
        },
    )
    async def log(
        self,
        execution_id: FromPath[UUID],
        request: Request[Principal, Any, Any],
        reading: Given[JobReading],
        authentication: Given[Authentication],
        offset: FromQuery[Offset] = 0,
        limit: FromQuery[Limit] = 65_536,
        follow: FromQuery[Follow] = False,
    ) -> Response[Any]:
        """From `offset` on. A follower that was cut off goes on with `Last-Event-ID`, or with that as `offset`."""
        await _own_run(reading, request.user, execution_id)
        tenant = request.user.home_tenant
        if follow:
            FOLLOWERS.refuse_more()
            following = Following(
                reading=reading,
                authentication=authentication,
                tenant_id=tenant,
                execution_id=execution_id,
                token=request.headers["authorization"].partition(" ")[2].strip(),
                goes_on=lambda: bool(request.app.state.ready),
                translate=request.app.state.container.translate_failure(),
            )
            return _stream(following.events(_last_seen(request, offset)))
        gathered = await gather(reading, tenant, execution_id, offset, limit)
        if _prefers_text(request.headers.get("accept", "")):
            end = end_of(gathered.pieces[-1]) if gathered.pieces else offset
            return Response(
                b"".join(piece.data for piece in gathered.pieces),
                media_type="text/plain; charset=utf-8",
                headers={
                    "X-Next-Offset": str(end),
                    "X-Over": str(gathered.is_over).lower(),
                    "Vary": "Accept",
                },
            )
        return success(log_view(gathered, offset), headers={"Vary": "Accept"})

    @post("/{execution_id:uuid}/cancel", opt=RUNNING, status_code=200, summary="Cancel an execution")
    async def cancel(
        self,
        execution_id: FromPath[UUID],
        request: Request[Principal, Any, Any],
        duties: Given[DutyReading],
        operating: Given[JobOperating],
    ) -> Response[Success[ExecutionItem]]:
        """What had not begun is canceled at once; of what runs, the worker is asked to stop it."""
        caller = request.user
        try:
            execution = await operating.cancel(caller.home_tenant, execution_id, actor=caller.actor)
        except ExecutionAbsent:
            await _refuse_duty(duties, caller, execution_id)
            raise
        return success(seen_by(caller, run_item(execution)))

    @post(
        "/{execution_id:uuid}/retry",
        opt={**RUNNING, "idempotent": True},
        status_code=200,
        summary="Run an execution again",
    )
    async def retry(
        self,
        execution_id: FromPath[UUID],
        request: Request[Principal, Any, Any],
        duties: Given[DutyReading],
        operating: Given[JobOperating],
    ) -> Response[Success[ExecutionItem]]:
        """A new execution with the same payload, once the old one is over."""
        caller = request.user
        try:
            require_starts(caller, await operating.starts_of_retry(caller.home_tenant, execution_id))
            execution = await operating.retry(caller.home_tenant, execution_id, actor=caller.actor)
        except ExecutionAbsent:
            await _refuse_duty(duties, caller, execution_id)
            raise
        location = {"Location": f"/api/v1/scheduler/executions/{execution.id}"}
        return success(seen_by(caller, run_item(execution)), headers=location)

    @post(
        "/{execution_id:uuid}/report",
        opt=RUNNING,
        status_code=200,
        summary="Report the outcome of an asynchronous execution",
    )
    async def report(
        self,
        execution_id: FromPath[UUID],
        data: ReportRequest,
        request: Request[Principal, Any, Any],
        operating: Given[JobOperating],
    ) -> Response[Success[ReportedView]]:
        """For jobs whose target is `async: true`; once an execution is over it takes no other outcome."""
        status = await operating.report(
            request.user.home_tenant,
            execution_id,
            actor=request.user.actor,
            succeeded=data.succeeded,
            error=data.error,
            result=data.checked_result(),
        )
        return success(ReportedView(execution_id, Status(status.value)))


async def _own_run(
    reading: JobReading, caller: Principal, execution_id: UUID
) -> tuple[JobExecution, Sequence[Mapping[str, Any]]]:
    """The execution of a job, for a caller who may read all or has started it. Raises ExecutionAbsent."""
    execution, attempts = await reading.execution(caller.home_tenant, execution_id)
    if not caller.may(READ) and execution.actor != caller.actor:
        raise ExecutionAbsent
    return execution, attempts


async def _refuse_duty(duties: DutyReading, caller: Principal, execution_id: UUID) -> None:
    """Raises DutyReadOnly for an execution of a duty, and ExecutionAbsent for none at all."""
    raise DutyReadOnly((await duties.execution(caller.home_tenant, execution_id)).name)


def _last_seen(request: Request[Any, Any, Any], offset: int) -> int:
    header = request.headers.get("last-event-id")
    if header is None or header == "":
        return offset
    if not _OFFSET.fullmatch(header):
        raise Invalid([Problem("/Last-Event-ID", "must be the id of the last event, as it was given")])
    return int(header)


def _prefers_text(accept: str) -> bool:
    names = [entry.partition(";")[0].strip().lower() for entry in accept[:500].split(",")]
    return "text/plain" in names and "application/json" not in names


def _stream(events: Any) -> Stream:
    # A proxy that collects what it passes on would hold every line back.
    return Stream(events, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})
