"""Jobs as a set: a file's jobs brought in at once, and all of them taken out again."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from litestar import Controller, Request, Response, get, post
from litestar.params import FromQuery
from msgspec import Meta

from qs.application.scheduler.authoring import JobAuthoring
from qs.application.scheduler.job_documents import write_job
from qs.application.scheduler.job_ports import JobFilter
from qs.application.scheduler.job_reading import JobReading
from qs.domain.identity.principal import Principal
from qs.domain.kernel.errors import Invalid, Problem
from qs.domain.scheduler.job import JobDefinition, JobSource
from qs.interface.rest.bodies import BULK_BODY_BYTES, Body
from qs.interface.rest.dependencies import Given, given
from qs.interface.rest.envelope import Success, success
from qs.interface.rest.paging import Slice, read_cursor, write_cursor
from qs.interface.rest.parsing import pointer, refuse
from qs.interface.rest.plan.examples import a_body_like
from qs.interface.rest.scheduler.answers import next_page
from qs.interface.rest.scheduler.job_body import JobBody
from qs.interface.rest.scheduler.job_dto import AppliedView
from qs.interface.rest.scheduler.jobs import ListCursor, OwnerFilter
from qs.interface.rest.scheduler.permissions import READING, WRITING
from qs.interface.rest.scheduler.writing import read_document, require_scopes
from qs.settings import Settings

MOST_APPLIED = 5000
_EXPORTED = 1000

Owner = Annotated[
    str,
    Meta(min_length=1, max_length=200, pattern=r"\S", extra={"expected": "more than blanks"}),
]
ExportedSource = Annotated[JobSource, Meta(description="Only those that are written down there.")]


class ApplyBody(Body):
    """All jobs of one owner. `prune` removes the owner's jobs that are not among them; nobody else's is ever touched."""

    owner: Owner
    jobs: Annotated[list[JobBody], Meta(max_length=MOST_APPLIED)]
    prune: bool = False
    dry_run: bool = False


ApplyRequest = Annotated[
    ApplyBody,
    a_body_like(
        owner="clinic.yaml",
        jobs=[
            {"name": "good-morning", "type": "daily", "schedule": "02:00", "target": {"builtin": "hello_job"}}
        ],
        prune=True,
        dry_run=True,
    ),
]


class JobSetController(Controller):
    path = "/scheduler/jobs"
    tags = ("scheduler",)
    dependencies = {  # noqa: RUF012 - litestar's way to declare
        "authoring": given("job_authoring"),
        "reading": given("job_reading"),
        "settings": given("settings"),
    }

    @post(
        "/apply",
        opt={**WRITING, "idempotent": True},
        status_code=200,
        request_max_body_size=BULK_BODY_BYTES,
        summary="Bring the jobs of one owner to a set",
    )
    async def apply(
        self,
        data: ApplyRequest,
        request: Request[Principal, Any, Any],
        authoring: Given[JobAuthoring],
        settings: Given[Settings],
    ) -> Response[Success[AppliedView]]:
        """All of it or nothing; every problem of every job is answered at once. A dry run writes nothing."""
        definitions = _read(data, settings)
        await require_scopes(request.user, definitions, authoring)
        try:
            changes = await authoring.apply(
                request.user.home_tenant,
                definitions,
                source=JobSource.STORED,
                owner=data.owner,
                actor=request.user.actor,
                prune=data.prune,
                dry_run=data.dry_run,
            )
        except Invalid as error:
            raise _by_position(error, definitions) from error
        return success(AppliedView.of(changes, dry_run=data.dry_run))

    @get("/export", opt=READING, summary="Export the jobs as documents")
    async def export(
        self,
        request: Request[Principal, Any, Any],
        reading: Given[JobReading],
        owner: FromQuery[OwnerFilter | None] = None,
        source: FromQuery[ExportedSource | None] = None,
        cursor: FromQuery[ListCursor | None] = None,
    ) -> Response[Success[Slice[dict[str, Any]]]]:
        """By name, at most 1,000 at once; each is complete, so that applying or creating it gives the same job again."""
        position = read_cursor("jobs.export", cursor, str)
        where = JobFilter(owner=owner, source=source, after=position[0] if position else None)
        jobs = await reading.definitions(request.user.home_tenant, where, size=_EXPORTED + 1)
        following = write_cursor("jobs.export", jobs[_EXPORTED - 1].name) if len(jobs) > _EXPORTED else None
        items = [write_job(job.definition) for job in jobs[:_EXPORTED]]
        return success(Slice(items, following), headers=next_page(request, following) if following else {})


def _read(data: ApplyBody, settings: Settings) -> list[JobDefinition]:
    """The definitions, each name once. Raises Invalid with the problems of all of them."""
    definitions: list[JobDefinition] = []
    problems: list[Problem] = []
    first: dict[str, int] = {}
    for index, body in enumerate(data.jobs):
        at = pointer("jobs", index)
        try:
            definition = read_document(body.given(), settings)
        except Invalid as error:
            problems += [Problem(at + each.pointer, each.detail) for each in error.problems]
            continue
        if definition.name in first:
            problems.append(
                Problem(
                    f"{at}/name",
                    f"is the name of /jobs/{first[definition.name]} already; give each name once",
                )
            )
        first.setdefault(definition.name, index)
        definitions.append(definition)
    refuse(problems)
    return definitions


def _by_position(error: Invalid, definitions: Sequence[JobDefinition]) -> Invalid:
    """The same problems, which tell of a job by its name, with its place in the body instead."""
    places: Mapping[str, int] = {f"/{definition.name}": n for n, definition in enumerate(definitions)}
    error.problems = tuple(Problem(_placed(each.pointer, places), each.detail) for each in error.problems)
    return error


def _placed(told: str, places: Mapping[str, int]) -> str:
    # A name may hold slashes, so the longest one that fits is the one that is meant.
    fitting = [name for name in places if told == name or told.startswith(f"{name}/")]
    if not fitting:
        return told
    name = max(fitting, key=len)
    return pointer("jobs", places[name]) + told[len(name) :]
