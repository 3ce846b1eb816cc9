"""Enrolling testees, and steering one enrollment."""

from typing import Annotated, Any

from litestar import Controller, Request, Response, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromQuery
from msgspec import Meta

from qs.application.plan.enrolling import Enrolling
from qs.application.plan.ports import Page as PageOf
from qs.application.plan.ports import TaskFilter
from qs.application.plan.reading import PlanReading
from qs.application.plan.steering import PlanSteering
from qs.domain.identity.principal import Principal
from qs.domain.plan.enrollment import EnrollmentStatus
from qs.interface.rest.dependencies import Given, given
from qs.interface.rest.envelope import Success, success
from qs.interface.rest.paging import CursorToken, Page, PageRequest, PageSize, counted_pages
from qs.interface.rest.plan.enrollment_dto import (
    EnrollBody,
    EnrollmentView,
    EnrollmentWithTasks,
    GridRow,
    JoinedView,
    TerminateBody,
    TerminationView,
)
from qs.interface.rest.plan.examples import SOME_ID, a_body_like
from qs.interface.rest.plan.plan_dto import ResumeBody
from qs.interface.rest.plan.references import (
    EnrollmentPath,
    PlanPath,
    TesteePath,
    enrollment_named,
    plan_named,
    testee_named,
)
from qs.interface.rest.plan.task_lists import TASK_LIST, StatusFilter, answer_tasks

READ = {"scope": "plans:read"}
WRITE = {"scope": "plans:write"}

EnrollRequest = Annotated[
    EnrollBody, a_body_like(plan_id=SOME_ID, external_id="P-0001", start_date="2026-07-01")
]
TerminateRequest = Annotated[TerminateBody, a_body_like(reason="withdrawn", note="told us by phone")]
ResumeRequest = Annotated[ResumeBody | None, a_body_like(policy="shift")]
EnrollmentFilter = Annotated[EnrollmentStatus, Meta(description="Only enrollments in this state.")]


class PlanEnrollmentController(Controller):
    path = "/plans"
    tags = ("enrollments",)
    dependencies = {  # noqa: RUF012 - litestar's way to declare
        "enrolling": given("enrolling"),
        "steering": given("plan_steering"),
        "reading": given("plan_reading"),
        "paging": counted_pages,
    }

    @post(
        "/enroll",
        opt={**WRITE, "idempotent": True},
        summary="Enroll a testee",
        responses={
            200: ResponseSpec(Success[JoinedView], description="The enrollment that existed already.")
        },
    )
    async def enroll(
        self, data: EnrollRequest, request: Request[Principal, Any, Any], enrolling: Given[Enrolling]
    ) -> Response[Success[JoinedView]]:
        """One task for each occasion. Repeating the call answers the same enrollment and writes nothing."""
        testee, start_date = data.read()
        joined = await enrolling.enroll(
            request.user.home_tenant,
            data.plan_id,
            testee,
            start_date,
            actor=request.user.actor,
            new_round=data.new_round,
        )
        location = {"Location": f"/api/v1/enrollments/{joined.enrollment.id}"}
        return success(JoinedView.of(joined), 201 if joined.created else 200, location)

    @get("/{plan_id:str}/enrollments", opt=READ, summary="List a plan's enrollments, newest first")
    async def index(
        self,
        plan_id: PlanPath,
        request: Request[Principal, Any, Any],
        reading: Given[PlanReading],
        paging: Given[PageRequest],
        status: FromQuery[EnrollmentFilter | None] = None,
    ) -> Response[Success[Page[EnrollmentView]]]:
        enrollments, total = await reading.enrollments(
            request.user.home_tenant, plan_named(plan_id), PageOf(paging.page, paging.page_size), status
        )
        items = [EnrollmentView.of(enrollment) for enrollment in enrollments]
        return success(Page(items, total, paging.page, paging.page_size))

    @get(
        "/{plan_id:str}/grid",
        opt={"scope": "tasks:read"},
        summary="Show how the tasks of a plan's testees stand",
    )
    async def grid(
        self,
        plan_id: PlanPath,
        request: Request[Principal, Any, Any],
        reading: Given[PlanReading],
        paging: Given[PageRequest],
        status: FromQuery[EnrollmentFilter | None] = None,
    ) -> Response[Success[Page[GridRow]]]:
        """A row for each enrollment, newest first, with one cell for each of its occasions."""
        rows, total = await reading.grid(
            request.user.home_tenant, plan_named(plan_id), PageOf(paging.page, paging.page_size), status
        )
        items = [GridRow.of(enrollment, tasks) for enrollment, tasks in rows]
        return success(Page(items, total, paging.page, paging.page_size))

    @get(
        "/{plan_id:str}/tasks",
        opt={"scope": "tasks:read"},
        summary="List a plan's tasks",
        responses=TASK_LIST,
    )
    async def tasks(
        self,
        plan_id: PlanPath,
        request: Request[Principal, Any, Any],
        reading: Given[PlanReading],
        status: FromQuery[StatusFilter | None] = None,
        cursor: FromQuery[CursorToken | None] = None,
        page_size: FromQuery[PageSize] = 20,
    ) -> Response[Any]:
        where = TaskFilter(plan_id=plan_named(plan_id), status=status)
        return await answer_tasks(request, reading, where, cursor, page_size)

    @post(
        "/{plan_id:str}/testees/{testee_id:str}/terminate",
        opt=WRITE,
        status_code=200,
        summary="End a testee's enrollment",
    )
    async def terminate(
        self,
        plan_id: PlanPath,
        testee_id: TesteePath,
        data: TerminateRequest,
        request: Request[Principal, Any, Any],
        steering: Given[PlanSteering],
    ) -> Response[Success[TerminationView]]:
        """Cancels the pending and opened tasks. Without a live enrollment it succeeds and changes nothing."""
        termination = await steering.terminate(
            request.user.home_tenant,
            plan_named(plan_id),
            testee_named(testee_id),
            data.reason,
            actor=request.user.actor,
            note=data.note,
        )
        return success(TerminationView.of(termination))


