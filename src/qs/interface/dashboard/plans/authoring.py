"""Writing a plan: every field in a form, the occasions that come of it, and for an edit what it does to which task."""

from typing import Any

from litestar import Request, Response, get, post
from litestar.params import FromPath

from qs.domain.plan.plan import PlanStatus
from qs.domain.plan.schedule import ScheduleType
from qs.domain.plan.terms import CatchUp, NotifyOnExpiry
from qs.interface.dashboard.asking import Api, ApiRefused, segment
from qs.interface.dashboard.forms import FORM, Form, number, read_form
from qs.interface.dashboard.pages import go_to, render
from qs.interface.dashboard.plans.listing import READ, WRITE
from qs.interface.dashboard.plans.showing import today_in
from qs.interface.dashboard.plans.steering import SHOWN
from qs.interface.dashboard.reader import reader_of

_TEXTS = ("name", "scale_code", "schedule_type", "trigger_time", "timezone", "catch_up", "notify_on_expiry")
_NUMBERS = ("interval", "total_times", "due_days", "entry_ttl_days", "catch_up_days", "alert_after_missed")
_LISTS = ("relative_weeks", "relative_days", "relative_months")
_DATES = "fixed_dates"
_SCHEDULE = frozenset(
    ("schedule_type", "interval", "total_times", "trigger_time", "timezone", "due_days", *_LISTS, _DATES)
)
_USUAL = {
    "schedule_type": "by_week",
    "interval": "1",
    "total_times": "4",
    "trigger_time": "09:00",
    "due_days": "7",
    "entry_ttl_days": "7",
}
_POSTED = {**WRITE, "consumes": (FORM,)}


@get("/plans/new", opt=WRITE)
async def new_page(request: Request[Any, Any, Any]) -> Response[Any]:
    zone = request.app.state.container.settings().timezone
    return await _form(request, {**_USUAL, "timezone": zone})


@post("/plans/new", status_code=200, opt=_POSTED)
async def create_plan(request: Request[Any, Any, Any]) -> Response[Any]:
    form = await read_form(request)
    api = Api(request, reader_of(request).language)
    try:
        made = await api.ask("POST", "/plans", body=_fields(form), headers={"idempotency-key": form["once"]})
    except ApiRefused as refused:
        return await _form(request, form.written(), refused=refused)
    return go_to(f"/dashboard/plans/{made.data['id']}", "plan_created")


@get("/plans/{plan_id:str}/edit", opt=WRITE)
async def edit_page(plan_id: FromPath[str], request: Request[Any, Any, Any]) -> Response[Any]:
    api = Api(request, reader_of(request).language)
    shown = await api.ask("GET", f"/plans/{segment(plan_id)}")
    return await _form(request, _of_plan(shown.data), plan=shown.data, etag=shown.etag)


@post("/plans/{plan_id:str}/edit", status_code=200, opt=_POSTED)
async def edit_plan(plan_id: FromPath[str], request: Request[Any, Any, Any]) -> Response[Any]:
    """Tells what the edit would do unless ``do`` says that the person has seen it."""
    form = await read_form(request)
    api = Api(request, reader_of(request).language)
    at = f"/plans/{segment(plan_id)}"
    plan = await api.get(at)
    is_done = form["do"] == "save"
    headers = {"if-match": form["etag"]} if form["etag"] else {}
    try:
        answer = await api.ask(
            "PATCH", at, query={"dry_run": not is_done}, body=_changes(form, plan), headers=headers
        )
    except ApiRefused as refused:
        return await _form(request, form.written(), plan=plan, etag=form["etag"], refused=refused)
    if is_done:
        return go_to(f"/dashboard/plans/{segment(plan_id)}", "plan_edited")
    return await _form(request, form.written(), plan=plan, etag=form["etag"], effect=answer.data)


@get("/plans/preview", opt={**READ, "live": True})
async def preview_part(request: Request[Any, Any, Any]) -> Response[Any]:
    """The occasions of a schedule that is being typed, as a part of a page; nothing is written."""
    form = Form({name: [value] for name, value in request.query_params.items()})
    api = Api(request, reader_of(request).language)
    fields = {name: value for name, value in _fields(form).items() if name in _SCHEDULE}
    if fields.get("schedule_type") != ScheduleType.FIXED_DATE:
        fields["start_date"] = today_in(fields.get("timezone", "")).isoformat()
    occasions: Any
    try:
        occasions = (await api.ask("POST", "/plans/preview", body=fields)).data
    except ApiRefused as refused:
        occasions = refused
    return render(request, "plans/preview.html", occasions=occasions)


async def _form(
    request: Request[Any, Any, Any],
    values: dict[str, str],
    *,
    plan: dict[str, Any] | None = None,
    etag: str | None = None,
    refused: ApiRefused | None = None,
    effect: Any = None,
) -> Response[Any]:
    api = Api(request, reader_of(request).language)
    (scales,) = await api.together(api.get("/scales", page_size=100))
    return render(
        request,
        "plans/form.html",
        status=refused.status if refused else 200,
        values=values,
        plan=plan,
        etag=etag,
        wrong=refused,
        effect=effect,
        shown=SHOWN,
        scales=[] if isinstance(scales, ApiRefused) else scales["items"],
        types=[each.value for each in ScheduleType],
        catch_ups=[each.value for each in CatchUp],
        notices=[each.value for each in NotifyOnExpiry],
        is_over=plan is not None and plan["status"] not in (PlanStatus.ACTIVE, PlanStatus.PAUSED),
    )


def _of_plan(plan: dict[str, Any]) -> dict[str, str]:
    """A plan as its form has it."""
    values = {name: plan[name] for name in (*_TEXTS, *_NUMBERS) if plan[name] is not None}
    for name in (*_LISTS, _DATES):
        if plan[name]:
            values[name] = ", ".join(map(str, plan[name]))
    values["catch_up_forever"] = "" if plan["catch_up_days"] else "yes"
    for kind in ("after", "before_expiry"):
        values[f"remind_{kind}"] = ", ".join(each[kind] for each in plan["reminders"] if each.get(kind))
    return {name: str(value) for name, value in values.items()}


def _fields(form: Form) -> dict[str, Any]:
    """The plan of a form; what is left empty is left out, and what is no number is for the API to refuse."""
    fields: dict[str, Any] = dict(form.given(*_TEXTS))
    for name, value in form.given(*_NUMBERS).items():
        fields[name] = number(value)
    for name, value in form.given(*_LISTS, _DATES).items():
        parts = [part.strip() for part in value.replace("，", ",").split(",") if part.strip()]
        fields[name] = parts if name == _DATES else [number(part) for part in parts]
    if form["catch_up_forever"] == "yes":
        fields["catch_up_days"] = None
    reminders = [
        {kind: part.strip()}
        for kind in ("after", "before_expiry")
        for part in form[f"remind_{kind}"].replace("，", ",").split(",")
        if part.strip()
    ]
    if reminders or "remind_after" in form:
        fields["reminders"] = reminders
    return fields


def _changes(form: Form, plan: dict[str, Any]) -> dict[str, Any]:
    """What of the form differs from the plan, so that an edit says no more than the person changed."""
    written, known = _fields(form), _of_plan(plan)
    before = _fields(Form({name: [value] for name, value in known.items()}))
    changes = {name: value for name, value in written.items() if before.get(name, ...) != value}
    # What was emptied goes back to nothing where nothing means something.
    if "alert_after_missed" in before and not form["alert_after_missed"]:
        changes["alert_after_missed"] = None
    return changes
