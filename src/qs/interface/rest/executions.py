"""Duties over HTTP: carried out while the caller waits, or queued and read by their execution."""

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from litestar import Response
from litestar.params import QueryParameter
from msgspec import Struct

from qs.application.scheduler.executing import DutyExecutions
from qs.domain.identity.principal import Principal
from qs.domain.scheduler.execution import ExecutionStatus, FiredBy
from qs.interface.rest.envelope import success

Async = Annotated[
    bool,
    QueryParameter(name="async", description="Answer 202 at once; Location says where the result will be."),
]


class AcceptedView(Struct):
    """An execution that has been queued."""

    execution_id: UUID
    status: ExecutionStatus


async def answer_execution(
    executions: DutyExecutions,
    duty: str,
    caller: Principal,
    parameters: Mapping[str, Any],
    *,
    in_background: bool,
) -> Response[Any]:
    """200 with what the duty returned and its execution's id, or 202 and where to look.

    A duty that another execution is at names that one instead.
    """
    asked: dict[str, Any] = {
        "fired_by": FiredBy.HTTP,
        "actor": caller.actor,
        "tenant_id": caller.home_tenant,
        "parameters": parameters,
    }
    if in_background:
        execution_id = await executions.start_in_background(duty, **asked)
        location = {"Location": f"/api/v1/scheduler/executions/{execution_id}"}
        return success(AcceptedView(execution_id, ExecutionStatus.QUEUED), 202, location)
    done = await executions.run(duty, **asked)
    return success({"execution_id": done.execution_id, **done.result})
