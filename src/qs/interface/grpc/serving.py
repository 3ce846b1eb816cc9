"""The gRPC server: in the process of the API, on its event loop, from its start to its end."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import grpc
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from qs.interface.grpc.calls import Calls
from qs.interface.grpc.duties import METHODS, SERVICE
from qs.interface.grpc.starting import GrpcAddressNotFree
from qs.settings.sections import ServerSettings

log = structlog.get_logger()

GRACE_S = 12.0
"""What calls under way are given when the process ends, as requests over HTTP are beside them."""
MESSAGE_BYTES = 16 * 1024
METADATA_BYTES = 16 * 1024

_OPTIONS = (
    # Two servers on one port would each get some of the calls, and nobody would notice.
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    ("grpc.max_metadata_size", METADATA_BYTES),
    ("grpc.absolute_max_metadata_size", 2 * METADATA_BYTES),
    ("grpc.max_concurrent_streams", 100),
)
_SERVING = health_pb2.HealthCheckResponse.SERVING
_TOLD_WITHIN_S = 1.0
_LOOK_EVERY_S = 0.01


@asynccontextmanager
async def served(state: Any) -> AsyncIterator[None]:
    """Inside the block calls are answered, on ``state.grpc_port``; ``state.draining`` begins the end.

    1. Draining: health says NOT_SERVING, no call begins any more, and those under way go on.
    2. When none is left, or time is up, what else is open (a watch of health) is cut off.

    Raises:
        GrpcAddressNotFree
    """
    container = state.container
    calls = Calls(container, state.draining)
    server = grpc.aio.server(options=_OPTIONS)
    server.add_generic_rpc_handlers((_handlers(calls),))
    vitals = _Vitals()
    health_pb2_grpc.add_HealthServicer_to_server(vitals, server)
    reflection.enable_server_reflection((SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
    state.grpc_port = _listen(server, container.settings().server)
    await server.start()
    for name in ("", SERVICE):
        await vitals.set(name, _SERVING)
    log.info("grpc_serving", port=state.grpc_port)
    ending = asyncio.create_task(_end_when(state.draining, server, vitals, calls), name="grpc-end")
    try:
        yield
    finally:
        state.draining.set()
        await ending


def _handlers(calls: Calls) -> Any:
    return grpc.method_handlers_generic_handler(
        SERVICE,
        {
            method.name: grpc.unary_unary_rpc_method_handler(
                calls.handler(SERVICE, method),
                response_serializer=_serialize,
            )
            for method in METHODS
        },
    )


def _serialize(message: Any) -> bytes:
    data: bytes = message.SerializeToString()
    return data


def _listen(server: Any, settings: ServerSettings) -> int:
    """Opens the port and returns its number."""
    assert settings.grpc_port is not None
    wanted = (settings.host, settings.grpc_port)
    try:
        # Resolved here, since a name may stand for several addresses and HTTP listens on the first.
        host = str(socket.getaddrinfo(*wanted, type=socket.SOCK_STREAM)[0][4][0])
        address = f"[{host}]:{wanted[1]}" if ":" in host else f"{host}:{wanted[1]}"
        tls = settings.tls
        if tls.cert_file is None or tls.key_file is None:
            port = server.add_insecure_port(address)
        else:
            pair = (tls.key_file.read_bytes(), tls.cert_file.read_bytes())
            port = server.add_secure_port(address, grpc.ssl_server_credentials([pair]))
    except (OSError, RuntimeError) as error:
        raise GrpcAddressNotFree(*wanted) from error
    return int(port)


class _Watch:
    """What a watcher's writes go through: ``told`` when the last was of an end."""

    def __init__(self, context: Any) -> None:
        self._context = context
        self.told = False

    async def write(self, message: health_pb2.HealthCheckResponse) -> None:
        await self._context.write(message)
        self.told = message.status != _SERVING


class _Vitals(health.aio.HealthServicer):  # type: ignore[misc]
    """Health whose watchers are told of the end before they are cut off."""

    def __init__(self) -> None:
        super().__init__()
        self._watches: set[_Watch] = set()

    async def Watch(self, request: Any, context: Any) -> None:  # noqa: N802 - as gRPC names it
        watch = _Watch(context)
        self._watches.add(watch)
        try:
            await super().Watch(request, watch)
        finally:
            self._watches.discard(watch)

    async def tell_the_end(self) -> None:
        """Returns when all have been told, or, of those who do not read, after a second."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_TOLD_WITHIN_S):
                await self.enter_graceful_shutdown()
                while not all(watch.told for watch in self._watches):
                    await asyncio.sleep(_LOOK_EVERY_S)


async def _end_when(draining: asyncio.Event, server: Any, vitals: _Vitals, calls: Calls) -> None:
    await draining.wait()
    await vitals.tell_the_end()
    # From here on no call begins.
    stopping = asyncio.create_task(server.stop(GRACE_S))
    with suppress(TimeoutError):
        async with asyncio.timeout(GRACE_S):
            await calls.none_left()
    await server.stop(None)
    await stopping
    # What was cut off still writes down how it ended.
    await calls.none_left()
