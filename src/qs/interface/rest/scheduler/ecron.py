"""``/api/ecron-management/v1``: ECron's own paths and bodies, for clients that have been calling it.

Successes are bare, without our envelope; failures are problems as everywhere. A bearer is required, and the scopes are
those of our own routes.
"""

from datetime import UTC
from typing import Annotated, Any

from litestar import Request, Response, Router, delete, get, post, put
from litestar.params import FromPath, FromQuery
from msgspec import Meta

from qs.application.scheduler.authoring import JobAuthoring
from qs.application.scheduler.ecron import in_ecron_words, read_ecron, write_ecron
from qs.application.scheduler.job_documents import write_job
from qs.application.scheduler.job_ports import JobFilter
from qs.application.scheduler.job_reading import JobReading
from qs.domain.identity.principal import Principal
from qs.domain.kernel.errors import Invalid
from qs.domain.scheduler.job import JobDefinition
from qs.interface.rest.dependencies import Given, given
from qs.interface.rest.guards import AuthenticationMiddleware
from qs.interface.rest.idempotency import IdempotencyMiddleware
from qs.interface.rest.plan.examples import a_body_like
from qs.interface.rest.scheduler.ecron_dto import (
    EcronCreated,
    EcronDone,
    EcronEnable,
    EcronFailed,
    EcronJob,
    EcronNotify,
    EcronTotal,
)
from qs.interface.rest.scheduler.ecron_lookups import (
    instant_or_none,
    jobs_named,
    jobs_of_type,
    split_ids,
)
from qs.interface.rest.scheduler.ecron_runs import (
    execute_job,
    list_statuses,
    report_statuses,
    show_statuses,
)
from qs.interface.rest.scheduler.permissions import READING, WRITING
from qs.interface.rest.scheduler.writing import require_scopes, written_by
from qs.settings import Settings

AnEcronJob = Annotated[
    EcronJob,
    a_body_like(
        job_name="nightly",
        job_cron_time="0 0 2 * * ?",
        job_type="scheduled",
        job_context={
            "mode": "https",
            "exec": "https://clinic.example.org/reports",
            "info": {"method": "POST", "headers": {}, "body": {"kind": "nightly"}},
            "notify": {"webhook": "https://clinic.example.org/results"},
        },
        enabled=True,
        remarks="",
    ),
]
EnableRequest = Annotated[EcronEnable, a_body_like(enable=True)]
NotifyRequest = Annotated[EcronNotify, a_body_like(webhook="https://clinic.example.org/results")]
Ids = Annotated[
    list[Annotated[str, Meta(max_length=4000)]],
    Meta(
        max_length=100,
        description="Only these; repeated, or with commas between. 404 where one is not there.",
    ),
]
JobType = Annotated[str, Meta(max_length=20, description="scheduled or timed; empty: any.")]
Limit = Annotated[int, Meta(ge=0, le=1000, description="How many on a page.")]
PageNumber = Annotated[int, Meta(ge=1, le=1_000_000, description="Page, counted from 1.")]
Timestamp = Annotated[
    str, Meta(max_length=64, description="Of jobtotal: leaves out jobs that came after it.")
]
From = Annotated[str, Meta(max_length=64, description="RFC 3339: only jobs created then or later.")]
Until = Annotated[str, Meta(max_length=64, description="RFC 3339: only jobs created until then.")]


@get("/jobtotal", opt=READING, summary="Count the jobs")
async def job_total(
    request: Request[Principal, Any, Any],
    reading: Given[JobReading],
    begin_at: FromQuery[From] = "",
    end_at: FromQuery[Until] = "",
) -> Response[EcronTotal]:
    tenant = request.user.home_tenant
    where = JobFilter(
        created_from=instant_or_none("begin_at", begin_at), created_until=instant_or_none("end_at", end_at)
    )
    _, total = await reading.jobs(tenant, where, offset=0, size=0)
    # Asked last, so that what was counted is on the pages as well.
    now = (await reading.now(tenant)).astimezone(UTC)
    return Response(EcronTotal(total, now.isoformat(timespec="microseconds").replace("+00:00", "Z")))


@get("/job", opt=READING, summary="List the jobs")
async def list_jobs(
    request: Request[Principal, Any, Any],
    reading: Given[JobReading],
    limit: FromQuery[Limit] = 100,
    page: FromQuery[PageNumber] = 1,
    timestamp: FromQuery[Timestamp] = "",
    job_id: FromQuery[Ids | None] = None,
    job_type: FromQuery[JobType] = "",
) -> Response[list[dict[str, Any]]]:
    """By name. With `job_id` nothing else is looked at."""
    tenant = request.user.home_tenant
    if job_id:
        jobs = await jobs_named(reading, tenant, [each for text in job_id for each in split_ids(text)])
    else:
        where = JobFilter(created_until=instant_or_none("timestamp", timestamp))
        jobs = await jobs_of_type(reading, tenant, where, job_type, offset=(page - 1) * limit, size=limit)
    return Response([write_ecron(job) for job in jobs])