class EnrollmentController(Controller):
    path = "/enrollments"
    tags = ("enrollments",)
    dependencies = {  # noqa: RUF012 - litestar's way to declare
        "steering": given("plan_steering"),
        "reading": given("plan_reading"),
    }

    @get("/{enrollment_id:str}", opt=READ, summary="Show an enrollment with its tasks")
    async def show(
        self,
        enrollment_id: EnrollmentPath,
        request: Request[Principal, Any, Any],
        reading: Given[PlanReading],
    ) -> Response[Success[EnrollmentWithTasks]]:
        enrollment, tasks = await reading.enrollment(
            request.user.home_tenant, enrollment_named(enrollment_id)
        )
        return success(EnrollmentWithTasks.with_tasks(enrollment, tasks))

    @post("/{enrollment_id:str}/pause", opt=WRITE, status_code=200, summary="Pause an enrollment")
    async def pause(
        self,
        enrollment_id: EnrollmentPath,
        request: Request[Principal, Any, Any],
        steering: Given[PlanSteering],
    ) -> Response[Success[EnrollmentView]]:
        """As pausing a plan, for one testee."""
        enrollment = await steering.pause_enrollment(
            request.user.home_tenant, enrollment_named(enrollment_id), actor=request.user.actor
        )
        return success(EnrollmentView.of(enrollment))

    @post("/{enrollment_id:str}/resume", opt=WRITE, status_code=200, summary="Resume an enrollment")
    async def resume(
        self,
        enrollment_id: EnrollmentPath,
        request: Request[Principal, Any, Any],
        steering: Given[PlanSteering],
        data: ResumeRequest = None,
    ) -> Response[Success[EnrollmentView]]:
        """As resuming a plan, for one testee."""
        enrollment = await steering.resume_enrollment(
            request.user.home_tenant,
            enrollment_named(enrollment_id),
            (data or ResumeBody()).policy,
            actor=request.user.actor,
        )
        return success(EnrollmentView.of(enrollment))
