"""Writing down a testee: who they are, how they are reached, and who instead of them."""

from typing import Any

from litestar import Request, Response, get, post
from litestar.params import FromPath

from qs.application.plan.contacts import CHANNELS, LOCALES
from qs.interface.dashboard.asking import Api, ApiRefused, segment
from qs.interface.dashboard.forms import FORM, Form, read_form
from qs.interface.dashboard.pages import go_to, render
from qs.interface.dashboard.people.testees import WRITE
from qs.interface.dashboard.reader import reader_of

_TEXTS = ("external_id", "name", "timezone", "locale")
_NOBODY: dict[str, Any] = {**dict.fromkeys(_TEXTS), "contacts": [], "guardians": [], "opt_outs": []}
_EMPTY_LINES = 2
_POSTED = {**WRITE, "consumes": (FORM,)}


@get("/testees/new", opt=WRITE)
async def new_page(request: Request[Any, Any, Any]) -> Response[Any]:
    return _form(request, {})


@post("/testees/new", status_code=200, opt=_POSTED)
async def create_testee(request: Request[Any, Any, Any]) -> Response[Any]:
    form = await read_form(request)
    api = Api(request, reader_of(request).language)
    body = _body(form)
    try:
        made = await api.ask("POST", "/testees", body=body, headers={"idempotency-key": form["once"]})
    except ApiRefused as refused:
        return _form(request, body, refused=refused)
    return go_to(f"/dashboard/testees/{made.data['id']}", "testee_created")


@get("/testees/{testee_id:str}/edit", opt=WRITE)
async def edit_page(testee_id: FromPath[str], request: Request[Any, Any, Any]) -> Response[Any]:
    api = Api(request, reader_of(request).language)
    shown = await api.ask("GET", f"/testees/{segment(testee_id)}")
    return _form(request, shown.data, testee_id=testee_id, etag=shown.etag)


@post("/testees/{testee_id:str}/edit", status_code=200, opt=_POSTED)
async def edit_testee(testee_id: FromPath[str], request: Request[Any, Any, Any]) -> Response[Any]:
    form = await read_form(request)
    api = Api(request, reader_of(request).language)
    body = _body(form)
    headers = {"if-match": form["etag"]} if form["etag"] else {}
    try:
        await api.ask("PUT", f"/testees/{segment(testee_id)}", body=body, headers=headers)
    except ApiRefused as refused:
        return _form(request, body, testee_id=testee_id, etag=form["etag"], refused=refused)
    return go_to(f"/dashboard/testees/{segment(testee_id)}", "testee_edited")


def _form(
    request: Request[Any, Any, Any],
    testee: dict[str, Any],
    *,
    testee_id: str | None = None,
    etag: str | None = None,
    refused: ApiRefused | None = None,
) -> Response[Any]:
    testee = {**_NOBODY, **testee}
    contacts = [*testee["contacts"], *({"channel": "", "address": ""} for _ in range(_EMPTY_LINES))]
    guardians = [
        {"name": each["name"], "contacts": [*each["contacts"], {"channel": "", "address": ""}]}
        for each in (*testee["guardians"], {"name": "", "contacts": []})
    ]
    return render(
        request,
        "people/form.html",
        status=refused.status if refused else 200,
        testee=testee,
        contacts=contacts,
        guardians=guardians,
        testee_id=testee_id,
        etag=etag,
        channels=CHANNELS,
        locales=LOCALES,
        wrong=refused,
    )


def _body(form: Form) -> dict[str, Any]:
    """The testee of a form; lines that were left empty are nobody."""
    guardians = []
    for number, name in enumerate(form.all("guardian")):
        contacts = _contacts(form, f"guardian_{number}_")
        if name.strip() or contacts:
            guardians.append({"name": name.strip() or None, "contacts": contacts})
    opt_outs = [{"plan_id": None, **_opt_out(each)} for each in form.all("opt_out")]
    return {
        **form.given(*_TEXTS),
        "contacts": _contacts(form, ""),
        "guardians": guardians,
        "opt_outs": opt_outs,
    }


def _contacts(form: Form, prefix: str) -> list[dict[str, str]]:
    pairs = zip(form.all(f"{prefix}channel"), form.all(f"{prefix}address"), strict=False)
    return [{"channel": channel, "address": address.strip()} for channel, address in pairs if address.strip()]


def _opt_out(written: str) -> dict[str, str]:
    """``channel`` or ``channel:plan``, as the form has it."""
    channel, _, plan_id = written.partition(":")
    return {"channel": channel, "plan_id": plan_id} if plan_id else {"channel": channel}
