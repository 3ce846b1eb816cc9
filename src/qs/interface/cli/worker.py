"""`qs worker`: worker roles as children of this process."""

import asyncio
import sys
from typing import Annotated

import typer

from qs.interface.cli.output import Json, emit, failing_plainly, misuse
from qs.interface.cli.session import current_settings
from qs.interface.cli.supervisor import Program, Supervisor, stop_on_signals
from qs.making_tracing import require_tracing
from qs.settings.checks import AVAILABLE_ROLES

app = typer.Typer()


@app.command()
def worker(
    roles: Annotated[
        str | None,
        typer.Option(
            "--roles", help=f"Comma-separated, of {', '.join(AVAILABLE_ROLES)}; else those of worker.roles."
        ),
    ] = None,
    json_mode: Json = False,
) -> None:
    """Run worker roles, each in a process of its own that is started again when it dies, until SIGTERM or SIGINT."""
    from qs.logs import configure_logging
    from qs.provisioning import ensure_schema, environment_of, is_embedded, provisioned

    if roles is not None:
        _check(roles)
    with failing_plainly():
        given = current_settings(QS_WORKER__ROLES=roles)
        configure_logging(given.log, "worker", log_sql=given.database.log_sql)
        require_tracing(given)
        with provisioned(given) as ready:
            if is_embedded(given):
                asyncio.run(ensure_schema(ready))
            programs = role_programs(ready.worker.roles, environment_of(given, ready))
            emit({"roles": [program.name for program in programs]}, json_mode)
            asyncio.run(_supervise(programs))


def _check(roles: str) -> None:
    wanted = [role.strip().lower() for role in roles.split(",") if role.strip()]
    # An empty setting is taken for one that was not given, which would start all of them.
    if not wanted or not set(wanted) <= set(AVAILABLE_ROLES):
        misuse(
            f"--roles is {roles[:60]!r}; expected some of {', '.join(AVAILABLE_ROLES)}, with commas between them"
        )


def role_programs(roles: tuple[str, ...], environment: dict[str, str]) -> list[Program]:
    """The program of each role, once."""
    # -P: a directory named workers where qs happens to be called must not be taken for ours.
    return [
        Program(
            role,
            (sys.executable, "-P", "-m", "workers", role),
            environment,
            heeds_usr1=role == "ticker",
        )
        for role in dict.fromkeys(roles)
    ]


async def _supervise(programs: list[Program]) -> None:
    supervisor = Supervisor(programs)
    with stop_on_signals(supervisor.poke) as stop:
        await supervisor.run(stop)
