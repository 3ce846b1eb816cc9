"""`qs api`: the HTTP API in this process."""

import asyncio
import os
import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from qs.interface.cli.listening import address_of, check_grpc_port, open_socket, port_of, write_port
from qs.interface.cli.output import Json, emit, fail, failing_plainly
from qs.interface.cli.session import current_settings
from qs.making_tracing import require_tracing
from qs.settings import Settings

app = typer.Typer()

# A client that never sends the rest of its request holds the API for so long; background work may then take 8 s more.
_GRACE_SECONDS = 12

Host = Annotated[str | None, typer.Option("--host", help="The address to listen on, instead of server.host.")]
Port = Annotated[
    int | None,
    typer.Option("--port", min=0, max=65535, help="The port, instead of server.port; 0 takes a free one."),
]
PortFile = Annotated[
    Path | None, typer.Option("--port-file", metavar="FILE", help="Where to write the port once it answers.")
]


@app.command()
def api(
    host: Host = None,
    port: Port = None,
    port_file: PortFile = None,
    socket_fd: Annotated[
        int | None, typer.Option("--socket-fd", hidden=True, help="An open socket to listen on instead.")
    ] = None,
    ready_fd: Annotated[
        int | None,
        typer.Option("--ready-fd", hidden=True, help="An open file to write a line to once it answers."),
    ] = None,
    json_mode: Json = False,
) -> None:
    """Serve the HTTP API until SIGTERM or SIGINT, then finish what was begun, within 20 s in all."""
    with failing_plainly():
        given = current_settings(QS_HOST=host, QS_PORT=port)
        check_grpc_port(given)
        require_tracing(given)
        listener = open_socket(given) if socket_fd is None else socket.socket(fileno=socket_fd)
        with closing(listener):
            address = address_of(given, port_of(listener))

            def tell() -> None:
                if ready_fd is not None:
                    os.write(ready_fd, b"\n")
                else:
                    emit({"address": address}, json_mode)
                # Last, so that whoever waits for the file finds everything said.
                if port_file is not None:
                    write_port(port_file, port_of(listener))

            started = _serve(given, listener, tell)
    if not started:
        fail("the API could not start, so nothing answers; the messages above say why")


def _serve(given: Settings, listener: socket.socket, tell: Any) -> bool:
    import uvloop

    from qs.interface.cli.first_administrator import ensure_administrator
    from qs.logs import configure_logging
    from qs.provisioning import ensure_schema, environment_of, is_embedded, provisioned

    configure_logging(given.log, "api", log_sql=given.database.log_sql)
    with provisioned(given) as ready:
        if is_embedded(given):
            asyncio.run(ensure_schema(ready))
        asyncio.run(ensure_administrator(ready, may_generate=False))
        # The application loads its settings by itself, as it does under any other ASGI server.
        overrides = {"QS_HOST": given.server.host, "QS_PORT": str(port_of(listener))}
        os.environ.update(environment_of(given, ready, **overrides))
        server = _server(ready, tell)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(server.serve(sockets=[listener]))
        return bool(server.was_started)


def _server(settings: Settings, tell: Any) -> Any:
    import uvicorn

    from qs.interface.cli.protocol import BoundedProtocol

    class Server(uvicorn.Server):
        """uvicorn that ends with 0 when asked to, and says when it answers."""

        was_started = False

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                self.was_started = True
                tell()

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            # What waits in the queue of a socket that is closed is refused although it was sent.
            await asyncio.sleep(settings.server.drain_s)
            await super().shutdown(sockets)

        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            # uvicorn's own way raises the signal again at the end, so that the process would not exit with 0.
            before = {
                number: signal.signal(number, self.handle_exit) for number in (signal.SIGTERM, signal.SIGINT)
            }
            try:
                yield
            finally:
                for number, handler in before.items():
                    signal.signal(number, handler)

    tls = settings.server.tls
    return Server(
        uvicorn.Config(
            "qs.asgi:app",
            loop="uvloop",
            http=BoundedProtocol,
            ws="none",
            lifespan="on",
            log_config=None,
            # Its access log prints the query, and with it the token of an entry.
            access_log=False,
            server_header=False,
            # The application itself knows which proxies to believe.
            proxy_headers=False,
            timeout_graceful_shutdown=_GRACE_SECONDS,
            ssl_certfile=tls.cert_file,
            ssl_keyfile=tls.key_file,
            ssl_context_factory=_modern if tls.cert_file else None,
        )
    )


def _modern(_: Any, make: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
    """TLS 1.2 at least, whatever the system's OpenSSL allows."""
    context = make()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
