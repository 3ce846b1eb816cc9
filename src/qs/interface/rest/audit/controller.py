"""``/audit``: who did what."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Request, Response, get
from litestar.params import FromQuery, QueryParameter
from msgspec import Meta

from qs.application.kernel.audit_reading import AuditFilter, AuditReading
from qs.domain.identity.principal import Principal
from qs.interface.rest.audit.dto import AuditView
from qs.interface.rest.bodies import Instant
from qs.interface.rest.dependencies import Given, given
from qs.interface.rest.envelope import Success, success
from qs.interface.rest.paging import CursorToken, PageSize, Slice, read_cursor, write_cursor

Action = Annotated[
    str, Meta(min_length=1, max_length=100, description="Only this.", examples=["plan.created"])
]
Actor = Annotated[str, Meta(min_length=1, max_length=200, description="Only what this caller did.")]
Subject = Annotated[UUID, Meta(description="Only about the plan, task, user … of this id.")]
From = Annotated[
    Instant | None, QueryParameter(name="from", description="Only what was written then or later.")
]
To = Annotated[Instant | None, QueryParameter(name="to", description="Only what was written before.")]


class AuditController(Controller):
    path = "/audit"
    tags = ("audit",)
    dependencies = {"reading": given("audit_reading")}  # noqa: RUF012 - litestar's way to declare

    @get("/", opt={"scope": "audit:read"}, summary="List audit records, newest first")
    async def index(
        self,
        request: Request[Principal, Any, Any],
        reading: Given[AuditReading],
        action: FromQuery[Action | None] = None,
        actor: FromQuery[Actor | None] = None,
        subject: FromQuery[Subject | None] = None,
        from_: From = None,
        to: To = None,
        cursor: FromQuery[CursorToken | None] = None,
        page_size: FromQuery[PageSize] = 20,
    ) -> Response[Success[Slice[AuditView]]]:
        """A page looks at 10,000 records at most: with a filter it may be short, even empty, and have a `next_cursor`."""
        position = read_cursor("audit", cursor, UUID)
        page = await reading.list(
            request.user.home_tenant,
            AuditFilter(action, actor, subject, from_, to),
            before=position[0] if position else None,
            size=page_size,
        )
        more = write_cursor("audit", page.before) if page.before else None
        return success(Slice([AuditView.of(entry) for entry in page.entries], more))
