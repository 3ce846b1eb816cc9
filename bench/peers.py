"""What ours is held against over HTTP: the least that could do the same work, and ours with less to do."""

import os
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
from litestar import Litestar, get

from qs.container import Container, build_container, close
from qs.domain.identity.principal import Kind, Principal
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.infra.plan.tasks import READ_ONE
from qs.interface.rest.app import create_app
from qs.interface.rest.plan.task_dto import TaskView
from qs.logs import configure_logging
from qs.settings import load_settings

_SHOWN = TaskView.__struct_fields__
_encode = msgspec.json.Encoder().encode


class OneTask:
    """``GET /…/{task_id}`` written by hand: no framework, a pool of asyncpg's own and nothing but the happy path.

    The token is verified by the same code as ours, the statement is the same and runs as the same role.
    """

    def __init__(self) -> None:
        self._container: Container = build_container(load_settings(None, os.environ))
        self._pool: asyncpg.Pool | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        status, body = 401, b""
        for name, value in scope["headers"]:
            if name == b"authorization":
                token = value.decode().removeprefix("Bearer ")
                principal = await self._container.authentication().authenticate(token)
                if principal.may("tasks:read"):
                    status, body = await self._read(principal.home_tenant, scope["path"])
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _read(self, tenant_id: UUID, path: str) -> tuple[int, bytes]:
        assert self._pool is not None
        row = await self._pool.fetchrow(READ_ONE, str(tenant_id), UUID(path.rpartition("/")[2]))
        if row is None:
            return 404, b""
        data = {name: row[name] for name in _SHOWN}
        return 200, _encode({"code": 200, "message": "success", "data": data})

    async def _live(self, receive: Any, send: Any) -> None:
        await receive()
        self._pool = await asyncpg.create_pool(
            os.environ["QS_DATABASE_URL"],
            min_size=10,
            max_size=20,
            server_settings={"role": "qs_app", "timezone": "UTC"},
        )
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self._pool.terminate()
        await send({"type": "lifespan.shutdown.complete"})


def one_task() -> OneTask:
    return OneTask()


class Trusting:
    """Takes whoever calls for one and the same, whatever they show."""

    def __init__(self) -> None:
        self._everybody = Principal(Kind.TOKEN, "bench", DEFAULT_TENANT, frozenset({"tasks:read"}))

    async def authenticate(self, token: str) -> Principal:
        return self._everybody


def trusting() -> Litestar:
    """Our application, with nothing verified."""
    settings = load_settings(None, os.environ)
    # Its log costs as much as ours.
    configure_logging(settings.log, "api", log_sql=settings.database.log_sql)
    container = build_container(settings)
    trust = Trusting()
    # The container's own provider stays as it is; what the application asks is this.
    container.authentication = lambda: trust  # type: ignore[assignment]
    return create_app(container, close=close)


def bare_litestar() -> Litestar:
    """litestar with one route and nothing else."""

    @get("/health/alive")
    async def alive() -> dict[str, Any]:
        return {"code": 200, "message": "success", "data": {"status": "ok"}}

    return Litestar([alive], openapi_config=None, logging_config=None)
