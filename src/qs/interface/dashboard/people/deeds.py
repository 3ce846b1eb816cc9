"""What is done with one task by hand."""

from datetime import UTC, datetime
from typing import Any

from litestar import Request, Response, post
from litestar.params import FromPath

from qs.domain.kernel.errors import Absent
from qs.interface.dashboard.asking import Api, ApiRefused, segment
from qs.interface.dashboard.forms import FORM, Form, read_form
from qs.interface.dashboard.pages import go_to
from qs.interface.dashboard.people.tasks import show_task
from qs.interface.dashboard.reader import Reader, reader_of, zone_named

WRITE = {"scope": "tasks:write", "loose_query": True, "consumes": (FORM,)}
_DEEDS = ("open", "expire", "cancel", "reschedule", "reissue", "complete")


@post("/tasks/{task_id:str}/{deed:str}", status_code=200, opt=WRITE)
async def do_with_task(
    task_id: FromPath[str], deed: FromPath[str], request: Request[Any, Any, Any]
) -> Response[Any]:
    """Opens, expires, cancels, reschedules, completes a task or gives it a new link."""
    if deed not in _DEEDS:
        raise Absent("there is no such thing to do with a task; choose one of those on its page")
    form = await read_form(request)
    reader = reader_of(request)
    try:
        await Api(request, reader.language).ask(
            "POST", f"/plans/tasks/{segment(task_id)}/{deed}", body=_body(deed, form, reader)
        )
    except ApiRefused as refused:
        return await show_task(request, task_id, refused)
    return go_to(f"/dashboard/tasks/{segment(task_id)}", f"task_{deed}")


def _body(deed: str, form: Form, reader: Reader) -> dict[str, Any] | None:
    if deed == "cancel":
        return {"reason": form["reason"], **form.given("note")}
    if deed == "reschedule":
        return {"planned_at": instant_of(form["planned_at"], reader)}
    if deed == "complete":
        return {"assessment_id": form["assessment_id"]}
    return None


def instant_of(local: str, reader: Reader) -> str:
    """What was typed on the reader's clock; what is no time is for the API to refuse."""
    try:
        at = datetime.fromisoformat(local)
    except ValueError:
        return local
    return at.replace(tzinfo=zone_named(reader.zone) or UTC).isoformat()
