"""The jobs of the tenant with how they went lately, and one of them with its next times and its history."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

from litestar import Request, Response, get
from litestar.params import FromPath

from qs.interface.dashboard.asking import Answer, Api, ApiRefused, segment
from qs.interface.dashboard.pages import render
from qs.interface.dashboard.reader import reader_of
from qs.interface.rest.scheduler.job_dto import Kind, Source

READ = {"scope": "scheduler:read", "loose_query": True}
JOBS = "/dashboard/scheduler"

_ROWS = 50
_LATELY = 12
_GRID = 100
KINDS = tuple(kind.value for kind in Kind if kind is not Kind.DUTY)


@get("/scheduler", opt=READ)
async def jobs_page(request: Request[Any, Any, Any]) -> Response[Any]:
    query = request.query_params
    api = Api(request, reader_of(request).language)
    listed, duties, status, totals = await api.together(
        api.ask(
            "GET",
            "/scheduler/jobs",
            query={
                # The duties have a table of their own.
                "source": query.get("source"),
                "kind": query.get("kind"),
                "status": query.get("status"),
                "enabled": query.get("enabled"),
                "name": query.get("name"),
                "cursor": query.get("cursor"),
                "limit": _ROWS,
            },
        ),
        api.get("/scheduler/jobs", kind="duty", limit=_GRID),
        api.get("/scheduler/status"),
        api.get("/scheduler/jobs/total"),
    )
    jobs, following, lately = [], None, {}
    if isinstance(listed, Answer):
        jobs = [job for job in listed.data if job["source"] != Source.DUTY]
        following = _cursor(listed.headers.get("link"))
        lately = await _lately(api, [job["id"] for job in jobs])
    return render(
        request,
        "scheduler/jobs.html",
        refused_jobs=listed if isinstance(listed, ApiRefused) else None,
        jobs=jobs,
        following=following,
        lately=lately,
        duties=duties,
        clock_status=status,
        totals=totals,
        kinds=KINDS,
    )


@get("/scheduler/jobs/{job_id:str}", opt=READ)
async def job_page(job_id: FromPath[str], request: Request[Any, Any, Any]) -> Response[Any]:
    return await show_job(request, job_id)


async def show_job(
    request: Request[Any, Any, Any], job_id: str, refused: ApiRefused | None = None
) -> Response[Any]:
    """The page of a job, with why something could not be done to it."""
    api = Api(request, reader_of(request).language)
    at = f"/scheduler/jobs/{segment(job_id)}"
    shown = await api.ask("GET", at)
    upcoming, runs = await api.together(
        api.get(f"{at}/next", count=10),
        api.get(f"{at}/executions", page_size=_GRID, cursor=request.query_params.get("cursor")),
    )
    return render(
        request,
        "scheduler/job.html",
        status=refused.status if refused else 200,
        job=shown.data,
        etag=shown.etag,
        upcoming=upcoming,
        runs=runs,
        wrong=refused,
    )


async def _lately(api: Api, ids: list[str]) -> dict[str, list[dict[str, str]]]:
    """How the jobs' newest executions went, the oldest first."""
    if not ids:
        return {}
    found = await api.get("/scheduler/jobs/recent", ids=",".join(ids), count=_LATELY)
    return {each["job_id"]: each["runs"] for each in found}


def _cursor(link: str | None) -> str | None:
    """Where the list goes on, out of its ``Link`` (RFC 8288)."""
    if not link:
        return None
    query = parse_qs(urlsplit(link.partition(">")[0].lstrip("<")).query)
    return query.get("cursor", [None])[0]