@post("/job", opt={**WRITING, "idempotent": True}, summary="Create a job")
async def create_job(
    data: AnEcronJob,
    request: Request[Principal, Any, Any],
    authoring: Given[JobAuthoring],
    settings: Given[Settings],
) -> Response[EcronCreated]:
    """A command must be on the operator's list: `exec` names its entry."""
    try:
        definition = await _definition(data, request.user, authoring, settings)
        job = await authoring.create(request.user.home_tenant, definition, actor=request.user.actor)
    except Invalid as error:
        raise in_ecron_words(error) from error
    return Response(EcronCreated(str(job.id)), status_code=201)


@put("/job/{job_ids:str}", opt=WRITING, summary="Replace a job")
async def replace_job(
    job_ids: FromPath[str],
    data: AnEcronJob,
    request: Request[Principal, Any, Any],
    authoring: Given[JobAuthoring],
    reading: Given[JobReading],
    settings: Given[Settings],
) -> Response[EcronDone]:
    tenant = request.user.home_tenant
    for job in await jobs_named(reading, tenant, split_ids(job_ids)):
        try:
            definition = await _definition(data, request.user, authoring, settings)
            await authoring.change(tenant, job.id, definition, version=None, actor=request.user.actor)
        except Invalid as error:
            raise in_ecron_words(error) from error
    return Response(EcronDone())


@delete("/job/{job_ids:str}", opt=WRITING, status_code=200, summary="Delete jobs")
async def delete_jobs(
    job_ids: FromPath[str],
    request: Request[Principal, Any, Any],
    authoring: Given[JobAuthoring],
    reading: Given[JobReading],
) -> Response[EcronDone]:
    tenant = request.user.home_tenant
    for job in await jobs_named(reading, tenant, split_ids(job_ids)):
        await authoring.remove(tenant, job.id, version=None, actor=request.user.actor)
    return Response(EcronDone())


@put("/job/{job_ids:str}/enable", opt=WRITING, summary="Switch jobs on or off")
async def enable_jobs(
    job_ids: FromPath[str],
    data: EnableRequest,
    request: Request[Principal, Any, Any],
    authoring: Given[JobAuthoring],
    reading: Given[JobReading],
) -> Response[EcronDone]:
    tenant, enabled = request.user.home_tenant, data.wanted()
    jobs = await jobs_named(reading, tenant, split_ids(job_ids))
    if enabled:
        await require_scopes(request.user, [job.definition for job in jobs], authoring)
    for job in jobs:
        await authoring.enable(tenant, job.id, enabled, version=None, actor=request.user.actor)
    return Response(EcronDone())


@put("/job/{job_ids:str}/notify", opt=WRITING, summary="Say where the results of jobs go")
async def notify_jobs(
    job_ids: FromPath[str],
    data: NotifyRequest,
    request: Request[Principal, Any, Any],
    authoring: Given[JobAuthoring],
    reading: Given[JobReading],
    settings: Given[Settings],
) -> Response[EcronFailed]:
    tenant, notify = request.user.home_tenant, data.document()
    for job in await jobs_named(reading, tenant, split_ids(job_ids)):
        document = write_job(job.definition) | {"notify": notify}
        definition = await written_by(request.user, document, authoring, settings)
        await authoring.change(tenant, job.id, definition, version=job.version, actor=request.user.actor)
    return Response(EcronFailed([]))


async def _definition(
    data: EcronJob, caller: Principal, authoring: JobAuthoring, settings: Settings
) -> JobDefinition:
    return await written_by(caller, read_ecron(data.given()), authoring, settings)


ecron_router = Router(
    "/api/ecron-management/v1",
    route_handlers=[
        job_total,
        list_jobs,
        create_job,
        replace_job,
        delete_jobs,
        enable_jobs,
        notify_jobs,
        execute_job,
        list_statuses,
        show_statuses,
        report_statuses,
    ],
    middleware=[AuthenticationMiddleware, IdempotencyMiddleware],
    dependencies={
        "authoring": given("job_authoring"),
        "operating": given("job_operating"),
        "reading": given("job_reading"),
        "settings": given("settings"),
    },
    tags=["ecron"],
)
