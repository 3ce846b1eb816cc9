"""``/plans``: writing plans, and steering them."""

from typing import Annotated, Any

from litestar import Controller, Request, Response, get, patch, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromQuery
from msgspec import Meta

from qs.application.plan.authoring import PlanAuthoring
from qs.application.plan.ports import Page as PageOf
from qs.application.plan.reading import PlanReading
from qs.application.plan.rehearsing import Steer, SteeringRehearsal
from qs.application.plan.steering import PlanSteering
from qs.domain.identity.principal import Principal
from qs.domain.plan.plan import PlanStatus, ResumePolicy
from qs.interface.rest.dependencies import Given, given
from qs.interface.rest.envelope import Success, success
from qs.interface.rest.etags import versioned
from qs.interface.rest.paging import Page, PageRequest, counted_pages
from qs.interface.rest.plan.examples import a_body_like
from qs.interface.rest.plan.plan_dto import EditView, PlanBody, PlanView, PreviewBody, PreviewView, ResumeBody
from qs.interface.rest.plan.preconditions import under_if_match
from qs.interface.rest.plan.references import PlanPath, plan_named

READ = {"scope": "plans:read"}
WRITE = {"scope": "plans:write"}

NewPlan = Annotated[
    PlanBody,
    a_body_like(
        name="PHQ-9 every other week",
        scale_code="PHQ-9",
        schedule_type="by_week",
        interval=2,
        total_times=4,
        trigger_time="19:00",
        timezone="Asia/Shanghai",
    ),
]
PlanChange = Annotated[PlanBody, a_body_like(interval=1, total_times=6, catch_up_days=None)]
PreviewRequest = Annotated[
    PreviewBody, a_body_like(schedule_type="by_month", interval=1, total_times=6, start_date="2026-01-31")
]
ResumeRequest = Annotated[ResumeBody | None, a_body_like(policy="shift")]
ScaleFilter = Annotated[str, Meta(min_length=1, max_length=64, description="Only plans of this scale.")]
DryRun = Annotated[bool, Meta(description="Answer what it would do, and change nothing.")]
_OR_REHEARSED = {
    200: ResponseSpec(Success[PlanView | EditView], description="The plan, or what would change.")
}


