"""``/scheduler/nodes`` and ``/scheduler/queues``: the processes that work, and what waits for them."""

from datetime import UTC, datetime
from typing import Annotated, Any

from litestar import Controller, Request, Response, get, post
from litestar.params import FromPath
from msgspec import Meta, Struct

from qs.application.scheduler.nodes import Node, NodeDraining, NodeReading, Queues
from qs.domain.identity.principal import Principal
from qs.domain.scheduler.errors import NodeAbsent
from qs.interface.rest.dependencies import Given, given
from qs.interface.rest.envelope import Success, success
from qs.interface.rest.scheduler.permissions import (
    READING,
    WRITING,
    ConcernsEverybody,
    acts_for_installation,
    sees_machines,
    without_machine,
)


class NodeView(Struct):
    """A role at work in a process. `held`: how many executions its process works on, whoever they are of."""

    id: str
    role: str
    host: Annotated[
        str | None, Meta(description="Null for who may not know, in whose `id` it is not either.")
    ]
    started_at: datetime
    seen_at: datetime
    alive: Annotated[bool, Meta(description="It gave a sign of life in the last 30 s.")]
    draining: Annotated[bool, Meta(description="It begins nothing more.")]
    clock_offset_ms: Annotated[int | None, Meta(description="Of its machine's clock from the database's.")]
    held: int

    @classmethod
    def of(cls, node: Node, *, machine: bool) -> "NodeView":
        """``machine``: with the host and the process it is."""
        return cls(
            id=node.id if machine else without_machine(node.id),
            role=node.role,
            host=node.host if machine else None,
            started_at=node.started_at.astimezone(UTC),
            seen_at=node.seen_at.astimezone(UTC),
            alive=node.is_alive,
            draining=node.draining,
            clock_offset_ms=node.clock_offset_ms,
            held=node.held,
        )


class QueueView(Struct):
    """What of the tenant's executions is in a queue; done, failed and other are of the last 24 hours."""

    name: str
    waiting: int
    running: int
    retrying: int
    done: int
    failed: int
    other: Annotated[int, Meta(description="Canceled, replaced, skipped, missed.")]


class QueuesView(Struct):
    queues: list[QueueView]
    at_least: Annotated[bool, Meta(description="There was more than is counted for one answer.")]

    @classmethod
    def of(cls, queues: Queues) -> "QueuesView":
        return cls(
            [
                QueueView(
                    state.name,
                    state.waiting,
                    state.running,
                    state.retrying,
                    state.done,
                    state.failed,
                    state.other,
                )
                for state in queues.states
            ],
            queues.at_least,
        )


class NodeController(Controller):
    path = "/scheduler"
    tags = ("scheduler",)
    dependencies = {  # noqa: RUF012 - litestar's way to declare
        "nodes": given("node_reading"),
        "draining": given("node_draining"),
    }

    @get("/nodes", opt=READING, summary="List the nodes")
    async def index(
        self, request: Request[Principal, Any, Any], nodes: Given[NodeReading]
    ) -> Response[Success[list[NodeView]]]:
        """One for each role of each process, until a day after its last sign of life. Hosts and process numbers are
        for platform accounts and the default tenant's holders of `scheduler:write`."""
        machine = sees_machines(request.user)
        return success([NodeView.of(node, machine=machine) for node in await nodes.nodes()])

    @post("/nodes/{node_id:str}/drain", opt=WRITING, status_code=200, summary="Drain a node")
    async def drain(
        self,
        node_id: FromPath[str],
        request: Request[Principal, Any, Any],
        nodes: Given[NodeReading],
        draining: Given[NodeDraining],
    ) -> Response[Success[NodeView]]:
        """It finishes what it holds and begins nothing more; for platform accounts and the first tenant's administrators."""
        if not acts_for_installation(request.user):
            raise ConcernsEverybody
        await draining.drain(request.user.home_tenant, node_id, actor=request.user.actor)
        found = next((node for node in await nodes.nodes() if node.id == node_id), None)
        if found is None:
            raise NodeAbsent
        return success(NodeView.of(found, machine=True))

    @get("/queues", opt=READING, summary="Show what waits and works in the queues")
    async def queues(
        self, request: Request[Principal, Any, Any], nodes: Given[NodeReading]
    ) -> Response[Success[QueuesView]]:
        return success(QueuesView.of(await nodes.queues(request.user.home_tenant)))
