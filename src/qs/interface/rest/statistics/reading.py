"""``/statistics``: figures by system, scale, testee and plan, by date, and the tasks behind each number."""

from datetime import date
from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Request, Response, get
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromQuery, PathParameter
from msgspec import Meta

from qs.application.plan.reading import PlanReading
from qs.application.statistics.reading import StatisticsReading
from qs.domain.identity.principal import Principal
from qs.domain.statistics.metrics import METRICS, Dimension
from qs.interface.rest.csv_answers import csv_response, prefers_csv
from qs.interface.rest.dependencies import Given, given
from qs.interface.rest.envelope import Success, success
from qs.interface.rest.paging import CursorToken, PageSize, read_cursor, write_cursor
from qs.interface.rest.plan.references import PlanPath, TesteePath
from qs.interface.rest.statistics.dto import (
    DailyList,
    Figures,
    PlanFigures,
    TaskIds,
    daily_list,
    figures_view,
    plan_view,
)
from qs.interface.rest.statistics.naming import From, Key, To, counted_plan, key_named, testee_key

OPT = {"scope": "statistics:read"}

_REASON = r":[a-z_]{1,64}"
ScalePath = Annotated[str, PathParameter(description="The code of a scale, e.g. PHQ-9.")]
Metric = Annotated[
    str,
    Meta(
        max_length=80,
        pattern=rf"^(?:{'|'.join(METRICS)}|expired{_REASON}|canceled{_REASON})$(?!\n)",
        description=f"Which number: {', '.join(METRICS)}, or by reason, e.g. `expired:manual`.",
        examples=["completed"],
        extra={"expected": f"one of {', '.join(METRICS)}, or one by reason, such as expired:manual"},
    ),
]
OnDate = Annotated[
    date, Meta(description="Only of this civil date of the tenant's zone.", examples=["2026-05-22"])
]
DAILY = {200: ResponseSpec(Success[DailyList], description="By date; as text/csv if Accept asks for it.")}

_LISTING = "statistics"


