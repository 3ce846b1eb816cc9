"""``/testees``: who is asked, and what they follow."""

from typing import Annotated, Any

from litestar import Controller, Request, Response, delete, get, post, put
from litestar.params import FromQuery

from qs.application.plan.keeping import TesteeKeeping
from qs.application.plan.ports import Page as PageOf
from qs.application.plan.ports import TaskFilter
from qs.application.plan.reading import PlanReading
from qs.domain.identity.principal import Principal
from qs.interface.rest.dependencies import Given, given
from qs.interface.rest.envelope import Success, success
from qs.interface.rest.etags import versioned
from qs.interface.rest.id_lists import ids_in, ids_of
from qs.interface.rest.paging import CursorToken, Page, PageRequest, PageSize, counted_pages
from qs.interface.rest.plan.examples import a_body_like
from qs.interface.rest.plan.plan_dto import PlanView
from qs.interface.rest.plan.preconditions import under_if_match
from qs.interface.rest.plan.references import TesteePath, testee_named
from qs.interface.rest.plan.task_lists import TASK_LIST, StatusFilter, answer_tasks
from qs.interface.rest.plan.testee_dto import TesteeBody, TesteeView

READ = {"scope": "testees:read"}
WRITE = {"scope": "testees:write"}


TesteeIds = Annotated[str, ids_of("testees", most=100)]
TesteeRequest = Annotated[
    TesteeBody,
    a_body_like(
        external_id="P-0001",
        name="Li Lei",
        timezone="Asia/Shanghai",
        locale="zh",
        contacts=[{"channel": "email", "address": "li.lei@example.org"}],
        guardians=[{"name": "Li Ming", "contacts": [{"channel": "phone", "address": "+86 10 5555 0100"}]}],
        opt_outs=[{"channel": "phone"}],
    ),
]


class TesteeController(Controller):
    path = "/testees"
    tags = ("testees",)
    dependencies = {  # noqa: RUF012 - litestar's way to declare
        "keeping": given("testee_keeping"),
        "reading": given("plan_reading"),
        "paging": counted_pages,
    }

    @post("/", opt={**WRITE, "idempotent": True}, summary="Create a testee")
    async def create(
        self, data: TesteeRequest, request: Request[Principal, Any, Any], keeping: Given[TesteeKeeping]
    ) -> Response[Success[TesteeView]]:
        testee = await keeping.create(request.user.home_tenant, data.profile(), actor=request.user.actor)
        response = versioned(request, TesteeView.of(testee), testee.version, 201)
        response.headers["Location"] = f"/api/v1/testees/{testee.id}"
        return response

    @get("/", opt=READ, summary="List testees, newest first")
    async def index(
        self,
        request: Request[Principal, Any, Any],
        reading: Given[PlanReading],
        paging: Given[PageRequest],
        ids: FromQuery[TesteeIds | None] = None,
    ) -> Response[Success[Page[TesteeView]]]:
        """Erased ones are left out, and so is an id that names nobody."""
        wanted = ids_in(ids) if ids else ()
        testees, total = await reading.testees(
            request.user.home_tenant, PageOf(paging.page, paging.page_size), wanted
        )
        return success(
            Page([TesteeView.of(testee) for testee in testees], total, paging.page, paging.page_size)
        )

    @get("/{testee_id:str}", opt=READ, summary="Show a testee")
    async def show(
        self, testee_id: TesteePath, request: Request[Principal, Any, Any], reading: Given[PlanReading]
    ) -> Response[Success[TesteeView]]:
        testee = await reading.testee(request.user.home_tenant, testee_named(testee_id))
        return versioned(request, TesteeView.of(testee), testee.version)

    @put("/{testee_id:str}", opt=WRITE, summary="Replace all that is said of a testee")
    async def replace(
        self,
        testee_id: TesteePath,
        data: TesteeRequest,
        request: Request[Principal, Any, Any],
        keeping: Given[TesteeKeeping],
    ) -> Response[Success[TesteeView]]:
        """A field left out is forgotten. Tasks that are planned already keep their time zone."""
        with under_if_match(request) as version:
            testee = await keeping.replace(
                request.user.home_tenant,
                testee_named(testee_id),
                data.profile(),
                actor=request.user.actor,
                version=version,
            )
        return versioned(request, TesteeView.of(testee), testee.version)

    @delete("/{testee_id:str}", opt=WRITE, status_code=200, summary="Erase a testee")
    async def erase(
        self, testee_id: TesteePath, request: Request[Principal, Any, Any], keeping: Given[TesteeKeeping]
    ) -> Response[Success[TesteeView]]:
        """Forgets who it is and terminates what they follow; counts stay. Repeating it by id is a success."""
        with under_if_match(request) as version:
            testee = await keeping.erase(
                request.user.home_tenant,
                testee_named(testee_id),
                actor=request.user.actor,
                version=version,
            )
        return versioned(request, TesteeView.of(testee), testee.version)

    @get("/{testee_id:str}/plans", opt={"scope": "plans:read"}, summary="List the plans a testee follows")
    async def plans(
        self,
        testee_id: TesteePath,
        request: Request[Principal, Any, Any],
        reading: Given[PlanReading],
        paging: Given[PageRequest],
    ) -> Response[Success[Page[PlanView]]]:
        """Those of ended enrollments too."""
        plans, total = await reading.plans_of_testee(
            request.user.home_tenant, testee_named(testee_id), PageOf(paging.page, paging.page_size)
        )
        return success(Page([PlanView.of(plan) for plan in plans], total, paging.page, paging.page_size))

    @get(
        "/{testee_id:str}/tasks",
        opt={"scope": "tasks:read"},
        summary="List a testee's tasks",
        responses=TASK_LIST,
    )
    async def tasks(
        self,
        testee_id: TesteePath,
        request: Request[Principal, Any, Any],
        reading: Given[PlanReading],
        status: FromQuery[StatusFilter | None] = None,
        cursor: FromQuery[CursorToken | None] = None,
        page_size: FromQuery[PageSize] = 20,
    ) -> Response[Any]:
        testee = testee_named(testee_id)
        return await answer_tasks(
            request, reading, TaskFilter(status=status), cursor, page_size, testee=testee
        )
