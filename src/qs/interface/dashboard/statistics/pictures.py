"""Pictures of figures on pages, each above the table with its numbers, and the files they are."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from litestar import Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from qs.interface.dashboard.asking import Api, segment
from qs.interface.dashboard.pages import text_of
from qs.interface.dashboard.reader import Reader, reader_of

READ = {"scope": "statistics:read", "loose_query": True}
_SUFFIX = ".svg"
_ASKED = ("dimension", "key", "from", "to", "theme", "lang")
_KEPT = ("cache-control", "content-security-policy", "etag")
# In CSS pixels, as the drawing library makes them.
_WIDTH = 864
_HEIGHTS = {"trend": 614, "completion": 518, "retention": 566}


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture on a page: what it says in words, where it is, where its dark one is if the system decides, its size."""

    alt: str
    source: str
    dark_source: str | None
    width: int
    height: int


@get("/statistics/picture/{picture_file:str}", opt=READ)
async def picture(picture_file: FromPath[str], request: Request[Any, Any, Any]) -> Response[Any]:
    """The file of a picture, as the API draws it."""
    name = picture_file.removesuffix(_SUFFIX)
    if name == picture_file:
        raise NotFoundException
    seen = request.headers.get("if-none-match")
    answer = await Api(request, reader_of(request).language).ask(
        "GET",
        f"/statistics/pictures/{segment(name)}",
        query={each: request.query_params.get(each) for each in _ASKED},
        headers={"if-none-match": seen} if seen else None,
    )
    kept = {each: answer.headers[each] for each in _KEPT if each in answer.headers}
    return Response(
        answer.data,
        status_code=answer.status,
        media_type="image/svg+xml",
        # Who signs in after somebody else sees nothing of what the browser kept for that one.
        headers={**kept, "Vary": "Cookie"},
    )


def by_date(reader: Reader, figures: Mapping[str, Any], daily: Mapping[str, Any]) -> list[Shown]:
    """Tasks a day and how many were answered, of the dates that the page lists; of a plan the latter by occasion."""
    items = daily["items"]
    if not items:
        return []
    span = {"from": daily["from"], "to": daily["to"]}
    between = {"first": daily["from"], "last": daily["to"]}
    whose = _whose(figures, figures["as_of"])
    outcomes = ("opened", "completed", "expired", "missed")
    totals = {name: sum(each["counts"][name] for each in items) for name in outcomes}
    trend = text_of(reader, "statistics.alt_trend", **between, **totals)
    found = [_shown(reader, "trend", trend, whose | span)]
    if daily["dimension"] == "plan":
        return found + [each for name, each in of_plan(reader, figures).items() if name == "completion"]
    rates = [each["rates"]["completion"] for each in items]
    answered = {part: sum(each[part] for each in rates) for part in ("n", "d")}
    completion = text_of(reader, "statistics.alt_by_day", **between, **answered)
    return [*found, _shown(reader, "completion", completion, whose | span)]


def of_plan(reader: Reader, figures: Mapping[str, Any]) -> dict[str, Shown]:
    """Completion by occasion and how long people stay, as far as there is something to see."""
    whose = _whose(figures, figures["counted_at"])
    found: dict[str, Shown] = {}
    if closed := [each for each in figures["occasions"] if each["completion"]["d"]]:
        first, last = closed[0], closed[-1]
        completion = text_of(
            reader,
            "statistics.alt_by_occasion",
            first=first["seq"],
            last=last["seq"],
            began=_percent(first["completion"]["rate"]),
            ended=_percent(last["completion"]["rate"]),
        )
        found["completion"] = _shown(reader, "completion", completion, whose)
    survival = figures["survival"]
    if survival["times"]:
        retention = text_of(
            reader,
            "statistics.alt_retention",
            n=survival["at_risk"][0],
            share=_percent(survival["survival"][-1]),
            days=f"{survival['times'][-1]:g}",
        )
        found["retention"] = _shown(reader, "retention", retention, whose)
    return found


def _whose(figures: Mapping[str, Any], as_of: str | None) -> dict[str, str]:
    # What was brought up to date is at another address, so that no browser shows what it kept of before.
    whose = {"as_of": as_of or ""}
    if figures["dimension"] != "tenant":
        whose |= {"dimension": figures["dimension"], "key": figures["key"]}
    return whose


def _shown(reader: Reader, name: str, alt: str, query: Mapping[str, str]) -> Shown:
    def source(theme: str) -> str:
        asked = urlencode({**query, "lang": reader.language, "theme": theme})
        return f"/dashboard/statistics/picture/{name}{_SUFFIX}?{asked}"

    follows_system = reader.theme == "auto"
    return Shown(
        alt,
        source("light" if follows_system else reader.theme),
        source("dark") if follows_system else None,
        _WIDTH,
        _HEIGHTS[name],
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
