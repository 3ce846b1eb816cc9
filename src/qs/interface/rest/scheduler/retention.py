"""The duty that forgets, for whoever drives qs from outside; it looks after the whole installation, not after a tenant."""

from typing import Any
from uuid import UUID

from litestar import Request, Response, post
from litestar.openapi.datastructures import ResponseSpec
from msgspec import Struct

from qs.application.kernel.limiting import DUTIES
from qs.application.scheduler.executing import DutyExecutions
from qs.domain.identity.principal import Principal
from qs.domain.kernel.errors import Forbidden
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.interface.rest.dependencies import Given, given
from qs.interface.rest.envelope import Success
from qs.interface.rest.executions import AcceptedView, Async, answer_execution


class RetentionForInstallation(Forbidden):
    code = "retention.for_installation"
    sentence = (
        "retention removes what is old of every tenant, so a tenant cannot ask for it; use a platform account, or one of "
        "the default tenant"
    )


class RetentionView(Struct):
    """How many of each were removed, of all tenants, and which months of the history of jobs came and went."""

    execution_id: UUID
    job_partitions_made: int
    job_months_dropped: int
    job_slots: int
    job_notices: int
    broker_requests: int
    webhook_deliveries: int
    webhook_orphans: int
    webhook_messages: int
    outbox: int
    inbox: int
    messages: int
    grant_uses: int
    executions: int
    slots: int
    idempotency_keys: int
    alerts: int
    stream_entries: int


_ANSWERS = {
    200: ResponseSpec(Success[RetentionView], description="Done."),
    202: ResponseSpec(Success[AcceptedView], description="Accepted; see Location."),
}


@post(
    "/retention",
    opt={"scope": "tasks:schedule", "platform": True, "limit": DUTIES},
    status_code=200,
    tags=["duties"],
    summary="Remove what was kept long enough",
    responses=_ANSWERS,
    dependencies={"executions": given("duty_executions")},
)
async def retention(
    request: Request[Principal, Any, Any],
    executions: Given[DutyExecutions],
    in_background: Async = False,
) -> Response[Any]:
    """As the settings `retention.*` say, of all tenants, so for platform accounts and the default tenant's.

    Safe at any time, concurrently and repeatedly.
    """
    # What goes and when is said by the settings alone, so that it is no more than a duty for whoever may run those of the
    # tenant that the installation began with, as the accounts of existing crontabs may.
    caller = request.user
    if not caller.is_platform and caller.tenant_id != DEFAULT_TENANT:
        raise RetentionForInstallation
    return await answer_execution(executions, "retention", caller, {}, in_background=in_background)
