"""The socket the API answers on: opened before the API starts, so that its address is known to everybody."""

import os
import socket
from pathlib import Path

from qs.domain.kernel.errors import Unavailable
from qs.interface.grpc.starting import GrpcAddressNotFree, require_grpc
from qs.settings import Settings

_BACKLOG = 2048


class AddressNotFree(Unavailable):
    """The API cannot listen where the settings say."""

    code = "server.address_not_free"

    def __init__(self, host: str, port: int, reason: str) -> None:
        super().__init__(
            f"the API cannot listen on {host} port {port} ({reason}), so nothing was started; "
            "free the port, or give another by --port or QS_PORT (0: any free one)"
        )


def open_socket(settings: Settings) -> socket.socket:
    """A listening socket at ``server.host`` and ``server.port``; port 0 takes a free one.

    Raises:
        AddressNotFree: it is taken, or is no address of this machine.
    """
    host, port = settings.server.host, settings.server.port
    try:
        return _listening(host, port)
    except OSError as error:
        raise AddressNotFree(host, port, error.strerror or str(error)) from error


def check_grpc_port(settings: Settings) -> None:
    """Returns if gRPC is not to be served, or could be: before anything is started, and not by the process that serves.

    Raises:
        SettingsError: what it needs is not installed.
        GrpcAddressNotFree: its port is taken.
    """
    require_grpc(settings)
    host, port = settings.server.host, settings.server.grpc_port
    if port is None:
        return
    try:
        _listening(host, port).close()
    except OSError as error:
        raise GrpcAddressNotFree(host, port) from error


def _listening(host: str, port: int) -> socket.socket:
    family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def port_of(listener: socket.socket) -> int:
    """The port it listens on."""
    return int(listener.getsockname()[1])


def address_of(settings: Settings, port: int) -> str:
    """The API's base address as seen from where it runs."""
    host = settings.server.host
    if host in ("0.0.0.0", "::"):  # noqa: S104 - every address is not one to call
        host = "127.0.0.1" if host == "0.0.0.0" else "::1"  # noqa: S104
    shown = f"[{host}]" if ":" in host else host
    return f"{'https' if settings.server.tls.cert_file else 'http'}://{shown}:{port}"


def write_port(path: Path, port: int) -> None:
    """The file holds the port; a reader sees the whole number or no file."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    scratch.write_text(f"{port}\n", encoding="ascii")
    scratch.replace(path)
