"""``/plans/tasks``: reading tasks, and moving one by hand."""

from datetime import UTC
from typing import Annotated, Any

from litestar import Controller, Request, Response, get, post
from litestar.params import FromQuery

from qs.application.plan.operating import TaskOperating
from qs.application.plan.ports import TaskFilter
from qs.application.plan.reading import PlanReading
from qs.domain.identity.principal import Principal
from qs.domain.kernel.errors import Invalid, Problem
from qs.domain.plan.entry import Entry
from qs.domain.plan.task import AssessmentTask
from qs.interface.rest.dependencies import Given, given
from qs.interface.rest.envelope import Success, success
from qs.interface.rest.paging import CursorToken, PageSize
from qs.interface.rest.plan.examples import a_body_like
from qs.interface.rest.plan.references import (
    PlanQuery,
    TaskPath,
    TesteeQuery,
    plan_named,
    task_named,
    testee_named,
)
from qs.interface.rest.plan.task_dto import (
    AssessmentId,
    CancelBody,
    CompleteBody,
    EntryView,
    ExplanationView,
    OpenedTaskView,
    RescheduleBody,
    TaskView,
)
from qs.interface.rest.plan.task_lists import (
    TASK_LIST,
    ExpiresBefore,
    PlannedFrom,
    PlannedTo,
    StatusFilter,
    answer_tasks,
)

READ = {"scope": "tasks:read"}
WRITE = {"scope": "tasks:write"}
CancelRequest = Annotated[CancelBody, a_body_like(reason="moved_away")]
RescheduleRequest = Annotated[RescheduleBody, a_body_like(planned_at="2026-07-02T19:00:00+08:00")]
CompleteRequest = Annotated[CompleteBody | None, a_body_like(assessment_id="a-1024")]
NOT_STORED = {"Cache-Control": "no-store", "Pragma": "no-cache"}


