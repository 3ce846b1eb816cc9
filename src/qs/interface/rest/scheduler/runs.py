"""What is asked of a job: run it now, fill in a range, tell what comes next and what was."""

from datetime import UTC
from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Request, Response, get, post
from litestar.params import FromPath, FromQuery
from msgspec import Meta, field

from qs.application.scheduler.job_reading import JobReading
from qs.application.scheduler.operating import JobOperating
from qs.application.scheduler.reading import DutyReading
from qs.domain.identity.principal import Principal
from qs.domain.kernel.errors import Invalid
from qs.domain.scheduler.errors import JobBroken
from qs.domain.scheduler.job import JobStatus
from qs.interface.rest.bodies import Body, Instant
from qs.interface.rest.dependencies import Given, given
from qs.interface.rest.envelope import Success, success
from qs.interface.rest.paging import CursorToken, PageSize, Slice
from qs.interface.rest.plan.examples import a_body_like
from qs.interface.rest.scheduler.answers import BY_LANGUAGE, language_of
from qs.interface.rest.scheduler.duties import duty_of, duty_slots, duty_state, refuse_duty
from qs.interface.rest.scheduler.execution_dto import ExecutionItem, RunBody, Status, run_item, seen_by
from qs.interface.rest.scheduler.histories import Histories, Wanted
from qs.interface.rest.scheduler.job_dto import (
    BackfillView,
    JobStatusView,
    UpcomingView,
    duty_status,
    job_status,
    occurrences,
)
from qs.interface.rest.scheduler.permissions import READING, RUNNING, require_starts
from qs.settings import Settings

RunRequest = Annotated[RunBody | None, a_body_like(payload={"name": "world"})]
Force = Annotated[bool, Meta(description="Beside one that is active, whatever the overlap policy.")]
HowMany = Annotated[int, Meta(ge=1, le=100, description="How many slots.")]


class BackfillBody(Body):
    """A range of the past: its slots from `from` up to but without `to`, at most 1,000."""

    from_: Instant = field(name="from")
    to: Instant
    dry_run: bool = False


BackfillRequest = Annotated[
    BackfillBody,
    a_body_like(**{"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z", "dry_run": True}),
]


class JobRunController(Controller):
    path = "/scheduler/jobs/{job_id:uuid}"
    tags = ("scheduler",)
    dependencies = {  # noqa: RUF012 - litestar's way to declare
        "duties": given("duty_reading"),
        "operating": given("job_operating"),
        "reading": given("job_reading"),
        "settings": given("settings"),
    }

    @post("/run", opt={**RUNNING, "idempotent": True}, status_code=200, summary="Run a job now")
    async def run(
        self,
        job_id: FromPath[UUID],
        request: Request[Principal, Any, Any],
        duties: Given[DutyReading],
        operating: Given[JobOperating],
        data: RunRequest = None,
        force: FromQuery[Force] = False,
    ) -> Response[Success[ExecutionItem]]:
        """The execution, which waits for a worker; it consumes no slot. 409 while the job must not run beside itself."""
        refuse_duty(duties, job_id)
        body = data or RunBody()
        require_starts(request.user, await operating.starts_of(request.user.home_tenant, job_id))
        execution = await operating.run(
            request.user.home_tenant,
            job_id,
            actor=request.user.actor,
            payload=body.checked_payload(),
            force=force or body.force,
            idempotency_key=request.headers.get("idempotency-key"),
        )
        location = {"Location": f"/api/v1/scheduler/executions/{execution.id}"}
        return success(seen_by(request.user, run_item(execution)), headers=location)

    @post(
        "/backfill", opt={**RUNNING, "idempotent": True}, status_code=200, summary="Run the slots of a range"
    )
    async def backfill(
        self,
        job_id: FromPath[UUID],
        data: BackfillRequest,
        request: Request[Principal, Any, Any],
        duties: Given[DutyReading],
        operating: Given[JobOperating],
    ) -> Response[Success[BackfillView]]:
        """One after the other, whatever the overlap policy; the job's clock is not moved. A dry run tells the slots."""
        refuse_duty(duties, job_id)
        require_starts(request.user, await operating.starts_of(request.user.home_tenant, job_id))
        done = await operating.backfill(
            request.user.home_tenant,
            job_id,
            actor=request.user.actor,
            start=data.from_.astimezone(UTC),
            end=data.to.astimezone(UTC),
            dry_run=data.dry_run,
        )
        return success(BackfillView([slot.astimezone(UTC) for slot in done.slots], list(done.execution_ids)))

    @get("/status", opt=READING, summary="Show how a job stands")
    async def status(
        self,
        job_id: FromPath[UUID],
        request: Request[Principal, Any, Any],
        duties: Given[DutyReading],
        reading: Given[JobReading],
        settings: Given[Settings],
    ) -> Response[Success[JobStatusView]]:
        tenant = request.user.home_tenant
        firing = await reading.firing(tenant)
        if (duty := duty_of(duties, job_id)) is not None:
            state = await duty_state(duties, tenant, duty)
            return success(_shown(request.user, duty_status(state, firing=firing)))
        found = await reading.job(tenant, job_id, language=language_of(request, settings))
        return success(_shown(request.user, job_status(found, firing=firing)), headers=BY_LANGUAGE)

    @get("/next", opt=READING, summary="Show the next slots of a job")
    async def upcoming(
        self,
        job_id: FromPath[UUID],
        request: Request[Principal, Any, Any],
        duties: Given[DutyReading],
        reading: Given[JobReading],
        count: FromQuery[HowMany] = 5,
    ) -> Response[Success[UpcomingView]]:
        """As if it were enabled. 409 for a job that cannot be carried out as it is written."""
        tenant = request.user.home_tenant
        if (duty := duty_of(duties, job_id)) is not None:
            slots = duty_slots(duty, await duty_state(duties, tenant, duty), count)
            return success(UpcomingView(occurrences(slots)))
        job = (await reading.job(tenant, job_id)).job
        if job.status is JobStatus.CONFIG_ERROR:
            raise JobBroken(job.name, job.error.detail if job.error else "")
        try:
            slots = await reading.upcoming(tenant, job_id, count)
        except Invalid as error:
            # Nothing is wrong with what was asked; the job was written for another installation.
            raise JobBroken(job.name, error.problems[0].detail if error.problems else str(error)) from error
        return success(UpcomingView(occurrences(slots)))

    @get("/executions", opt=READING, summary="List the executions of a job, newest first")
    async def executions(
        self,
        job_id: FromPath[UUID],
        request: Request[Principal, Any, Any],
        duties: Given[DutyReading],
        reading: Given[JobReading],
        status: FromQuery[Status | None] = None,
        cursor: FromQuery[CursorToken | None] = None,
        page_size: FromQuery[PageSize] = 20,
    ) -> Response[Success[Slice[ExecutionItem]]]:
        tenant = request.user.home_tenant
        if duty_of(duties, job_id) is None:
            await reading.job(tenant, job_id)
        histories = Histories(duties, reading, request.user)
        return success(await histories.slice(tenant, Wanted(job_id=job_id, status=status), cursor, page_size))


def _shown(caller: Principal, status: JobStatusView) -> JobStatusView:
    if status.last is not None:
        status.last = seen_by(caller, status.last)
    return status