class StatisticsController(Controller):
    path = "/statistics"
    tags = ("statistics",)
    dependencies = {  # noqa: RUF012 - litestar's way to declare
        "reading": given("statistics_reading"),
        "people": given("plan_reading"),
    }

    @get("/system", opt=OPT, summary="Figures of the whole tenant")
    async def system(
        self, request: Request[Principal, Any, Any], reading: Given[StatisticsReading]
    ) -> Response[Success[Figures]]:
        tenant_id = request.user.home_tenant
        return success(figures_view(await reading.figures(tenant_id, Dimension.TENANT, str(tenant_id))))

    @get("/scales/{code:str}", opt=OPT, summary="Figures of a scale")
    async def scale(
        self,
        code: ScalePath,
        request: Request[Principal, Any, Any],
        reading: Given[StatisticsReading],
    ) -> Response[Success[Figures]]:
        return success(figures_view(await reading.figures(request.user.home_tenant, Dimension.SCALE, code)))

    @get("/testees/{testee_id:str}", opt=OPT, summary="Figures of a testee")
    async def testee(
        self,
        testee_id: TesteePath,
        request: Request[Principal, Any, Any],
        reading: Given[StatisticsReading],
        people: Given[PlanReading],
    ) -> Response[Success[Figures]]:
        tenant_id = request.user.home_tenant
        key = await testee_key(people, tenant_id, testee_id)
        return success(figures_view(await reading.figures(tenant_id, Dimension.TESTEE, key)))

    @get("/plans/{plan_id:str}", opt=OPT, summary="Figures, retention and latency of a plan")
    async def plan(
        self,
        plan_id: PlanPath,
        request: Request[Principal, Any, Any],
        reading: Given[StatisticsReading],
    ) -> Response[Success[PlanFigures]]:
        """Retention by occasion, and by Kaplan and Meier with numbers at risk and a 95 % band."""
        return success(plan_view(await reading.plan(request.user.home_tenant, counted_plan(plan_id))))

    @get("/daily", opt=OPT, summary="Figures by date", responses=DAILY)
    async def daily(
        self,
        request: Request[Principal, Any, Any],
        reading: Given[StatisticsReading],
        people: Given[PlanReading],
        dimension: FromQuery[Dimension] = Dimension.TENANT,
        key: FromQuery[Key | None] = None,
        from_: From = None,
        to: FromQuery[To | None] = None,
    ) -> Response[Any]:
        """The dates that have any figure, at most 400 of them; without a key those of the whole tenant."""
        tenant_id = request.user.home_tenant
        whose = (dimension.value, await key_named(people, dimension, key, tenant_id))
        span = await reading.span(tenant_id, from_, to)
        rows = await reading.daily(tenant_id, *whose, *span)
        changes = await reading.revisions(tenant_id, *whose, *span)
        view = daily_list(whose, span, await reading.basis(tenant_id), rows, changes)
        if prefers_csv(request.headers.get("accept", "")):
            return csv_response("daily", _COLUMNS, _lines(view))
        response = success(view)
        response.headers["Vary"] = "Accept"
        return response

    @get("/system/tasks", opt=OPT, summary="The tasks behind a number of the tenant")
    async def behind_system(
        self,
        request: Request[Principal, Any, Any],
        reading: Given[StatisticsReading],
        metric: FromQuery[Metric],
        date: FromQuery[OnDate | None] = None,
        cursor: FromQuery[CursorToken | None] = None,
        page_size: FromQuery[PageSize] = 100,
    ) -> Response[Success[TaskIds]]:
        key = str(request.user.home_tenant)
        return await _behind(request, reading, (Dimension.TENANT, key), (metric, date), cursor, page_size)

    @get("/scales/{code:str}/tasks", opt=OPT, summary="The tasks behind a number of a scale")
    async def behind_scale(
        self,
        code: ScalePath,
        request: Request[Principal, Any, Any],
        reading: Given[StatisticsReading],
        metric: FromQuery[Metric],
        date: FromQuery[OnDate | None] = None,
        cursor: FromQuery[CursorToken | None] = None,
        page_size: FromQuery[PageSize] = 100,
    ) -> Response[Success[TaskIds]]:
        return await _behind(request, reading, (Dimension.SCALE, code), (metric, date), cursor, page_size)

    @get("/testees/{testee_id:str}/tasks", opt=OPT, summary="The tasks behind a number of a testee")
    async def behind_testee(
        self,
        testee_id: TesteePath,
        request: Request[Principal, Any, Any],
        reading: Given[StatisticsReading],
        people: Given[PlanReading],
        metric: FromQuery[Metric],
        date: FromQuery[OnDate | None] = None,
        cursor: FromQuery[CursorToken | None] = None,
        page_size: FromQuery[PageSize] = 100,
    ) -> Response[Success[TaskIds]]:
        key = await testee_key(people, request.user.home_tenant, testee_id)
        return await _behind(request, reading, (Dimension.TESTEE, key), (metric, date), cursor, page_size)

    @get("/plans/{plan_id:str}/tasks", opt=OPT, summary="The tasks behind a number of a plan")
    async def behind_plan(
        self,
        plan_id: PlanPath,
        request: Request[Principal, Any, Any],
        reading: Given[StatisticsReading],
        metric: FromQuery[Metric],
        date: FromQuery[OnDate | None] = None,
        cursor: FromQuery[CursorToken | None] = None,
        page_size: FromQuery[PageSize] = 100,
    ) -> Response[Success[TaskIds]]:
        key = str(counted_plan(plan_id))
        return await _behind(request, reading, (Dimension.PLAN, key), (metric, date), cursor, page_size)


_COLUMNS = (
    "dimension",
    "key",
    "date",
    *METRICS,
    "generation",
    "reason",
    "as_of",
    "timezone",
    "definition_version",
)


def _lines(view: DailyList) -> list[list[Any]]:
    return [
        [
            view.dimension,
            view.key,
            each.date,
            *(each.counts[name] for name in METRICS),
            each.generation,
            each.reason,
            each.as_of,
            view.timezone,
            view.definition_version,
        ]
        for each in view.items
    ]


async def _behind(
    request: Request[Principal, Any, Any],
    reading: StatisticsReading,
    whose: tuple[str, str],
    which: tuple[str, date | None],
    cursor: str | None,
    page_size: int,
) -> Response[Success[TaskIds]]:
    position = read_cursor(_LISTING, cursor, UUID)
    after = position[0] if position else None
    page = await reading.behind(request.user.home_tenant, *whose, *which, after, page_size)
    following = write_cursor(_LISTING, page.next_after) if page.next_after is not None else None
    return success(TaskIds(page.task_ids, following))
