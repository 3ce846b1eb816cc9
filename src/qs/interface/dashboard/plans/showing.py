"""One plan: its schedule as a timeline, its testees by occasions, and how many answer, drawn and in numbers."""

from datetime import UTC, date, datetime
from typing import Any

from litestar import Request, Response, get
from litestar.params import FromPath

from qs.interface.dashboard.asking import Api, ApiRefused, segment
from qs.interface.dashboard.pages import render
from qs.interface.dashboard.people.tasks import names_of
from qs.interface.dashboard.plans.listing import READ
from qs.interface.dashboard.reader import Reader, reader_of, zone_named
from qs.interface.dashboard.statistics.pictures import Shown, of_plan

_ROWS = 20
_SCHEDULE = (
    "schedule_type",
    "interval",
    "total_times",
    "relative_weeks",
    "relative_days",
    "relative_months",
    "fixed_dates",
    "trigger_time",
    "timezone",
    "due_days",
)


@get("/plans/{plan_id:str}", opt=READ)
async def plan_page(plan_id: FromPath[str], request: Request[Any, Any, Any]) -> Response[Any]:
    reader = reader_of(request)
    api = Api(request, reader.language)
    query = request.query_params
    at = f"/plans/{segment(plan_id)}"
    plan = await api.get(at)
    occasions, figures, drawing, grid = await api.together(
        occasions_of(api, plan),
        api.get(f"/statistics{at}"),
        api.get("/statistics/pictures"),
        api.get(f"{at}/grid", page=query.get("page"), page_size=_ROWS, status=query.get("enrollments")),
    )
    names = (
        {}
        if isinstance(grid, ApiRefused)
        else await names_of(api, reader, [row["testee_id"] for row in grid["items"]])
    )
    return render(
        request,
        "plans/plan.html",
        plan=plan,
        occasions=occasions,
        figures=figures,
        drawn=_drawn(reader, figures, drawing),
        install=None if isinstance(drawing, ApiRefused) else drawing["install"],
        grid=grid,
        names=names,
    )


def _drawn(reader: Reader, figures: Any, drawing: Any) -> dict[str, Shown | None]:
    """The pictures of the plan by name; None for those that nothing is to be seen on, or that cannot be drawn."""
    can_be = not isinstance(drawing, ApiRefused) and drawing["items"] and not isinstance(figures, ApiRefused)
    found = of_plan(reader, figures) if can_be else {}
    return {name: found.get(name) for name in ("completion", "retention")}


async def occasions_of(api: Api, plan: dict[str, Any]) -> Any:
    """What the plan's schedule comes to for somebody who began today, or on its own dates."""
    fields = {name: plan[name] for name in _SCHEDULE if plan[name] is not None}
    if plan["schedule_type"] != "fixed_date":
        fields["start_date"] = today_in(plan["timezone"]).isoformat()
    return (await api.ask("POST", "/plans/preview", body=fields)).data


def today_in(zone: str) -> date:
    """The civil date there."""
    return datetime.now(UTC).astimezone(zone_named(zone) or UTC).date()
