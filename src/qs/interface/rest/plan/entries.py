"""``/entries``: what a link opens, and the submission through it. Whoever holds the link may; nothing else is asked."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Request, Response, get, post
from litestar.params import FromQuery
from msgspec import Meta, Struct

from qs.application.kernel.limiting import RateLimits
from qs.application.plan.entering import EntryAdmission, Submission
from qs.application.plan.entering import EntryView as Opened
from qs.domain.plan.errors import EntryAbsent
from qs.domain.plan.task import TaskStatus
from qs.interface.rest.dependencies import Given, given
from qs.interface.rest.envelope import Success, success
from qs.interface.rest.limits import count_miss
from qs.interface.rest.plan.examples import SOME_ID, a_body_like
from qs.interface.rest.plan.task_dto import AssessmentId

# Chat apps add parameters of their own to links, so none is refused. Links that open nothing are counted by themselves.
PUBLIC = {"public": True, "loose_query": True, "limit": None}
NOT_STORED = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex"}


class SubmitBody(Struct, kw_only=True):
    """The link's token and task, and the id of the answer that was given."""

    token: Annotated[Any, Meta(description="As the link has it.")] = None
    task_id: Annotated[Any, Meta(description="As the link has it.")] = None
    assessment_id: AssessmentId


SubmitRequest = Annotated[SubmitBody, a_body_like(token=SOME_ID, task_id=SOME_ID, assessment_id="a-1024")]


class OpenEntryView(Struct):
    """What a live link opens; every other link is answered with 404 or 410."""

    task_id: UUID
    scale_code: str
    scale_title: Annotated[dict[str, str], Meta(description="By language: zh, en.")]
    seq: int
    state: str
    expires_at: datetime
    timezone: str

    @classmethod
    def of(cls, entry: Opened) -> "OpenEntryView":
        return cls(
            entry.task_id,
            entry.scale_code,
            entry.scale_title,
            entry.seq,
            "open",
            entry.expires_at,
            entry.timezone,
        )


class SubmissionView(Struct):
    """`repeated`: the same answer had been submitted before, and nothing changed."""

    task_id: UUID
    status: TaskStatus
    completed_at: datetime
    assessment_id: str
    repeated: bool

    @classmethod
    def of(cls, submission: Submission) -> "SubmissionView":
        return cls(
            submission.task_id,
            submission.status,
            submission.completed_at,
            submission.assessment_id,
            submission.repeated,
        )


class EntryController(Controller):
    path = "/entries"
    tags = ("entries",)
    dependencies = {  # noqa: RUF012 - litestar's way to declare
        "admission": given("entry_admission"),
        "limits": given("rate_limits"),
    }

    @get("/", opt=PUBLIC, summary="Show what a link opens")
    async def show(
        self,
        request: Request[Any, Any, Any],
        admission: Given[EntryAdmission],
        limits: Given[RateLimits],
        token: FromQuery[str] = "",
        task_id: FromQuery[str] = "",
    ) -> Response[Success[OpenEntryView]]:
        """Changes nothing. A link that is wrong in any way is 404; one replaced, run out, canceled or answered is 410."""
        try:
            entry = await admission.show(token, task_id)
        except EntryAbsent:
            await count_miss(request, limits, task_id)
            raise
        return success(OpenEntryView.of(entry), headers=NOT_STORED)

    @post("/submit", opt=PUBLIC, status_code=200, summary="Submit an answer")
    async def submit(
        self,
        data: SubmitRequest,
        request: Request[Any, Any, Any],
        admission: Given[EntryAdmission],
        limits: Given[RateLimits],
    ) -> Response[Success[SubmissionView]]:
        """Completes the task once. The same link and assessment_id again succeed with `repeated`; another id is 410."""
        task_id = _text(data.task_id)
        try:
            submission = await admission.submit(_text(data.token), task_id, data.assessment_id)
        except EntryAbsent:
            await count_miss(request, limits, task_id)
            raise
        return success(SubmissionView.of(submission), headers=NOT_STORED)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
