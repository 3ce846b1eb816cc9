"""``/scales``: the catalogue of instruments that plans ask."""

from datetime import datetime
from typing import Annotated, Any

from litestar import Controller, Request, Response, get, post
from litestar.params import FromPath
from msgspec import Meta, Struct

from qs.application.plan.cataloguing import Cataloguing
from qs.application.plan.ports import Page as PageOf
from qs.domain.identity.principal import Principal
from qs.domain.plan.errors import ScaleAbsent
from qs.domain.plan.scale import Scale
from qs.interface.rest.bodies import Body, Code
from qs.interface.rest.dependencies import Given, given
from qs.interface.rest.envelope import Success, success
from qs.interface.rest.paging import Page, PageRequest, counted_pages
from qs.interface.rest.plan.examples import a_body_like

READ = {"scope": "scales:read"}
LONGEST_CODE = 64

Title = Annotated[
    str,
    Meta(
        max_length=200,
        pattern=r"^(?=.*\S)[^\x00-\x1f\x7f]+$(?!\n)",
        examples=["PHQ-9 depression scale"],
        extra={"expected": "text without control characters, and more than blanks"},
    ),
]


class TitleBody(Body):
    """The title in each language."""

    zh: Annotated[Title, Meta(examples=["患者健康问卷抑郁量表"])]
    en: Title


class ScaleBody(Body):
    """An instrument; plans may only name published ones."""

    code: Annotated[Code, Meta(examples=["PHQ-9"])]
    title: TitleBody
    version: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=32,
            pattern=r"^[!-~]+$(?!\n)",
            extra={"expected": "visible ASCII characters without blanks"},
        ),
    ] = "1"
    published: bool = True


ScaleRequest = Annotated[
    ScaleBody,
    a_body_like(code="WHO-5", title={"zh": "世界卫生组织幸福感指数", "en": "WHO-5 Well-Being Index"}),
]


class ScaleView(Struct):
    code: str
    title: dict[str, str]
    version: str
    published: bool
    created_at: datetime

    @classmethod
    def of(cls, scale: Scale) -> "ScaleView":
        return cls(scale.code, scale.title, scale.version, scale.published, scale.created_at)


class ScaleController(Controller):
    path = "/scales"
    tags = ("scales",)
    dependencies = {  # noqa: RUF012 - litestar's way to declare
        "catalogue": given("cataloguing"),
        "paging": counted_pages,
    }

    @post("/", opt={"scope": "scales:write", "idempotent": True}, summary="Add a scale")
    async def add(
        self, data: ScaleRequest, request: Request[Principal, Any, Any], catalogue: Given[Cataloguing]
    ) -> Response[Success[ScaleView]]:
        scale = await catalogue.add(
            request.user.home_tenant,
            data.code,
            {"zh": data.title.zh, "en": data.title.en},
            data.version,
            data.published,
            actor=request.user.actor,
        )
        return success(ScaleView.of(scale), 201, {"Location": f"/api/v1/scales/{scale.code}"})

    @get("/", opt=READ, summary="List the scales by code")
    async def index(
        self, request: Request[Principal, Any, Any], catalogue: Given[Cataloguing], paging: Given[PageRequest]
    ) -> Response[Success[Page[ScaleView]]]:
        scales, total = await catalogue.list(request.user.home_tenant, PageOf(paging.page, paging.page_size))
        return success(Page([ScaleView.of(scale) for scale in scales], total, paging.page, paging.page_size))

    @get("/{code:str}", opt=READ, summary="Show a scale")
    async def show(
        self, code: FromPath[str], request: Request[Principal, Any, Any], catalogue: Given[Cataloguing]
    ) -> Response[Success[ScaleView]]:
        if len(code) > LONGEST_CODE:
            raise ScaleAbsent
        return success(ScaleView.of(await catalogue.get(request.user.home_tenant, code)))
