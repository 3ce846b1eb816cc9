"""The first page of the day: what needs attention, and whether everything is on time."""

from datetime import UTC, datetime
from typing import Any

from litestar import Request, Response, get

from qs.interface.dashboard.asking import Api, ApiRefused
from qs.interface.dashboard.pages import render
from qs.interface.dashboard.reader import reader_of, zone_named
from qs.interface.dashboard.signing_in import SIGNED_IN

_SHOWN = 5
TODAY = ("opened", "completed", "expired", "missed")


@get("/today", opt={**SIGNED_IN, "loose_query": True})
async def today(request: Request[Any, Any, Any]) -> Response[Any]:
    reader = reader_of(request)
    api = Api(request, reader.language)
    overview, system, alerts, status, jobs = await api.together(
        api.get("/overview"),
        api.get("/statistics/system"),
        api.get("/alerts", status="open", page_size=_SHOWN),
        api.get("/scheduler/status"),
        api.get("/scheduler/jobs", kind="duty", limit=100),
    )
    figures = None
    if not isinstance(system, ApiRefused):
        # The tenant's day, by the calendar that its figures are counted in.
        day = datetime.now(UTC).astimezone(zone_named(system["timezone"]) or UTC).date()
        figures = await _figures(api, day.isoformat())
    duties = [] if isinstance(jobs, ApiRefused) else [each for each in jobs if each["next_run"]]
    return render(
        request,
        "today.html",
        overview=overview,
        figures=figures,
        alerts=alerts,
        clock_status=status,
        duties=sorted(duties, key=lambda each: each["next_run"])[:_SHOWN],
        jobs_refused=jobs if isinstance(jobs, ApiRefused) else None,
    )


async def _figures(api: Api, day: str) -> dict[str, int]:
    daily = await api.get("/statistics/daily", **{"from": day, "to": day})
    counts = daily["items"][0]["counts"] if daily.get("items") else {}
    return {name: counts.get(name, 0) for name in TODAY}
