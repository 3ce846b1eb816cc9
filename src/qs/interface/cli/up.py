"""`qs up`: everything on one machine under one supervisor."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Annotated, Any, NoReturn

import typer

from qs.interface.cli.api import Host, Port, PortFile
from qs.interface.cli.listening import address_of, check_grpc_port, open_socket, port_of, write_port
from qs.interface.cli.output import Json, emit, fail, failing_plainly, note
from qs.interface.cli.session import current_settings
from qs.interface.cli.supervisor import Program, Supervisor, stop_on_signals
from qs.interface.cli.worker import role_programs
from qs.making_tracing import require_tracing
from qs.settings import Settings

app = typer.Typer()


@app.command()
def up(
    host: Host = None,
    port: Port = None,
    port_file: PortFile = None,
    ephemeral: Annotated[
        bool,
        typer.Option(
            "--ephemeral", help="Embedded servers that do not care for a loss of power, for trials."
        ),
    ] = False,
    json_mode: Json = False,
) -> None:
    """Run everything on this machine until SIGTERM or SIGINT.

    Brings PostgreSQL and Valkey along where no URLs are set, the schema up to
    this release, and a first administrator where there is none. Then API and
    workers run, and are started again when they die.
    """
    from qs.interface.cli.first_administrator import ensure_administrator
    from qs.logs import configure_logging
    from qs.provisioning import ensure_schema, environment_of, provisioned, stop_unused_servers

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        # Until the supervisor listens for them there is nothing to finish, only servers to give back.
        signal.signal(number, _leave)
    with failing_plainly(), ExitStack() as stack:
        given = current_settings(QS_HOST=host, QS_PORT=port)
        configure_logging(given.log, "up", log_sql=given.database.log_sql)
        check_grpc_port(given)
        require_tracing(given)
        listener = stack.enter_context(open_socket(given))
        ready = stack.enter_context(provisioned(given, ephemeral=ephemeral))
        asyncio.run(ensure_schema(ready))
        address = address_of(given, port_of(listener))
        overrides = {"QS_HOST": given.server.host, "QS_PORT": str(port_of(listener))}
        service = _Service(ready, listener, environment_of(given, ready, **overrides))
        administrator = asyncio.run(ensure_administrator(ready, may_generate=True))
        if not json_mode:
            _show_password(administrator)

        def tell() -> None:
            emit(_greeting(address, administrator, json_mode), json_mode)
            # Last, so that whoever waits for the file finds everything said.
            if port_file is not None:
                write_port(port_file, port_of(listener))

        asyncio.run(service.run(tell))
    stop_unused_servers(given)
    if service.failed:
        if json_mode:
            _show_password(administrator)
        fail("the API ended before it answered, so everything was stopped; the messages above say why")


def _leave(number: int, frame: object) -> NoReturn:
    sys.exit(0)


@dataclass(slots=True)
class _Service:
    """The API on an open socket and the workers, until somebody asks them to stop or the API cannot start."""

    settings: Settings
    listener: socket.socket
    environment: Mapping[str, str]
    failed: bool = False
    _answers: bool = field(default=False, init=False)

    async def run(self, tell: Any) -> None:
        """Returns when all has ended; ``tell`` is called once, when the API answers."""
        reading, writing = os.pipe()
        supervisor = Supervisor(self._programs(writing))
        with stop_on_signals(supervisor.poke) as stop, os.fdopen(reading), os.fdopen(writing, "w"):

            def answers() -> None:
                asyncio.get_running_loop().remove_reader(reading)
                self._answers = True
                tell()

            def died(program: Program, exit_code: int) -> None:
                if program.name == "api" and not self._answers:
                    self.failed = True
                    stop.set()

            asyncio.get_running_loop().add_reader(reading, answers)
            supervisor.on_death = died
            await supervisor.run(stop)

    def _programs(self, ready_fd: int) -> Sequence[Program]:
        descriptors = (self.listener.fileno(), ready_fd)
        arguments = ("--socket-fd", str(descriptors[0]), "--ready-fd", str(descriptors[1]))
        api = Program(
            "api", (sys.executable, "-P", "-m", "qs", "api", *arguments), self.environment, descriptors
        )
        return [api, *role_programs(self.settings.worker.roles, dict(self.environment))]


def _show_password(administrator: Mapping[str, Any] | None) -> None:
    # Nobody can ask for it later, so it is shown even when the rest of the start fails.
    if administrator and administrator["password"]:
        note(
            f"the first administrator is {administrator['username']} with the password {administrator['password']}, "
            "which is shown this once"
        )


def _greeting(address: str, administrator: Mapping[str, Any] | None, json_mode: bool) -> Any:
    if json_mode:
        return {"address": address, "administrator": administrator}
    return f"qs answers at {address}; Ctrl-C stops it"
