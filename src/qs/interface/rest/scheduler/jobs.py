"""``/scheduler/jobs``: the duties and the tenant's jobs; reading, writing and switching one."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Request, Response, delete, get, patch, post, put
from litestar.params import FromPath, FromQuery
from msgspec import Meta

from qs.application.scheduler.authoring import JobAuthoring
from qs.application.scheduler.job_ports import JobFilter
from qs.application.scheduler.job_reading import JobReading
from qs.application.scheduler.reading import DutyReading
from qs.domain.identity.principal import Principal
from qs.domain.scheduler.job import JobSource, JobStatus
from qs.interface.rest.dependencies import Given, given
from qs.interface.rest.envelope import Success, success
from qs.interface.rest.etags import expected_version
from qs.interface.rest.id_lists import ids_in, ids_of
from qs.interface.rest.paging import read_cursor, write_cursor
from qs.interface.rest.plan.examples import a_body_like
from qs.interface.rest.scheduler.answers import BY_LANGUAGE, changeable, language_of, next_page
from qs.interface.rest.scheduler.duties import duty_of, duty_state, refuse_duty
from qs.interface.rest.scheduler.execution_dto import Status
from qs.interface.rest.scheduler.job_body import JobBody
from qs.interface.rest.scheduler.job_dto import (
    JobDetail,
    JobTotals,
    JobView,
    Kind,
    RecentRun,
    RecentView,
    Source,
    duty_detail,
    duty_view_of,
    job_detail,
    job_view,
)
from qs.interface.rest.scheduler.permissions import READING, WRITING
from qs.interface.rest.scheduler.writing import patched, told, written_by
from qs.settings import Settings

# Of a new job, of a whole one and of a change: the document has one schema of a job, and so one example.
JobDocument = Annotated[
    JobBody,
    a_body_like(
        name="hello",
        type="cron",
        schedule="*/15 * * * *",
        timezone="Asia/Shanghai",
        target={"builtin": "hello_job"},
        payload={"name": "world"},
        retry={"max_attempts": 3},
    ),
]
ListCursor = Annotated[
    str, Meta(min_length=1, max_length=2048, description="From the `Link` of the page before.")
]
ListLimit = Annotated[int, Meta(ge=1, le=1000, description="How many at most.")]
NameFilter = Annotated[str, Meta(min_length=1, max_length=200, description="Only the one of this name.")]
OwnerFilter = Annotated[str, Meta(min_length=1, max_length=200, description="Only what this owner applied.")]
KindFilter = Annotated[Kind, Meta(description="Only those that run this kind of target.")]
EnabledFilter = Annotated[bool, Meta(description="Only those that are, or are not, fired by time.")]
StatusFilter = Annotated[JobStatus, Meta(description="Only those in this state.")]
SourceFilter = Annotated[Source, Meta(description="Only those that are written down there.")]


JobIds = Annotated[str, ids_of("jobs", most=100)]
RecentCount = Annotated[int, Meta(ge=1, le=100, description="How many executions of each.")]


class JobController(Controller):
    path = "/scheduler/jobs"
    tags = ("scheduler",)
    dependencies = {  # noqa: RUF012 - litestar's way to declare
        "authoring": given("job_authoring"),
        "duties": given("duty_reading"),
        "reading": given("job_reading"),
        "settings": given("settings"),
    }

    @get("/", opt=READING, summary="List the jobs")
    async def index(
        self,
        request: Request[Principal, Any, Any],
        duties: Given[DutyReading],
        reading: Given[JobReading],
        settings: Given[Settings],
        name: FromQuery[NameFilter | None] = None,
        kind: FromQuery[KindFilter | None] = None,
        enabled: FromQuery[EnabledFilter | None] = None,
        status: FromQuery[StatusFilter | None] = None,
        source: FromQuery[SourceFilter | None] = None,
        owner: FromQuery[OwnerFilter | None] = None,
        cursor: FromQuery[ListCursor | None] = None,
        limit: FromQuery[ListLimit] = 1000,
    ) -> Response[Success[list[JobView]]]:
        """The duties of qs, then the tenant's jobs by name; what is left over is where `Link: …; rel="next"` leads."""
        position = read_cursor("jobs", cursor, str)
        tenant, language = request.user.home_tenant, language_of(request, settings)
        views: list[JobView] = []
        if position is None:
            views = [duty_view_of(state, language) for state in await duties.jobs(tenant)]
            views = [view for view in views if _fits(view, name, kind, enabled, status, source, owner)][
                :limit
            ]
        after = position[0] if position else None
        more = False
        if kind is not Kind.DUTY and source is not Source.DUTY:
            where = JobFilter(
                name=name,
                kind=None if kind is None else kind.value,
                enabled=enabled,
                status=status,
                source=None if source is None else JobSource(source.value),
                owner=owner,
                after=after,
            )
            room = limit - len(views)
            states = await reading.page(tenant, where, size=room + 1, language=language)
            views += [job_view(state) for state in states[:room]]
            more = len(states) > room
            after = states[room - 1].job.name if more and room else after
        # Where the duties filled the page, the jobs begin with the next one: every name comes after none.
        headers = next_page(request, write_cursor("jobs", after or "")) if more else {}
        return success(views, headers=headers | BY_LANGUAGE)

    @post("/", opt={**WRITING, "idempotent": True}, summary="Create a job")
    async def create(
        self,
        data: JobDocument,
        request: Request[Principal, Any, Any],
        authoring: Given[JobAuthoring],
        reading: Given[JobReading],
        settings: Given[Settings],
    ) -> Response[Success[JobDetail]]:
        """Its first slot is one that is still to come. Kinds of target other than builtin need a scope of their own."""
        definition = await written_by(request.user, data.given(), authoring, settings)
        job = await authoring.create(request.user.home_tenant, definition, actor=request.user.actor)
        location = {"Location": f"/api/v1/scheduler/jobs/{job.id}"}
        return await told(request, reading, settings, job, 201, location)

    @get("/recent", opt=READING, summary="Show how jobs went lately")
    async def recent(
        self,
        request: Request[Principal, Any, Any],
        reading: Given[JobReading],
        ids: FromQuery[JobIds],
        count: FromQuery[RecentCount] = 12,
    ) -> Response[Success[list[RecentView]]]:
        """For each of the jobs that ran its newest executions, the oldest first."""
        found = await reading.recent(request.user.home_tenant, ids_in(ids), count)
        return success(
            [
                RecentView(job_id, [RecentRun(run_id, Status(status.value)) for run_id, status in runs])
                for job_id, runs in found.items()
            ]
        )

    @get("/total", opt=READING, summary="Count the jobs")
    async def total(
        self,
        request: Request[Principal, Any, Any],
        duties: Given[DutyReading],
        reading: Given[JobReading],
    ) -> Response[Success[JobTotals]]:
        counts = await reading.total(request.user.home_tenant)
        return success(JobTotals(**counts, duties=len(duties.duties)))

    @get("/{job_id:uuid}", opt=READING, summary="Show a job")
    async def show(
        self,
        job_id: FromPath[UUID],
        request: Request[Principal, Any, Any],
        duties: Given[DutyReading],
        reading: Given[JobReading],
        settings: Given[Settings],
    ) -> Response[Success[JobDetail]]:
        tenant, language = request.user.home_tenant, language_of(request, settings)
        if (duty := duty_of(duties, job_id)) is not None:
            state = await duty_state(duties, tenant, duty)
            return success(duty_detail(state, language), headers=BY_LANGUAGE)
        found = await reading.job(tenant, job_id, language=language)
        return changeable(job_detail(found), found.job.version)

    @put("/{job_id:uuid}", opt=WRITING, summary="Replace a job")
    async def replace(
        self,
        job_id: FromPath[UUID],
        data: JobDocument,
        request: Request[Principal, Any, Any],
        authoring: Given[JobAuthoring],
        duties: Given[DutyReading],
        reading: Given[JobReading],
        settings: Given[Settings],
    ) -> Response[Success[JobDetail]]:
        """What is left out takes its default. While the trigger stays as it was, so does the job's next slot."""
        refuse_duty(duties, job_id)
        definition = await written_by(request.user, data.given(), authoring, settings)
        job = await authoring.change(
            request.user.home_tenant,
            job_id,
            definition,
            version=expected_version(request),
            actor=request.user.actor,
        )
        return await told(request, reading, settings, job)

    @patch("/{job_id:uuid}", opt=WRITING, summary="Change some fields of a job")
    async def change(
        self,
        job_id: FromPath[UUID],
        data: JobDocument,
        request: Request[Principal, Any, Any],
        authoring: Given[JobAuthoring],
        duties: Given[DutyReading],
        reading: Given[JobReading],
        settings: Given[Settings],
    ) -> Response[Success[JobDetail]]:
        """A merge patch (RFC 7396) of the job's `document`: objects are merged, null gives a field its default."""
        refuse_duty(duties, job_id)
        job = await patched(request, job_id, data.given(), authoring, reading, settings)
        return await told(request, reading, settings, job)

    @delete("/{job_id:uuid}", opt=WRITING, status_code=200, summary="Delete a job")
    async def remove(
        self,
        job_id: FromPath[UUID],
        request: Request[Principal, Any, Any],
        authoring: Given[JobAuthoring],
        duties: Given[DutyReading],
    ) -> Response[Success[None]]:
        """Its executions stay in the history, and what runs goes on."""
        refuse_duty(duties, job_id)
        await authoring.remove(
            request.user.home_tenant, job_id, version=expected_version(request), actor=request.user.actor
        )
        return success(None)


def _fits(
    view: JobView,
    name: str | None,
    kind: Kind | None,
    enabled: bool | None,
    status: JobStatus | None,
    source: Source | None,
    owner: str | None,
) -> bool:
    wanted = {
        "name": name,
        "kind": kind,
        "enabled": enabled,
        "status": status,
        "source": source,
        "owner": owner,
    }
    return all(value is None or getattr(view, key) == value for key, value in wanted.items())
