"""``/scheduler/start``, ``stop`` and ``status``: whether time fires anything, and how far behind it is."""

from typing import Annotated, Any

from litestar import Controller, Request, Response, get, post
from msgspec import Meta, Struct

from qs.application.scheduler.job_reading import JobReading, Stopped
from qs.application.scheduler.nodes import NodeReading, held_by
from qs.application.scheduler.switching import JobSwitching
from qs.domain.identity.principal import Principal
from qs.domain.kernel.ids import PLATFORM_TENANT
from qs.interface.rest.dependencies import Given, given
from qs.interface.rest.envelope import Success, success
from qs.interface.rest.scheduler.permissions import READING, WRITING, acts_for_installation


class SwitchView(Struct):
    """Whether time fires the jobs of the tenant. `changed`: it was otherwise before."""

    firing: bool
    stopped: Annotated[Stopped | None, Meta(description="Whose switch is off.")]
    changed: bool


class StatusView(Struct):
    """How the scheduler stands."""

    firing: bool
    stopped: Annotated[Stopped | None, Meta(description="Whose switch is off.")]
    lag_s: Annotated[
        float,
        Meta(description="For how long the oldest due job or execution of the tenant has been waiting."),
    ]
    nodes: Annotated[
        dict[str, int], Meta(description="alive, draining, and held: the executions they work on.")
    ]
    jobs: Annotated[dict[str, int], Meta(description="total, enabled, and by status.")]
    executions: Annotated[dict[str, int], Meta(description="waiting, running, retrying.")]


class SwitchController(Controller):
    path = "/scheduler"
    tags = ("scheduler",)
    dependencies = {  # noqa: RUF012 - litestar's way to declare
        "nodes": given("node_reading"),
        "reading": given("job_reading"),
        "switching": given("job_switching"),
    }

    @post("/start", opt=WRITING, status_code=200, summary="Start timed firing")
    async def start(
        self,
        request: Request[Principal, Any, Any],
        reading: Given[JobReading],
        switching: Given[JobSwitching],
    ) -> Response[Success[SwitchView]]:
        """Takes a stop back. What was due meanwhile was not missed, and is not fired late."""
        caller = request.user
        changed = await switching.turn(caller.home_tenant, True, actor=caller.actor)
        if acts_for_installation(caller) and not caller.is_platform:
            changed |= await switching.turn(PLATFORM_TENANT, True, actor=caller.actor)
        stopped = await reading.stopped(caller.home_tenant)
        return success(SwitchView(stopped is None, stopped, changed))

    @post("/stop", opt=WRITING, status_code=200, summary="Stop timed firing")
    async def stop(
        self,
        request: Request[Principal, Any, Any],
        reading: Given[JobReading],
        switching: Given[JobSwitching],
    ) -> Response[Success[SwitchView]]:
        """On every node, until it is started again: the tenant's jobs; everybody's jobs and the duties for a platform
        account or an administrator of the default tenant. What runs goes on, and so do calls over HTTP."""
        caller = request.user
        tenant = PLATFORM_TENANT if acts_for_installation(caller) else caller.home_tenant
        changed = await switching.turn(tenant, False, actor=caller.actor)
        stopped = await reading.stopped(caller.home_tenant)
        return success(SwitchView(stopped is None, stopped, changed))

    @get("/status", opt=READING, summary="Show how the scheduler stands")
    async def status(
        self,
        request: Request[Principal, Any, Any],
        nodes: Given[NodeReading],
        reading: Given[JobReading],
    ) -> Response[Success[StatusView]]:
        tenant = request.user.home_tenant
        stopped = await reading.stopped(tenant)
        firing = stopped is None
        lag = await nodes.lag(tenant)
        alive = [node for node in await nodes.nodes() if node.is_alive]
        states = (await nodes.queues(tenant)).states
        return success(
            StatusView(
                firing=firing,
                stopped=stopped,
                lag_s=lag.seconds(firing=firing),
                nodes={
                    "alive": len(alive),
                    "draining": sum(node.draining for node in alive),
                    "held": held_by(alive),
                },
                jobs=dict(await reading.total(tenant)),
                executions={
                    "waiting": sum(state.waiting for state in states),
                    "running": sum(state.running for state in states),
                    "retrying": sum(state.retrying for state in states),
                },
            )
        )