class PlanController(Controller):
    path = "/plans"
    tags = ("plans",)
    dependencies = {  # noqa: RUF012 - litestar's way to declare
        "authoring": given("plan_authoring"),
        "steering": given("plan_steering"),
        "rehearsal": given("steering_rehearsal"),
        "reading": given("plan_reading"),
        "paging": counted_pages,
    }

    @post("/", opt={**WRITE, "idempotent": True}, summary="Create a plan")
    async def create(
        self,
        data: NewPlan,
        request: Request[Principal, Any, Any],
        authoring: Given[PlanAuthoring],
    ) -> Response[Success[PlanView]]:
        """A new active plan. Every problem of every field is answered at once."""
        plan = await authoring.create(request.user.home_tenant, data.given(), actor=request.user.actor)
        response = versioned(request, PlanView.of(plan), plan.version, 201)
        response.headers["Location"] = f"/api/v1/plans/{plan.id}"
        return response

    @get("/", opt=READ, summary="List plans, newest first")
    async def index(
        self,
        request: Request[Principal, Any, Any],
        reading: Given[PlanReading],
        paging: Given[PageRequest],
        status: FromQuery[PlanStatus | None] = None,
        scale_code: FromQuery[ScaleFilter | None] = None,
    ) -> Response[Success[Page[PlanView]]]:
        page = PageOf(paging.page, paging.page_size)
        plans, total = await reading.plans(
            request.user.home_tenant, page, status=status, scale_code=scale_code
        )
        return success(Page([PlanView.of(plan) for plan in plans], total, paging.page, paging.page_size))

    @post("/preview", opt=READ, status_code=200, summary="Preview a schedule")
    async def preview(
        self,
        data: PreviewRequest,
        request: Request[Principal, Any, Any],
        authoring: Given[PlanAuthoring],
    ) -> Response[Success[PreviewView]]:
        """The occasions that a schedule comes to for one start date in one time zone; nothing is written."""
        return success(PreviewView.of(await authoring.preview(request.user.home_tenant, data.given())))

    @get("/{plan_id:str}", opt=READ, summary="Show a plan")
    async def show(
        self, plan_id: PlanPath, request: Request[Principal, Any, Any], reading: Given[PlanReading]
    ) -> Response[Success[PlanView]]:
        plan = await reading.plan(request.user.home_tenant, plan_named(plan_id))
        return versioned(request, PlanView.of(plan), plan.version)

    @patch(
        "/{plan_id:str}",
        opt=WRITE,
        summary="Edit a plan",
        responses=_OR_REHEARSED,
    )
    async def edit(
        self,
        plan_id: PlanPath,
        data: PlanChange,
        request: Request[Principal, Any, Any],
        authoring: Given[PlanAuthoring],
        dry_run: FromQuery[DryRun] = False,
    ) -> Response[Any]:
        """Pending tasks of live enrollments are rescheduled as one revision; opened and finished ones never move.

        Fields left out keep their value; `catch_up_days: null` means for ever.
        """
        with under_if_match(request) as version:
            edit = await authoring.edit(
                request.user.home_tenant,
                plan_named(plan_id),
                data.changes(),
                actor=request.user.actor,
                dry_run=dry_run,
                version=version,
            )
        if dry_run:
            return success(EditView.of(edit))
        return versioned(request, PlanView.of(edit.plan), edit.plan.version)

    @post(
        "/{plan_id:str}/pause",
        opt=WRITE,
        status_code=200,
        summary="Pause a plan",
        responses=_OR_REHEARSED,
    )
    async def pause(
        self,
        plan_id: PlanPath,
        request: Request[Principal, Any, Any],
        steering: Given[PlanSteering],
        rehearsal: Given[SteeringRehearsal],
        dry_run: FromQuery[DryRun] = False,
    ) -> Response[Any]:
        """The sweep opens nothing and marks nothing missed until the plan is resumed; opened tasks go on."""
        if dry_run:
            return await _rehearsed(request, plan_id, Steer.PAUSE, rehearsal)
        with under_if_match(request) as version:
            plan = await steering.pause(
                request.user.home_tenant, plan_named(plan_id), actor=request.user.actor, version=version
            )
        return versioned(request, PlanView.of(plan), plan.version)

    @post(
        "/{plan_id:str}/resume",
        opt=WRITE,
        status_code=200,
        summary="Resume a plan",
        responses=_OR_REHEARSED,
    )
    async def resume(
        self,
        plan_id: PlanPath,
        request: Request[Principal, Any, Any],
        steering: Given[PlanSteering],
        rehearsal: Given[SteeringRehearsal],
        data: ResumeRequest = None,
        dry_run: FromQuery[DryRun] = False,
    ) -> Response[Any]:
        """`keep` leaves the tasks to the next sweep, `skip` cancels what fell into the pause, `shift` moves the rest."""
        policy = (data or ResumeBody()).policy
        if dry_run:
            return await _rehearsed(request, plan_id, Steer.RESUME, rehearsal, policy)
        with under_if_match(request) as version:
            plan = await steering.resume(
                request.user.home_tenant,
                plan_named(plan_id),
                policy,
                actor=request.user.actor,
                version=version,
            )
        return versioned(request, PlanView.of(plan), plan.version)

    @post(
        "/{plan_id:str}/finish",
        opt=WRITE,
        status_code=200,
        summary="Finish a plan for good",
        responses=_OR_REHEARSED,
    )
    async def finish(
        self,
        plan_id: PlanPath,
        request: Request[Principal, Any, Any],
        steering: Given[PlanSteering],
        rehearsal: Given[SteeringRehearsal],
        dry_run: FromQuery[DryRun] = False,
    ) -> Response[Any]:
        """Pending and opened tasks are canceled and the enrollments close."""
        if dry_run:
            return await _rehearsed(request, plan_id, Steer.FINISH, rehearsal)
        with under_if_match(request) as version:
            plan = await steering.finish(
                request.user.home_tenant, plan_named(plan_id), actor=request.user.actor, version=version
            )
        return versioned(request, PlanView.of(plan), plan.version)

    @post(
        "/{plan_id:str}/cancel",
        opt=WRITE,
        status_code=200,
        summary="Cancel a plan for good",
        responses=_OR_REHEARSED,
    )
    async def cancel(
        self,
        plan_id: PlanPath,
        request: Request[Principal, Any, Any],
        steering: Given[PlanSteering],
        rehearsal: Given[SteeringRehearsal],
        dry_run: FromQuery[DryRun] = False,
    ) -> Response[Any]:
        """Pending and opened tasks are canceled and the enrollments are terminated."""
        if dry_run:
            return await _rehearsed(request, plan_id, Steer.CANCEL, rehearsal)
        with under_if_match(request) as version:
            plan = await steering.cancel(
                request.user.home_tenant, plan_named(plan_id), actor=request.user.actor, version=version
            )
        return versioned(request, PlanView.of(plan), plan.version)


async def _rehearsed(
    request: Request[Principal, Any, Any],
    plan_id: str,
    steer: Steer,
    rehearsal: SteeringRehearsal,
    policy: ResumePolicy = ResumePolicy.KEEP,
) -> Response[Success[EditView]]:
    with under_if_match(request) as version:
        edit = await rehearsal.rehearse(
            request.user.home_tenant,
            plan_named(plan_id),
            steer,
            actor=request.user.actor,
            policy=policy,
            version=version,
        )
    return success(EditView.of(edit))
