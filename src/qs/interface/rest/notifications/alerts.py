"""``/alerts``: what staff are told of when something goes wrong."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Request, Response, get
from litestar.params import FromQuery
from msgspec import Meta, Struct

from qs.application.notification.alert_explaining import explanation
from qs.application.notification.alert_ports import AlertFilter, AlertPosition
from qs.application.notification.alert_reading import AlertReading
from qs.domain.identity.principal import Principal
from qs.domain.kernel.ids import PLATFORM_TENANT
from qs.domain.notification.alerts import Alert, AlertKind
from qs.interface.rest.dependencies import Given, given
from qs.interface.rest.envelope import Success, success
from qs.interface.rest.paging import CursorToken, PageSize, Slice, read_cursor, write_cursor


class AlertStatus(StrEnum):
    OPEN = "open"
    RECOVERED = "recovered"


class AlertView(Struct, kw_only=True):
    """One kind of trouble with one subject; trouble that comes back is the same alert again. All instants are business time."""

    id: UUID
    kind: AlertKind
    subject: Annotated[
        str,
        Meta(
            description="The enrollment, plan, duty, channel, subscriber or webhook it is about.",
            examples=["sweep"],
        ),
    ]
    status: AlertStatus
    concerns: Annotated[
        str,
        Meta(description="`tenant`, or `installation` for what every tenant shares.", examples=["tenant"]),
    ]
    count: Annotated[int, Meta(description="How often it happened since `first_seen_at`.", examples=[3])]
    untold: Annotated[int, Meta(description="How much of it no message has spoken of yet.", examples=[0])]
    first_seen_at: datetime
    last_seen_at: datetime
    last_told_at: Annotated[datetime | None, Meta(description="Null: staff were not told yet.")]
    recovered_at: Annotated[datetime | None, Meta(description="Null while it goes on.")]
    facts: Annotated[
        dict[str, str],
        Meta(description="Ids and reasons that it was found with.", examples=[{"task_id": "…"}]),
    ]
    explain: Annotated[str, Meta(description="The command that shows more.", examples=["qs task explain …"])]
    explain_path: Annotated[str | None, Meta(description="The same over HTTP.")]


def alert_view(alert: Alert) -> AlertView:
    explained = explanation(alert.kind, alert.subject, alert.facts)
    return AlertView(
        id=alert.id,
        kind=alert.kind,
        subject=alert.subject,
        status=AlertStatus.OPEN if alert.is_open else AlertStatus.RECOVERED,
        concerns="installation" if alert.tenant_id == PLATFORM_TENANT else "tenant",
        count=alert.count,
        untold=alert.untold,
        first_seen_at=alert.first_seen_at.astimezone(UTC),
        last_seen_at=alert.last_seen_at.astimezone(UTC),
        last_told_at=alert.last_told_at and alert.last_told_at.astimezone(UTC),
        recovered_at=alert.recovered_at and alert.recovered_at.astimezone(UTC),
        facts=dict(alert.facts),
        explain=explained.command,
        explain_path=explained.path,
    )


class AlertController(Controller):
    path = "/alerts"
    tags = ("notifications",)
    dependencies = {"reading": given("alert_reading")}  # noqa: RUF012 - litestar's way to declare

    @get("/", opt={"scope": "notifications:read"}, summary="List alerts, those met last first")
    async def index(
        self,
        request: Request[Principal, Any, Any],
        reading: Given[AlertReading],
        status: FromQuery[AlertStatus | None] = None,
        kind: FromQuery[AlertKind | None] = None,
        cursor: FromQuery[CursorToken | None] = None,
        page_size: FromQuery[PageSize] = 20,
    ) -> Response[Success[Slice[AlertView]]]:
        """The tenant's, and those of the whole installation. One that is met again meanwhile moves to the front."""
        position = read_cursor("alerts", cursor, datetime, UUID)
        page = await reading.list(
            request.user.home_tenant,
            AlertFilter(kind, None if status is None else status is AlertStatus.OPEN),
            after=AlertPosition(*position) if position else None,
            limit=page_size,
        )
        more = write_cursor("alerts", page.after.last_seen_at, page.after.id) if page.after else None
        return success(Slice([alert_view(alert) for alert in page.alerts], more))
