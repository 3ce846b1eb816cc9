"""Queues, processes, and the switch that stops and starts timed firing everywhere."""

from typing import Any

from litestar import Request, Response, get, post
from litestar.params import FromPath

from qs.domain.kernel.errors import Absent
from qs.interface.dashboard.asking import Api, ApiRefused, segment
from qs.interface.dashboard.forms import FORM, read_form
from qs.interface.dashboard.pages import go_to, render
from qs.interface.dashboard.reader import reader_of
from qs.interface.dashboard.scheduler.jobs import JOBS, READ

WRITE = {"scope": "scheduler:write", "loose_query": True}


@get("/scheduler/queues", opt=READ)
async def queues_page(request: Request[Any, Any, Any]) -> Response[Any]:
    api = Api(request, reader_of(request).language)
    queues, status = await api.together(api.get("/scheduler/queues"), api.get("/scheduler/status"))
    return render(request, "scheduler/queues.html", queues=queues, clock_status=status)


@get("/scheduler/nodes", opt=READ)
async def nodes_page(request: Request[Any, Any, Any]) -> Response[Any]:
    return await _nodes(request)


@post("/scheduler/nodes/{node_id:str}/drain", status_code=200, opt={**WRITE, "consumes": (FORM,)})
async def drain_node(node_id: FromPath[str], request: Request[Any, Any, Any]) -> Response[Any]:
    await read_form(request)
    try:
        await Api(request, reader_of(request).language).ask(
            "POST", f"/scheduler/nodes/{segment(node_id)}/drain"
        )
    except ApiRefused as refused:
        return await _nodes(request, refused)
    return go_to(f"{JOBS}/nodes", "node_drained")


@get("/scheduler/switch/{way:str}", opt=WRITE)
async def switch_page(way: FromPath[str], request: Request[Any, Any, Any]) -> Response[Any]:
    """What stopping or starting would do, before it is done."""
    return await _switch(request, way)


@post("/scheduler/switch/{way:str}", status_code=200, opt={**WRITE, "consumes": (FORM,)})
async def switch_clock(way: FromPath[str], request: Request[Any, Any, Any]) -> Response[Any]:
    await read_form(request)
    try:
        await Api(request, reader_of(request).language).ask("POST", f"/scheduler/{_way(way)}")
    except ApiRefused as refused:
        return await _switch(request, way, refused)
    return go_to(JOBS, f"clock_{way}")


async def _nodes(request: Request[Any, Any, Any], refused: ApiRefused | None = None) -> Response[Any]:
    nodes = await Api(request, reader_of(request).language).get("/scheduler/nodes")
    return render(
        request, "scheduler/nodes.html", status=refused.status if refused else 200, nodes=nodes, wrong=refused
    )


async def _switch(
    request: Request[Any, Any, Any], way: str, refused: ApiRefused | None = None
) -> Response[Any]:
    status = await Api(request, reader_of(request).language).get("/scheduler/status")
    return render(
        request,
        "scheduler/switch.html",
        status=refused.status if refused else 200,
        way=_way(way),
        clock_status=status,
        wrong=refused,
    )


def _way(way: str) -> str:
    if way not in ("start", "stop"):
        raise Absent("timed firing is started and stopped; there is no other way to switch it")
    return way
