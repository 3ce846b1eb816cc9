"""``POST /plans/{id}/enrollments/bulk``: many testees at once, as JSON or CSV, with an answer for every row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from litestar import Request, Response, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import OpenAPIMediaType, Operation, RequestBody, Schema
from litestar.params import FromQuery
from msgspec import Meta

from qs.application.plan.bulk_enrolling import MAX_ROWS, BulkEnrolling
from qs.application.plan.row_reading import FIELDS, read_csv
from qs.domain.identity.principal import Principal
from qs.interface.rest.bodies import BULK_BODY_BYTES, read_json
from qs.interface.rest.csv_answers import CSV
from qs.interface.rest.dependencies import Given, given
from qs.interface.rest.envelope import Success, success
from qs.interface.rest.plan.bulk_dto import BulkBody, BulkView, RowsProblem, RowsRefused
from qs.interface.rest.plan.references import PlanPath, plan_named
from qs.interface.rest.problems import MEDIA_TYPE

JSON = "application/json"

DryRun = Annotated[bool, Meta(description="Answer what would become of every row, and write nothing.")]
AllOrNothing = Annotated[bool, Meta(description="Write nothing if one row fails; that is answered with 422.")]


def _request_body() -> RequestBody:
    row = Schema(type="object", properties={name: Schema() for name in FIELDS}, required=["start_date"])  # type: ignore[arg-type]
    rows = Schema(type="array", items=row, min_items=1, max_items=MAX_ROWS)  # type: ignore[arg-type]
    body = Schema(type="object", properties={"rows": rows}, required=["rows"])  # type: ignore[arg-type]
    example = {"rows": [{"external_id": "P-0001", "start_date": "2026-07-01", "name": "Li Lei"}]}
    lines = "external_id,start_date,name\nP-0001,2026-07-01,Li Lei\n"
    content = {
        JSON: OpenAPIMediaType(schema=body, example=example),
        CSV: OpenAPIMediaType(schema=Schema(type="string"), example=lines),  # type: ignore[arg-type]
    }
    return RequestBody(content, description="Rows as JSON or as CSV with a header line.", required=True)


@dataclass
class BulkOperation(Operation):
    """What the handler reads by itself, for the document."""

    request_body: RequestBody | None = field(default_factory=_request_body)

    def __post_init__(self) -> None:
        # litestar passes what it found in the signature, which is nothing.
        self.request_body = _request_body()


def answer_refused_rows(request: Request[Any, Any, Any], error: RowsRefused) -> Response[Any]:
    """The problem as everywhere, and the rows beside it."""
    response = request.app.exception_handlers[Exception](request, error)
    response.content = RowsProblem.of(response.content, error.view)
    return response


@post(
    "/plans/{plan_id:str}/enrollments/bulk",
    opt={"scope": "plans:write", "idempotent": True, "consumes": (JSON, CSV)},
    status_code=200,
    request_max_body_size=BULK_BODY_BYTES,
    dependencies={"bulk_enrolling": given("bulk_enrolling")},
    exception_handlers={RowsRefused: answer_refused_rows},
    tags=["enrollments"],
    summary="Enroll many testees",
    operation_class=BulkOperation,
    responses={
        422: ResponseSpec(
            RowsProblem, description="All or nothing was asked for and a row failed.", media_type=MEDIA_TYPE
        )
    },
)
async def enroll_many(
    plan_id: PlanPath,
    request: Request[Principal, Any, Any],
    bulk_enrolling: Given[BulkEnrolling],
    dry_run: FromQuery[DryRun] = False,
    all_or_nothing: FromQuery[AllOrNothing] = False,
) -> Response[Success[BulkView]]:
    """A failing row leaves the others alone. An unknown `external_id` creates the testee, a known one is left as it is."""
    plan = plan_named(plan_id)
    result = await bulk_enrolling.enroll_many(
        request.user.home_tenant,
        plan,
        await _rows(request),
        actor=request.user.actor,
        dry_run=dry_run,
        all_or_nothing=all_or_nothing,
    )
    view = BulkView.of(result)
    if all_or_nothing and view.failed:
        raise RowsRefused(view)
    return success(view)


async def _rows(request: Request[Any, Any, Any]) -> Sequence[Mapping[str, Any]]:
    body = await request.body()
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() == CSV:
        # One more than may be sent is enough to refuse them all.
        return read_csv(body, at_most=MAX_ROWS + 1)
    rows: Sequence[Mapping[str, Any]] = read_json(body, BulkBody).rows
    return rows
