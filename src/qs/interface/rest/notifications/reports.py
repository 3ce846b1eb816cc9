"""What becomes of messages later: mails that came back, and what the providers of channels report."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any
from uuid import UUID

from litestar import Request, Response, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import OpenAPIMediaType, Operation, RequestBody, Schema
from litestar.params import FromPath, FromQuery
from msgspec import Meta, Struct

from qs.application.kernel.limiting import RateLimits
from qs.application.notification.ports import DeliveryAbsent
from qs.application.notification.report_ports import (
    MOST_RECEIPTS,
    ReceiptReading,
    ReceiptsUnauthenticated,
)
from qs.application.notification.reporting import Reporting, given_by_hand
from qs.domain.identity.principal import Principal
from qs.domain.notification.bounces import Bounce, read_bounce
from qs.interface.rest.bodies import Body, read_json
from qs.interface.rest.dependencies import Given, given
from qs.interface.rest.envelope import Success, success
from qs.interface.rest.limits import count_miss
from qs.interface.rest.notifications.dto import NotificationView, notification_view
from qs.interface.rest.problems import MEDIA_TYPE, ProblemDetails

JSON = "application/json"
MAIL = "message/rfc822"
FORM = "application/x-www-form-urlencoded"

ChannelName = Annotated[str, Meta(max_length=64, description="Whose provider reports.")]
Key = Annotated[
    str, Meta(max_length=8192, description="The secret, where the settings put it into no header.")
]


class BounceBody(Body):
    """For what is known without the mail server's mail."""

    notification_id: UUID


class ReceiptsView(Struct):
    known: Annotated[int, Meta(description="Of how many messages known here something was reported.")]


def _bounce_body() -> RequestBody:
    ids = Schema(type="string", format="uuid")  # type: ignore[arg-type]
    body = Schema(type="object", properties={"notification_id": ids}, required=["notification_id"])  # type: ignore[arg-type]
    example = {"notification_id": "0190a0b0-c0ff-7ee0-8000-000000000000"}
    content = {
        MAIL: OpenAPIMediaType(schema=Schema(type="string")),  # type: ignore[arg-type]
        JSON: OpenAPIMediaType(schema=body, example=example),
    }
    return RequestBody(content, description="The mail as the mail server wrote it.", required=True)


def _receipts_body() -> RequestBody:
    receipt = Schema(type="object")  # type: ignore[arg-type]
    receipts = Schema(type="array", items=receipt, max_items=MOST_RECEIPTS)  # type: ignore[arg-type]
    content = {
        JSON: OpenAPIMediaType(
            schema=Schema(any_of=[receipt, receipts]), example={"id": "m-1", "status": "delivered"}
        ),
        FORM: OpenAPIMediaType(schema=receipt),
    }
    return RequestBody(content, description="As the provider writes it.", required=True)


@dataclass
class BounceOperation(Operation):
    """The mail that the handler reads by itself, for the document."""

    request_body: RequestBody | None = field(default_factory=_bounce_body)

    def __post_init__(self) -> None:
        # litestar passes what it found in the signature, which is nothing.
        self.request_body = _bounce_body()


@dataclass
class ReceiptsOperation(Operation):
    """The receipts that the handler reads by itself, for the document."""

    request_body: RequestBody | None = field(default_factory=_receipts_body)

    def __post_init__(self) -> None:
        # litestar passes what it found in the signature, which is nothing.
        self.request_body = _receipts_body()


@post(
    "/notifications/bounces",
    opt={"scope": "notifications:write", "consumes": (MAIL, JSON)},
    status_code=200,
    dependencies={"reporting": given("reporting")},
    tags=["notifications"],
    summary="Report a mail that came back",
    operation_class=BounceOperation,
)
async def report_bounce(
    request: Request[Principal, Any, Any], reporting: Given[Reporting]
) -> Response[Success[NotificationView]]:
    """Takes the delivery status notification (RFC 3464) of a mail server. A mail that is lost makes its notification dead
    with the reason `bounced`; one that is merely late changes nothing. Repeating it is harmless.
    """
    principal = request.user
    bounce = await _bounce(request)
    delivery = await reporting.bounced(principal.home_tenant, bounce, actor=principal.actor)
    return success(notification_view(delivery))


@post(
    "/notifications/receipts/{channel:str}",
    opt={"public": True, "loose_query": True, "consumes": (JSON, FORM)},
    status_code=200,
    dependencies={
        "reporting": given("reporting"),
        "readers": given("receipt_reading"),
        "limits": given("rate_limits"),
    },
    tags=["notifications"],
    summary="Report what became of messages",
    operation_class=ReceiptsOperation,
    responses={
        401: ResponseSpec(
            ProblemDetails, description="Not the provider.", media_type=MEDIA_TYPE, generate_examples=False
        )
    },
)
async def report_receipts(
    channel: FromPath[ChannelName],
    request: Request[Any, Any, Any],
    reporting: Given[Reporting],
    readers: Given[Mapping[str, ReceiptReading]],
    limits: Given[RateLimits],
    key: FromQuery[Key] = "",
) -> Response[Success[ReceiptsView]]:
    """For the provider of the channel, who shows the secret of the settings or signs with it. Receipts may come twice."""
    reader = readers.get(channel)
    if reader is None:
        raise DeliveryAbsent
    body = await request.body()
    headers = {name.lower(): value for name, value in request.headers.items()}
    try:
        receipts = reader.read(headers, key or None, _media_type(request), body)
    except ReceiptsUnauthenticated:
        await count_miss(request, limits, None)
        raise
    return success(ReceiptsView(await reporting.received(channel, receipts)))


async def _bounce(request: Request[Any, Any, Any]) -> Bounce:
    body = await request.body()
    if _media_type(request) == MAIL:
        return read_bounce(body)
    return given_by_hand(read_json(body, BounceBody).notification_id)


def _media_type(request: Request[Any, Any, Any]) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()
