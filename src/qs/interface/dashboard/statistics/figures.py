"""Figures of the tenant, a scale, a plan or a testee: windows, each date with pictures of them, and the same as CSV."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from litestar import Request, Response, get

from qs.domain.kernel.errors import Invalid, Problem
from qs.interface.dashboard.asking import Api, ApiRefused, segment
from qs.interface.dashboard.pages import render
from qs.interface.dashboard.reader import reader_of, zone_named
from qs.interface.dashboard.statistics.pictures import READ, by_date

DIMENSIONS = ("tenant", "scale", "plan", "testee")
SHOWN = ("enrolled", "opened", "completed", "on_time", "expired", "missed", "canceled")
_USUAL = timedelta(days=29)


@get("/statistics", opt=READ)
async def statistics_page(request: Request[Any, Any, Any]) -> Response[Any]:
    return await show_statistics(request)


@get("/statistics/daily.csv", opt=READ)
async def daily_csv(request: Request[Any, Any, Any]) -> Response[Any]:
    """The dates of the page as a spreadsheet reads them."""
    api = Api(request, reader_of(request).language)
    answer = await api.ask(
        "GET", "/statistics/daily", query=_span(request, None), headers={"accept": "text/csv"}
    )
    kept = {name: answer.headers[name] for name in ("content-disposition",) if name in answer.headers}
    return Response(answer.data, media_type="text/csv; charset=utf-8", headers=kept)


async def show_statistics(
    request: Request[Any, Any, Any],
    *,
    refused: ApiRefused | None = None,
    checked: Any = None,
    synced: list[Any] | None = None,
) -> Response[Any]:
    """The page, with what a check or a sync came to."""
    query = request.query_params
    reader = reader_of(request)
    api = Api(request, reader.language)
    dimension, key = query.get("dimension") or "tenant", query.get("key", "").strip()
    wrong = refused
    figures: Any = None
    daily: Any = None
    drawing: Any = None
    try:
        figures = await api.get(_path(dimension, key))
        daily = await api.get("/statistics/daily", **_span(request, figures["timezone"]))
        drawing = await api.get("/statistics/pictures")
    except ApiRefused as error:
        wrong = wrong or error
    return render(
        request,
        "statistics/statistics.html",
        status=wrong.status if wrong else 200,
        wrong=wrong,
        figures=figures,
        daily=daily,
        pictures=by_date(reader, figures, daily) if drawing and drawing["items"] else [],
        install=drawing["install"] if drawing else None,
        dimension=dimension,
        dimensions=DIMENSIONS,
        key=key,
        shown=SHOWN,
        checked=checked,
        synced=synced,
        most=max((each["counts"]["opened"] for each in daily["items"]), default=0) if daily else 0,
    )


def _path(dimension: str, key: str) -> str:
    if dimension == "tenant":
        return "/statistics/system"
    if dimension not in DIMENSIONS:
        raise Invalid([Problem("/dimension", f"must be one of {', '.join(DIMENSIONS)}")])
    return f"/statistics/{dimension}s/{segment(key or '-')}"


def _span(request: Request[Any, Any, Any], zone: str | None) -> dict[str, str]:
    """The dates that are asked for, the last thirty unless said."""
    query = request.query_params
    until = _date(query.get("to")) or datetime.now(UTC).astimezone(zone_named(zone or "") or UTC).date()
    since = _date(query.get("from")) or until - _USUAL
    span = {"from": since.isoformat(), "to": until.isoformat()}
    if (dimension := query.get("dimension") or "tenant") != "tenant":
        span |= {"dimension": dimension, "key": query.get("key", "").strip()}
    return span


def _date(text: str | None) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise Invalid([Problem("/from", "must be a date such as 2026-03-01")]) from error
