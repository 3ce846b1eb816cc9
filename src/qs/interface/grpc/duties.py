"""What the methods of ``qs.plan.v1.PlanDuties`` do, which is what the routes of the same duties do."""

from typing import Any

from google.protobuf.json_format import ParseDict
from msgspec import to_builtins

from qs.application.kernel.limiting import DUTIES, WRITING
from qs.domain.identity.principal import Principal
from qs.domain.scheduler.execution import FiredBy
from qs.interface.grpc.calls import Method
from qs.interface.grpc.v1 import plan_duties_pb2 as messages
from qs.interface.rest.bodies import build
from qs.interface.rest.plan.duties import DutyQuery, parameters_of
from qs.interface.rest.plan.references import task_named
from qs.interface.rest.plan.task_dto import TaskView

SERVICE = messages.DESCRIPTOR.services_by_name["PlanDuties"].full_name


async def _schedule_pending_tasks(container: Any, caller: Principal, request: Any) -> Any:
    return await _carry_out("sweep", container, caller, request)


async def _expire_overdue_tasks(container: Any, caller: Principal, request: Any) -> Any:
    return await _carry_out("expiry", container, caller, request)


async def _carry_out(duty: str, container: Any, caller: Principal, request: Any) -> Any:
    given = {"before": request.before} if request.before else {}
    if request.HasField("limit"):
        given["limit"] = request.limit
    query = build(given, DutyQuery)
    done = await container.duty_executions().run(
        duty,
        # To the executions this is a call from outside like one over HTTP.
        fired_by=FiredBy.HTTP,
        actor=caller.actor,
        tenant_id=caller.home_tenant,
        parameters=await parameters_of(query, caller, container.before_reading()),
    )
    return ParseDict({"execution_id": str(done.execution_id), **done.result}, messages.SweepReport())


async def _expire_task(container: Any, caller: Principal, request: Any) -> Any:
    task = await container.task_operating().expire(
        caller.home_tenant,
        task_named(request.task_id),
        actor=caller.actor,
        early=caller.may("tasks:write"),
    )
    return ParseDict(to_builtins(TaskView.of(task)), messages.Task())


METHODS = (
    Method(
        "SchedulePendingTasks",
        messages.SchedulePendingTasksRequest,
        _schedule_pending_tasks,
        scopes=("tasks:schedule",),
        limit=DUTIES,
        platform=True,
    ),
    Method(
        "ExpireOverdueTasks",
        messages.ExpireOverdueTasksRequest,
        _expire_overdue_tasks,
        scopes=("tasks:schedule",),
        limit=DUTIES,
        platform=True,
    ),
    Method(
        "ExpireTask",
        messages.ExpireTaskRequest,
        _expire_task,
        scopes=("tasks:write", "tasks:schedule"),
        limit=WRITING,
    ),
)
