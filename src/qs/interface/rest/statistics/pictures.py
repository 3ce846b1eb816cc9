"""``/statistics/pictures``: figures as SVG, with its text as text, for pages and reports."""

from collections.abc import Sequence
from datetime import date
from hashlib import sha256
from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Request, Response, get
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromQuery, PathParameter, QueryParameter
from litestar.status_codes import HTTP_304_NOT_MODIFIED
from msgspec import Meta, Struct

from qs.application.plan.reading import PlanReading
from qs.application.statistics.drawing import Chart, Look, Theme
from qs.application.statistics.picture_words import WORDS, Language
from qs.application.statistics.picturing import Picture, StatisticsPictures, dimensions_of
from qs.domain.identity.principal import Principal
from qs.domain.kernel.errors import Absent
from qs.domain.statistics.errors import NothingCounted, PictureAbsent
from qs.domain.statistics.metrics import Dimension
from qs.interface.rest.dependencies import Given, given
from qs.interface.rest.envelope import Success, success
from qs.interface.rest.etags import has_seen
from qs.interface.rest.statistics.naming import Key, key_named

OPT = {"scope": "statistics:read"}
SVG = "image/svg+xml"
HEADERS = {
    # For whoever asked alone; what is drawn changes with a sync, and not from one second to the next.
    "Cache-Control": "private, max-age=60",
    # Opened by itself it may run nothing and load nothing; its colours are styles of its own.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
}

PicturePath = Annotated[
    str,
    PathParameter(
        description="`trend` (tasks a day), `completion` (the part that was answered; of a plan by occasion, else by "
        "day) or `retention` (how long people stay in a plan).",
        schema_extra={"enum": list(Picture)},
    ),
]
From = Annotated[
    date | None,
    QueryParameter(
        name="from",
        description="The first date of a picture by date; where it is left out, the first there is of the last 400.",
    ),
]
To = Annotated[
    date,
    Meta(
        description="The last date of a picture by date; where it is left out, that of the last sync.",
        examples=["2026-05-31"],
    ),
]
OnGround = Annotated[Theme, Meta(description="Dark letters on light ground, or light ones on dark.")]
InLanguage = Annotated[Language, Meta(description="The language of what stands beside names and numbers.")]
DRAWN = {
    200: ResponseSpec(
        bytes, description="The picture; each of its texts is a `text` element.", media_type=SVG
    )
}


class PictureItem(Struct):
    """A picture and whose figures it can show."""

    name: Picture
    dimensions: list[Dimension]


class PictureList(Struct):
    """The pictures that can be drawn here; none, and what to install, where the drawing library is not there."""

    items: list[PictureItem]
    install: str | None


class PictureController(Controller):
    path = "/statistics/pictures"
    tags = ("statistics",)
    dependencies = {  # noqa: RUF012 - litestar's way to declare
        "pictures": given("statistics_pictures"),
        "people": given("plan_reading"),
    }

    @get("/", opt=OPT, summary="The pictures that can be drawn here")
    async def pictures(self, pictures: Given[StatisticsPictures]) -> Response[Success[PictureList]]:
        install = pictures.missing()
        drawn: Sequence[Picture] = () if install else tuple(Picture)
        return success(PictureList([PictureItem(each, list(dimensions_of(each))) for each in drawn], install))

    @get("/{picture:str}", opt=OPT, summary="A picture of figures", media_type=SVG, responses=DRAWN)
    async def picture(
        self,
        picture: PicturePath,
        request: Request[Principal, Any, Any],
        pictures: Given[StatisticsPictures],
        people: Given[PlanReading],
        dimension: FromQuery[Dimension] = Dimension.TENANT,
        key: FromQuery[Key | None] = None,
        from_: From = None,
        to: FromQuery[To | None] = None,
        theme: FromQuery[OnGround] = Theme.LIGHT,
        lang: FromQuery[InLanguage] = "en",
    ) -> Response[bytes]:
        """Of all of the tenant unless said. `from` and `to` are for pictures by date: at most 400 dates."""
        kind = _picture_named(picture)
        tenant_id = request.user.home_tenant
        look = Look(theme, WORDS[lang])
        whose = await key_named(people, dimension, key, tenant_id)
        chart = await pictures.chart(
            tenant_id,
            kind,
            dimension,
            whose,
            name=await _name(people, tenant_id, dimension, whose),
            period=(from_, to),
            words=look.words,
        )
        tag = _tag(chart, look)
        headers = {**HEADERS, "ETag": f'W/"{tag}"'}
        if has_seen(request, tag):
            return Response(b"", status_code=HTTP_304_NOT_MODIFIED, media_type=SVG, headers=headers)
        drawn = await pictures.draw(chart, look)
        return Response(drawn.content, media_type=SVG, headers=headers)


def _picture_named(text: str) -> Picture:
    try:
        return Picture(text)
    except ValueError as error:
        raise PictureAbsent from error


async def _name(people: PlanReading, tenant_id: UUID, dimension: Dimension, key: str) -> str | None:
    if dimension is not Dimension.PLAN:
        return None
    try:
        return (await people.plan(tenant_id, UUID(key))).terms.name
    except Absent as error:
        raise NothingCounted from error


def _tag(chart: Chart, look: Look) -> str:
    """The same for the same figures in the same look: they are what a picture is drawn from."""
    return sha256(repr((chart, look)).encode()).hexdigest()[:32]
