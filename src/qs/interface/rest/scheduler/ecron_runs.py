"""Executions as ECron's clients see them: started, asked after, reported on."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, NamedTuple
from uuid import UUID

from litestar import Request, Response, Router, get, post, put
from litestar.params import FromPath, FromQuery
from msgspec import Meta

from qs.application.scheduler.ecron import JOB_TYPES, STATUS_WORDS, job_type_of, status_word, write_status
from qs.application.scheduler.job_ports import RunFilter
from qs.application.scheduler.job_reading import JobReading
from qs.application.scheduler.operating import JobOperating
from qs.domain.identity.principal import Principal
from qs.domain.kernel.errors import Invalid, Problem, QsError
from qs.domain.scheduler.errors import ExecutionAbsent, JobAbsent
from qs.domain.scheduler.job_execution import JobExecution
from qs.interface.rest.bodies import build
from qs.interface.rest.dependencies import Given, given
from qs.interface.rest.guards import AuthenticationMiddleware
from qs.interface.rest.plan.examples import SOME_ID, a_body_like
from qs.interface.rest.scheduler.ecron_dto import EcronDone, EcronFailed, EcronJob, EcronOutcome
from qs.interface.rest.scheduler.ecron_lookups import instant_or_none, split_ids, uuid_or_none
from qs.interface.rest.scheduler.execution_dto import MOST_RESULT_BYTES, refuse_longer
from qs.interface.rest.scheduler.permissions import READING, RUNNING, require_starts, shown_process

# Of a job's executions the newest; those before are read by the routes of our own, page by page.
_SHOWN = 100
_LOOKED_AT = 1000

ToExecute = Annotated[EcronJob, a_body_like(job_id=SOME_ID)]
# One outcome or a list of them; which of the two it is decides how it is read.
Outcomes = Annotated[Any, a_body_like(job_status="success", ext_info={"rows": 3})]
Result = Annotated[dict[str, Any], a_body_like(rows=3)]
_SomeOutcomes = Annotated[list[EcronOutcome], Meta(min_length=1, max_length=100)]
AJob = Annotated[str, Meta(max_length=64, description="Only of this job.")]
AType = Annotated[str, Meta(max_length=20, description="scheduled or timed; empty: any.")]
AStatus = Annotated[str, Meta(max_length=20, description=f"One of {', '.join(STATUS_WORDS)}; empty: any.")]
From = Annotated[str, Meta(max_length=64, description="RFC 3339: only what began then or later.")]
Until = Annotated[str, Meta(max_length=64, description="RFC 3339: only what began until then.")]


class _Query(NamedTuple):
    job_type: str
    job_status: str
    begin_at: datetime | None
    end_at: datetime | None

    def fits(self, execution: JobExecution, job_type: str) -> bool:
        began = execution.started_at or execution.created_at
        return (
            self.job_type in ("", job_type)
            and self.job_status in ("", status_word(execution.status))
            and (self.begin_at is None or (began is not None and began >= self.begin_at))
            and (self.end_at is None or (began is not None and began <= self.end_at))
        )


@post("/jobexecution", opt={**RUNNING, "idempotent": True}, status_code=200, summary="Run a job now")
async def execute_job(
    data: ToExecute,
    request: Request[Principal, Any, Any],
    operating: Given[JobOperating],
    reading: Given[JobReading],
) -> Response[dict[str, Any]]:
    """The job of that `job_id`, else of that `job_name`; nothing else of the body is looked at."""
    tenant = request.user.home_tenant
    job_id = await _job_meant(reading, tenant, data.given())
    require_starts(request.user, await operating.starts_of(tenant, job_id))
    execution = await operating.run(
        tenant,
        job_id,
        actor=request.user.actor,
        idempotency_key=request.headers.get("idempotency-key"),
    )
    return Response(await _shown(reading, request.user, execution.id))


@get("/jobstatus", opt=READING, summary="Search the newest executions")
async def list_statuses(
    request: Request[Principal, Any, Any],
    reading: Given[JobReading],
    job_id: FromQuery[AJob] = "",
    job_type: FromQuery[AType] = "",
    job_status: FromQuery[AStatus] = "",
    begin_at: FromQuery[From] = "",
    end_at: FromQuery[Until] = "",
) -> Response[list[dict[str, Any]]]:
    """Among the newest 1,000 of the job, or of all; something must be asked for."""
    begun, ended = instant_or_none("begin_at", begin_at), instant_or_none("end_at", end_at)
    _check(job_id, job_type, job_status, begun, ended)
    tenant = request.user.home_tenant
    wanted = None
    if job_id:
        wanted = uuid_or_none(job_id)
        if wanted is None:
            raise JobAbsent
        await reading.job(tenant, wanted)
    query = _Query("scheduled" if job_type == "cron" else job_type, job_status, begun, ended)
    executions = await reading.executions(tenant, RunFilter(wanted), before=None, size=_LOOKED_AT)
    types = await _types(reading, tenant, executions)
    found = [each for each in executions if query.fits(each, types[each.job_id])]
    process = shown_process(request.user)
    return Response([write_status(each, types[each.job_id], process=process) for each in found])


@get("/jobstatus/{ids:str}", opt=READING, summary="Show the newest executions of jobs")
async def show_statuses(
    ids: FromPath[str], request: Request[Principal, Any, Any], reading: Given[JobReading]
) -> Response[list[dict[str, Any]]]:
    """Each id is a job's, whose newest 100 executions are shown, or an execution's."""
    tenant = request.user.home_tenant
    process = shown_process(request.user)
    shown: list[dict[str, Any]] = []
    for text in split_ids(ids):
        found = uuid_or_none(text)
        if found is None:
            raise JobAbsent
        try:
            job_type = job_type_of((await reading.job(tenant, found)).job.definition)
        except JobAbsent:
            try:
                shown.append(await _shown(reading, request.user, found))
            except ExecutionAbsent:
                raise JobAbsent from None
        else:
            executions = await reading.executions(tenant, RunFilter(found), before=None, size=_SHOWN)
            shown += [write_status(each, job_type, process=process) for each in executions]
    return Response(shown)


@put("/jobstatus/{ids:str}", opt=RUNNING, summary="Report how executions ended")
async def report_statuses(
    ids: FromPath[str],
    data: Outcomes,
    request: Request[Principal, Any, Any],
    operating: Given[JobOperating],
) -> Response[EcronFailed]:
    """One outcome, for the executions of the path, or a list of them, each with its own `execute_id`.

    For jobs whose outcome is reported later. Of one that takes no report it says why; of several, which they are.
    """
    outcomes = build(data, _SomeOutcomes) if isinstance(data, list) else [build(data, EcronOutcome)]
    named = split_ids(ids)
    pairs = [
        (outcome.execute_id or execution_id, outcome)
        for outcome in outcomes
        for execution_id in (named if not outcome.execute_id else [""])
    ]
    failed: list[str] = []
    for execution_id, outcome in pairs:
        try:
            await _report(operating, request.user, execution_id, outcome)
        except QsError:
            if len(pairs) == 1:
                raise
            failed.append(execution_id)
    return Response(EcronFailed(failed))


def results_router(path: str) -> Router:
    """``POST {path}/{execution_id}``: where targets of ECron were told, by the header `Webhook`, to send their results."""

    @post("/{execution_id:uuid}", opt=RUNNING, status_code=200, summary="Report the result of an execution")
    async def report_result(
        execution_id: FromPath[UUID],
        data: Result,
        request: Request[Principal, Any, Any],
        operating: Given[JobOperating],
    ) -> Response[EcronDone]:
        """Whatever the object says, it is the result of a success; other outcomes are told by `PUT jobstatus/:id`."""
        refuse_longer("", data, MOST_RESULT_BYTES)
        await operating.report(
            request.user.home_tenant, execution_id, actor=request.user.actor, succeeded=True, result=data
        )
        return Response(EcronDone())

    return Router(
        path,
        route_handlers=[report_result],
        middleware=[AuthenticationMiddleware],
        dependencies={"operating": given("job_operating")},
        tags=["ecron"],
    )


async def _report(operating: JobOperating, caller: Principal, text: str, outcome: EcronOutcome) -> None:
    execution_id = uuid_or_none(text)
    if execution_id is None:
        raise ExecutionAbsent
    succeeded = outcome.job_status == "success"
    await operating.report(
        caller.home_tenant,
        execution_id,
        actor=caller.actor,
        succeeded=succeeded,
        error=None if succeeded else f"reported as {outcome.job_status}",
        result=outcome.checked_info(),
    )


async def _job_meant(reading: JobReading, tenant_id: UUID, body: dict[str, Any]) -> UUID:
    job_id, name = body.get("job_id"), body.get("job_name")
    if job_id:
        found = uuid_or_none(job_id) if isinstance(job_id, str) else None
        if found is None:
            raise JobAbsent
        return found
    if not isinstance(name, str) or not name or len(name) > 200:
        raise Invalid([Problem("/job_id", "is missing; it says which job is run")])
    return (await reading.named(tenant_id, name)).id


async def _shown(reading: JobReading, caller: Principal, execution_id: UUID) -> dict[str, Any]:
    execution, attempts = await reading.execution(caller.home_tenant, execution_id)
    types = await _types(reading, caller.home_tenant, [execution])
    return write_status(execution, types[execution.job_id], attempts, process=shown_process(caller))


async def _types(reading: JobReading, tenant_id: UUID, executions: Sequence[JobExecution]) -> dict[UUID, str]:
    """ECron's type of each job; what is no more counts as scheduled."""
    types: dict[UUID, str] = {}
    for job_id in dict.fromkeys(each.job_id for each in executions):
        try:
            types[job_id] = job_type_of((await reading.job(tenant_id, job_id)).job.definition)
        except JobAbsent:
            types[job_id] = "scheduled"
    return types


def _check(
    job_id: str, job_type: str, job_status: str, begin_at: datetime | None, end_at: datetime | None
) -> None:
    problems = []
    if not (job_id or job_type or job_status or begin_at or end_at):
        problems.append(Problem("/job_id", "is missing; give it, job_type, job_status, begin_at or end_at"))
    if job_type and job_type not in JOB_TYPES:
        problems.append(Problem("/job_type", f"must be one of {', '.join(JOB_TYPES)}"))
    if job_status and job_status not in STATUS_WORDS:
        problems.append(Problem("/job_status", f"must be one of {', '.join(STATUS_WORDS)}"))
    if begin_at and end_at and begin_at > end_at:
        problems.append(Problem("/end_at", "must not be earlier than begin_at"))
    if problems:
        raise Invalid(problems)
