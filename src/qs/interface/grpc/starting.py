"""Whether gRPC is served beside HTTP, and what that needs; imports nothing of gRPC before it is."""

import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

from qs.domain.kernel.errors import Unavailable
from qs.settings import Settings, SettingsError

if TYPE_CHECKING:
    from litestar import Litestar

_KEY = "server.grpc_port"
_NEEDED = ("grpc", "grpc_health", "grpc_reflection", "google.rpc")


class GrpcAddressNotFree(Unavailable):
    """The server cannot listen where the settings say."""

    code = "server.grpc_address_not_free"

    def __init__(self, host: str, port: int) -> None:
        super().__init__(
            f"gRPC cannot be served on {host} port {port}, so nothing was started; "
            "free the port, or give another as server.grpc_port (0: any free one)"
        )


def require_grpc(settings: Settings) -> None:
    """Returns if these settings ask for nothing that is not installed.

    Raises:
        SettingsError: a port for gRPC is set, and the extra is not installed.
    """
    if settings.server.grpc_port is not None and not all(map(_is_there, _NEEDED)):
        raise SettingsError(
            [(_KEY, "needs packages that are missing; pip install 'qs[grpc]', or leave it out")]
        )


def grpc_beside(settings: Settings) -> Sequence["Callable[[Litestar], AbstractAsyncContextManager[None]]"]:
    """What the application runs beside HTTP: the gRPC server if a port is set for it, else nothing.

    Raises:
        SettingsError: as ``require_grpc``.
    """
    require_grpc(settings)
    return () if settings.server.grpc_port is None else (_served,)


@asynccontextmanager
async def _served(app: "Litestar") -> AsyncIterator[None]:
    # Its core would tell the terminal of every stranger's broken handshake, in a format of its own.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    from qs.interface.grpc.serving import served

    async with served(app.state):
        yield


def _is_there(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:
        # The package that it is in is not there either.
        return False