class TaskController(Controller):
    path = "/plans/tasks"
    tags = ("tasks",)
    dependencies = {  # noqa: RUF012 - litestar's way to declare
        "operating": given("task_operating"),
        "reading": given("plan_reading"),
    }

    @get("/", opt=READ, summary="List tasks by planned_at", responses=TASK_LIST)
    async def index(
        self,
        request: Request[Principal, Any, Any],
        reading: Given[PlanReading],
        plan_id: FromQuery[PlanQuery | None] = None,
        testee_id: FromQuery[TesteeQuery | None] = None,
        status: FromQuery[StatusFilter | None] = None,
        planned_from: FromQuery[PlannedFrom | None] = None,
        planned_to: FromQuery[PlannedTo | None] = None,
        expires_before: FromQuery[ExpiresBefore | None] = None,
        cursor: FromQuery[CursorToken | None] = None,
        page_size: FromQuery[PageSize] = 20,
    ) -> Response[Any]:
        where = TaskFilter(
            plan_id=plan_named(plan_id) if plan_id is not None else None,
            status=status,
            planned_from=planned_from,
            planned_to=planned_to,
            expires_before=expires_before,
        )
        testee = testee_named(testee_id) if testee_id is not None else None
        return await answer_tasks(request, reading, where, cursor, page_size, testee=testee)

    @get("/{task_id:str}", opt=READ, summary="Show a task")
    async def show(
        self, task_id: TaskPath, request: Request[Principal, Any, Any], reading: Given[PlanReading]
    ) -> Response[Success[TaskView]]:
        return success(TaskView.of(await reading.task(request.user.home_tenant, task_named(task_id))))

    @get("/{task_id:str}/explain", opt=READ, summary="Explain why a task is in its state")
    async def explain(
        self, task_id: TaskPath, request: Request[Principal, Any, Any], reading: Given[PlanReading]
    ) -> Response[Success[ExplanationView]]:
        """What happened to the task, by whom and why, and what happens next and when."""
        explanation = await reading.explain(request.user.home_tenant, task_named(task_id))
        return success(ExplanationView.of(explanation))

    @get("/{task_id:str}/entry", opt={"scope": "entry:read"}, summary="Show the link of an opened task")
    async def entry(
        self, task_id: TaskPath, request: Request[Principal, Any, Any], operating: Given[TaskOperating]
    ) -> Response[Success[EntryView]]:
        """The link is a credential: that somebody read it is audited, and no cache may keep it."""
        entry = await operating.entry(request.user.home_tenant, task_named(task_id), actor=request.user.actor)
        return success(EntryView.of(entry), headers=NOT_STORED)

    @post("/{task_id:str}/open", opt=WRITE, status_code=200, summary="Open a due task now")
    async def open(
        self, task_id: TaskPath, request: Request[Principal, Any, Any], operating: Given[TaskOperating]
    ) -> Response[Success[OpenedTaskView]]:
        """As the sweep would; callers with `entry:read` are shown the link."""
        task, entry = await operating.open(
            request.user.home_tenant, task_named(task_id), actor=request.user.actor
        )
        return _with_entry(request.user, task, entry)

    @post("/{task_id:str}/reissue", opt=WRITE, status_code=200, summary="Give an opened task a new link")
    async def reissue(
        self, task_id: TaskPath, request: Request[Principal, Any, Any], operating: Given[TaskOperating]
    ) -> Response[Success[OpenedTaskView]]:
        """The old link is dead from then on; when it runs out stays. Callers with `entry:read` are shown the new one."""
        task, entry = await operating.reissue(
            request.user.home_tenant, task_named(task_id), actor=request.user.actor
        )
        return _with_entry(request.user, task, entry)

    @post(
        "/{task_id:str}/expire",
        opt={"scope": ("tasks:write", "tasks:schedule")},
        status_code=200,
        summary="Expire an opened task",
    )
    async def expire(
        self, task_id: TaskPath, request: Request[Principal, Any, Any], operating: Given[TaskOperating]
    ) -> Response[Success[TaskView]]:
        """At any time with `tasks:write`; with `tasks:schedule` alone only once its link has run out."""
        task = await operating.expire(
            request.user.home_tenant,
            task_named(task_id),
            actor=request.user.actor,
            early=request.user.may("tasks:write"),
        )
        return success(TaskView.of(task))

    @post("/{task_id:str}/cancel", opt=WRITE, status_code=200, summary="Cancel a task")
    async def cancel(
        self,
        task_id: TaskPath,
        data: CancelRequest,
        request: Request[Principal, Any, Any],
        operating: Given[TaskOperating],
    ) -> Response[Success[TaskView]]:
        task = await operating.cancel(
            request.user.home_tenant,
            task_named(task_id),
            data.reason,
            actor=request.user.actor,
            note=data.note,
        )
        return success(TaskView.of(task))

    @post("/{task_id:str}/reschedule", opt=WRITE, status_code=200, summary="Reschedule a pending task")
    async def reschedule(
        self,
        task_id: TaskPath,
        data: RescheduleRequest,
        request: Request[Principal, Any, Any],
        operating: Given[TaskOperating],
    ) -> Response[Success[TaskView]]:
        """The task is pinned to its new instant: edits of the plan leave it there."""
        task = await operating.reschedule(
            request.user.home_tenant,
            task_named(task_id),
            data.planned_at.astimezone(UTC),
            actor=request.user.actor,
        )
        return success(TaskView.of(task))

    @post("/{task_id:str}/complete", opt=WRITE, status_code=200, summary="Complete an opened task")
    async def complete(
        self,
        task_id: TaskPath,
        request: Request[Principal, Any, Any],
        operating: Given[TaskOperating],
        data: CompleteRequest = None,
        assessment_id: FromQuery[AssessmentId | None] = None,
    ) -> Response[Success[TaskView]]:
        """`assessment_id` comes in the body or in the query. The same one again changes nothing and succeeds."""
        if (data is None) == (assessment_id is None):
            raise Invalid([Problem("/assessment_id", "is given once, in the body or in the query")])
        answer = data.assessment_id if data is not None else assessment_id
        assert answer is not None
        task, _ = await operating.complete(
            request.user.home_tenant, task_named(task_id), answer, actor=request.user.actor
        )
        return success(TaskView.of(task))


def _with_entry(
    principal: Principal, task: AssessmentTask, entry: Entry
) -> Response[Success[OpenedTaskView]]:
    shown = entry if principal.may("entry:read") else None
    return success(OpenedTaskView.shown_to(task, shown), headers=NOT_STORED)
