"""Writing a job: its document in a form, what its trigger comes to while it is typed, and its policies in sentences."""

from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.params import FromPath

from qs.domain.scheduler.policies import MisfirePolicy, OverlapPolicy
from qs.domain.scheduler.triggers import TriggerKind
from qs.interface.dashboard.asking import Api, ApiRefused, segment
from qs.interface.dashboard.forms import FORM, Form, number, read_form
from qs.interface.dashboard.pages import go_to, render
from qs.interface.dashboard.reader import reader_of
from qs.interface.dashboard.scheduler.jobs import JOBS, KINDS, READ
from qs.interface.dashboard.scheduler.machinery import WRITE

_TRIGGER = ("type", "schedule", "timezone", "calendar", "jitter", "start_at", "end_at")
_TEXTS = ("name", "queue", "timeout", "remarks")
_TARGET = msgspec.json.Encoder()
_POSTED = {**WRITE, "consumes": (FORM,)}


@get("/scheduler/new", opt=WRITE)
async def new_page(request: Request[Any, Any, Any]) -> Response[Any]:
    usual = {"type": "cron", "schedule": "0 9 * * *", "target": '{"builtin": "hello_job"}', "enabled": "yes"}
    return await _form(request, {**usual, "timezone": request.app.state.container.settings().timezone})


@post("/scheduler/new", status_code=200, opt=_POSTED)
async def create_job(request: Request[Any, Any, Any]) -> Response[Any]:
    form = await read_form(request)
    api = Api(request, reader_of(request).language)
    try:
        made = await api.ask(
            "POST", "/scheduler/jobs", body=_document(form, {}), headers={"idempotency-key": form["once"]}
        )
    except ApiRefused as refused:
        return await _form(request, form.written(), refused=refused)
    return go_to(f"{JOBS}/jobs/{made.data['id']}", "job_created")


@get("/scheduler/jobs/{job_id:str}/edit", opt=WRITE)
async def edit_page(job_id: FromPath[str], request: Request[Any, Any, Any]) -> Response[Any]:
    api = Api(request, reader_of(request).language)
    shown = await api.ask("GET", f"/scheduler/jobs/{segment(job_id)}")
    return await _form(request, _of_job(shown.data["document"] or {}), job=shown.data, etag=shown.etag)


@post("/scheduler/jobs/{job_id:str}/edit", status_code=200, opt=_POSTED)
async def edit_job(job_id: FromPath[str], request: Request[Any, Any, Any]) -> Response[Any]:
    form = await read_form(request)
    api = Api(request, reader_of(request).language)
    at = f"/scheduler/jobs/{segment(job_id)}"
    job = await api.get(at)
    headers = {"if-match": form["etag"]} if form["etag"] else {}
    try:
        # What the form does not show stays as it was written.
        await api.ask("PUT", at, body=_document(form, job["document"] or {}), headers=headers)
    except ApiRefused as refused:
        return await _form(request, form.written(), job=job, etag=form["etag"], refused=refused)
    return go_to(f"{JOBS}/jobs/{segment(job_id)}", "job_edited")


@get("/scheduler/preview", opt={**READ, "live": True})
async def trigger_part(request: Request[Any, Any, Any]) -> Response[Any]:
    """The next ten times of a trigger that is being typed, as a part of a page; nothing is written."""
    form = Form({name: [value] for name, value in request.query_params.items()})
    api = Api(request, reader_of(request).language)
    previewed: Any
    try:
        previewed = (
            await api.ask("POST", "/scheduler/preview", body={**form.given(*_TRIGGER), "count": 10})
        ).data
    except ApiRefused as refused:
        previewed = refused
    return render(
        request,
        "scheduler/preview.html",
        previewed=previewed,
        misfire=form["misfire"] or MisfirePolicy.FIRE_ONCE.value,
        overlap=form["overlap"] or OverlapPolicy.SKIP.value,
    )


async def _form(
    request: Request[Any, Any, Any],
    values: dict[str, str],
    *,
    job: dict[str, Any] | None = None,
    etag: str | None = None,
    refused: ApiRefused | None = None,
) -> Response[Any]:
    api = Api(request, reader_of(request).language)
    (calendars,) = await api.together(api.get("/scheduler/calendars", page_size=100))
    return render(
        request,
        "scheduler/form.html",
        status=refused.status if refused else 200,
        values=values,
        job=job,
        etag=etag,
        wrong=refused,
        types=[each.value for each in TriggerKind],
        misfires=[each.value for each in MisfirePolicy],
        overlaps=[each.value for each in OverlapPolicy],
        kinds=KINDS,
        calendars=[] if isinstance(calendars, ApiRefused) else calendars["items"],
    )


def _of_job(document: dict[str, Any]) -> dict[str, str]:
    """A job's document as its form has it."""
    values = {name: str(document[name]) for name in (*_TRIGGER, *_TEXTS) if document.get(name) is not None}
    for name in ("target", "payload"):
        if document.get(name) not in (None, {}):
            values[name] = _pretty(document[name])
    for name in ("misfire", "overlap"):
        policy = document.get(name)
        values[name] = str(policy["policy"] if isinstance(policy, dict) else policy or "")
    retry = document.get("retry") or {}
    values["max_attempts"] = str(retry.get("max_attempts", ""))
    values["priority"] = str(document.get("priority") or 0)
    values["enabled"] = "yes" if document.get("enabled", True) else ""
    return values


def _document(form: Form, before: dict[str, Any]) -> dict[str, Any]:
    """The document of a form over what was written ``before``; what is no JSON is for the API to refuse."""
    document = {name: value for name, value in before.items() if name not in (*_TRIGGER, *_TEXTS)}
    document |= form.given(*_TRIGGER, *_TEXTS)
    for name in ("target", "payload"):
        document[name] = _json(form[name])
        if document[name] is None:
            del document[name]
    for name in ("misfire", "overlap"):
        document[name] = _policy(before.get(name), form[name])
    if form["max_attempts"]:
        document["retry"] = {**(before.get("retry") or {}), "max_attempts": number(form["max_attempts"])}
    if form["priority"]:
        document["priority"] = number(form["priority"])
    document["enabled"] = form["enabled"] == "yes"
    return {name: value for name, value in document.items() if value is not None}


def _policy(before: Any, chosen: str) -> Any:
    if isinstance(before, dict) and before.get("policy") == chosen:
        return before
    return chosen or None


def _pretty(value: Any) -> str:
    return msgspec.json.format(_TARGET.encode(value), indent=2).decode()


def _json(text: str) -> Any:
    if not text:
        return None
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
