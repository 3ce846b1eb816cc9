"""What a test asks of its API server: faults, cuts, forgotten history, and a look at everything."""

from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.integration.executors.kubernetes.machinery import Machinery
from tests.integration.executors.kubernetes.store import Object, Store


@dataclass
class Fault:
    """What befalls the next ``count`` requests of one kind. ``late``: they are carried out, and then it happens."""

    verb: str
    kind: str
    count: int = 1
    status: int | None = None
    reason: str = "InternalError"
    message: str = "injected"
    retry_after: int | None = None
    delay: float = 0.0
    cut: bool = False
    late: bool = False


@dataclass
class Namespace:
    """What one test has to itself."""

    token: str
    faults: list[Fault] = field(default_factory=list)
    forbidden: set[tuple[str, str]] = field(default_factory=set)
    calls: dict[str, int] = field(default_factory=dict)
    streams: dict[int, web.Request] = field(default_factory=dict)
    zone_minutes: int = 0
    log_cut_bytes: int | None = None
    gone_as_status: bool = False


class Orders:
    def __init__(self, store: Store, machinery: Machinery, namespaces: dict[str, Namespace]) -> None:
        self.store = store
        self.machinery = machinery
        self.namespaces = namespaces

    async def obey(self, request: web.Request) -> web.Response:
        name, order = request.match_info["namespace"], request.match_info["order"]
        body: dict[str, Any] = await request.json()
        if order == "create":
            self.namespaces[name] = Namespace(**body)
            return web.json_response({})
        space = self.namespaces[name]
        if order == "fault":
            space.faults.append(Fault(**body))
        elif order == "forbid":
            space.forbidden.add((body["verb"], body["kind"]))
        elif order == "set":
            for key, value in body.items():
                setattr(space, key, value)
        elif order == "cut":
            for stream in space.streams.values():
                cut(stream)
            space.streams.clear()
        elif order == "compact":
            await self.store.update("jobs", name, body["job"], lambda found: None)
            self.store.compact()
        elif order == "release":
            self.machinery.released.add((name, body["name"]))
        elif order == "put":
            body["job"]["metadata"]["namespace"] = name
            made = await self.store.create("jobs", body["job"])
            if body.get("run"):
                self.machinery.adopt(made)
        elif order == "remove":
            for pod in self.store.select("pods", name, lambda pod: True):
                await self.store.remove("pods", name, pod["metadata"]["name"])
            await self.store.remove("jobs", name, body["job"])
        elif order == "annotate":
            await self.store.update("jobs", name, body["job"], lambda found: merge(found, body["patch"]))
        return web.json_response({})

    async def tell(self, request: web.Request) -> web.Response:
        name = request.match_info["namespace"]
        space = self.namespaces[name]
        return web.json_response(
            {
                "jobs": self.store.select("jobs", name, lambda job: True),
                "pods": self.store.select("pods", name, lambda pod: True),
                "calls": space.calls,
                "streams": len(space.streams),
                "faults": len(space.faults),
                "begun": self.machinery.pods_begun,
            }
        )


def cut(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


def merge(found: Object, patch: Object) -> None:
    """RFC 7386."""
    for key, value in patch.items():
        if value is None:
            found.pop(key, None)
        elif isinstance(value, dict):
            merge(found.setdefault(key, {}), value)
        else:
            found[key] = value
