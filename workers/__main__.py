"""`python -m workers ROLE`: one worker role in this process, until SIGTERM or SIGINT."""

import asyncio
import os
import sys
from importlib import import_module

import structlog
import uvloop

from qs.collecting import collecting
from qs.container import build_container, close
from qs.interface.cli.failures import sentence_of
from qs.interface.cli.supervisor import stop_on_signals
from qs.logs import configure_logging
from qs.making_tracing import begin_tracing
from qs.provisioning import provisioned
from qs.settings import Settings, load_settings
from qs.settings.checks import AVAILABLE_ROLES

_GRACE_SECONDS = 20.0

log = structlog.get_logger()


async def work(role: str, settings: Settings) -> bool:
    """Runs the role until the process is asked to stop; whether it then ended in time."""
    end_tracing = begin_tracing(settings, role)
    container = build_container(settings)
    try:
        with stop_on_signals() as stop:
            run = import_module(f"workers.{role}").run
            async with collecting():
                running = asyncio.create_task(run(container, stop), name=role)
                stopping = asyncio.create_task(stop.wait())
                await asyncio.wait((running, stopping), return_when=asyncio.FIRST_COMPLETED)
                stopping.cancel()
                # What it holds is given back by its own end; past the grace period its leases run out instead.
                _, late = await asyncio.wait((running,), timeout=_GRACE_SECONDS)
                if late:
                    log.warning("worker_cut_short", role=role, grace_s=_GRACE_SECONDS)
                    running.cancel()
                    return False
                await running
                return True
    finally:
        await close(container)
        end_tracing()


def main(arguments: list[str]) -> int:
    """The exit code: 0 after a clean end, 1 after a failure, 2 for misuse."""
    role = arguments[0] if len(arguments) == 1 else ""
    if role not in AVAILABLE_ROLES:
        sys.stderr.write(
            f"usage: python -m workers ROLE, where ROLE is one of {', '.join(AVAILABLE_ROLES)}\n"
        )
        return 2
    try:
        settings = load_settings(None, os.environ)
        configure_logging(settings.log, role, log_sql=settings.database.log_sql)
        with provisioned(settings) as ready, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return 0 if runner.run(work(role, ready)) else 1
    except Exception as error:
        sentence = sentence_of(error)
        if sentence is None:
            raise
        sys.stderr.write(sentence + "\n")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
