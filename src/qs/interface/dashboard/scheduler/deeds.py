"""What is done with a job: run now, switched on or off, a range filled in, deleted."""

from typing import Any

from litestar import Request, Response, get, post
from litestar.params import FromPath

from qs.domain.kernel.errors import Absent
from qs.interface.dashboard.asking import Api, ApiRefused, segment
from qs.interface.dashboard.forms import FORM, Form, read_form
from qs.interface.dashboard.pages import go_to, render
from qs.interface.dashboard.people.deeds import instant_of
from qs.interface.dashboard.reader import Reader, reader_of
from qs.interface.dashboard.scheduler.jobs import JOBS, show_job

ACT = {"scope": ("scheduler:run", "scheduler:write"), "loose_query": True}


@get("/scheduler/jobs/{job_id:str}/delete", opt={"scope": "scheduler:write", "loose_query": True})
async def delete_page(job_id: FromPath[str], request: Request[Any, Any, Any]) -> Response[Any]:
    """What deleting would do, before it is done."""
    api = Api(request, reader_of(request).language)
    shown = await api.ask("GET", f"/scheduler/jobs/{segment(job_id)}")
    return render(request, "scheduler/delete.html", job=shown.data, etag=shown.etag)


@post(
    "/scheduler/jobs/{job_id:str}/delete",
    status_code=200,
    opt={"scope": "scheduler:write", "loose_query": True, "consumes": (FORM,)},
)
async def delete_job(job_id: FromPath[str], request: Request[Any, Any, Any]) -> Response[Any]:
    form = await read_form(request)
    headers = {"if-match": form["etag"]} if form["etag"] else {}
    try:
        await Api(request, reader_of(request).language).ask(
            "DELETE", f"/scheduler/jobs/{segment(job_id)}", headers=headers
        )
    except ApiRefused as refused:
        return await show_job(request, job_id, refused)
    return go_to(JOBS, "job_delete")


@post("/scheduler/jobs/{job_id:str}/{deed:str}", status_code=200, opt={**ACT, "consumes": (FORM,)})
async def do_with_job(
    job_id: FromPath[str], deed: FromPath[str], request: Request[Any, Any, Any]
) -> Response[Any]:
    form = await read_form(request)
    reader = reader_of(request)
    api = Api(request, reader.language)
    at = f"/scheduler/jobs/{segment(job_id)}"
    try:
        return await _do(api, reader, at, deed, form)
    except ApiRefused as refused:
        return await show_job(request, job_id, refused)


async def _do(api: Api, reader: Reader, at: str, deed: str, form: Form) -> Response[Any]:
    headers = {"if-match": form["etag"]} if form["etag"] else {}
    page = f"/dashboard{at}"
    if deed == "run":
        # The key of the page that was sent: a second click runs it no second time.
        run = await api.ask(
            "POST",
            f"{at}/run",
            query={"force": form["force"] == "yes"},
            headers={"idempotency-key": form["once"]},
        )
        found = run.data or {}
        execution = found.get("execution_id") or found.get("id")
        return go_to(f"{JOBS}/executions/{execution}" if execution else page, "job_run")
    if deed in ("enable", "disable"):
        await api.ask("PUT", f"{at}/enable", body={"enabled": deed == "enable"}, headers=headers)
        return go_to(page, f"job_{deed}")
    if deed == "backfill":
        span = {"from": instant_of(form["from"], reader), "to": instant_of(form["to"], reader)}
        filled = await api.ask("POST", f"{at}/backfill", body=span)
        return go_to(page, "job_backfill", n=len(filled.data["slots"]))
    raise Absent("there is no such thing to do with a job; choose one of those on its page")
