"""The ASGI application for servers that are given a name: ``uvicorn qs.asgi:app``.

Settings come from the environment and ``qs.yaml`` as for every command. Nothing is opened before the first request.
"""

import asyncio
import logging
import os
from functools import cache
from typing import Any

from litestar import Litestar

from qs.collecting import collecting
from qs.container import Container, build_container, close
from qs.interface.dashboard.routers import dashboard_routers
from qs.interface.grpc.starting import grpc_beside
from qs.interface.rest.app import create_app
from qs.logs import configure_logging
from qs.making_tracing import begin_tracing
from qs.settings import Settings, load_settings


def make_app(settings: Settings) -> Litestar:
    """The application of one process, which closes its container when it ends."""
    _silence_server_access_log()
    end_tracing = begin_tracing(settings, "api")

    async def end(container: Container) -> None:
        await close(container)
        await asyncio.to_thread(end_tracing)

    return create_app(
        build_container(settings),
        pages=dashboard_routers(),
        close=end,
        beside=(*grpc_beside(settings), collecting),
    )


@cache
def _app() -> Litestar:
    settings = load_settings(None, os.environ)
    configure_logging(settings.log, "api", log_sql=settings.database.log_sql)
    return make_app(settings)


def __getattr__(name: str) -> Any:
    # Made when a server asks for it, so that importing this module reads no settings.
    if name == "app":
        return _app()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _silence_server_access_log() -> None:
    """uvicorn's own access log prints query strings, and those of entry links are secrets; ours replaces it."""
    logger = logging.getLogger("uvicorn.access")
    logger.handlers.clear()
    logger.propagate = False
