"""The verb `qs demo`."""

import asyncio
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from qs.interface.cli.output import Json, emit, fail, failing_plainly, note
from qs.interface.cli.session import open_container
from qs.interface.cli.stats_plots import refuse_other_suffixes, require_drawing
from qs.settings import load_settings

app = typer.Typer()

_START_S = 120


@app.command()
def demo(
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the service up to look at, until Ctrl-C.")
    ] = False,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw the retention curve as FILE.png or FILE.svg."),
    ] = None,
    json_mode: Json = False,
) -> None:
    """Play the follow-up of a published trial on servers and data of its own, then clean up.

    100 synthetic testees are enrolled; business time moves from due instant to due instant; each sweep goes over
    HTTP, each link comes out of a mail that was really sent, and each answer goes in through its link.
    """
    if plot is not None:
        _see_that_it_can_be_drawn(plot)
    try:
        differences = asyncio.run(_demo(keep, plot, json_mode))
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise typer.Exit(130) from None
    except ModuleNotFoundError as error:
        fail(f"{error.name} is not installed, which the demonstration needs: pip install 'qs[embedded,demo]'")
    if differences:
        fail("not as the trial published it: " + "; ".join(differences))


def _see_that_it_can_be_drawn(file: Path) -> None:
    """What would only be found out at the end is looked at first."""
    refuse_other_suffixes(file)
    require_drawing()
    with failing_plainly():
        file.parent.mkdir(parents=True, exist_ok=True)


async def _demo(keep: bool, plot: Path | None, json_mode: bool) -> list[str]:
    from qs.interface.cli.demo.mailbox import Mailbox
    from qs.interface.cli.demo.play import Play
    from qs.interface.cli.demo.service import Service

    _stop_as_by_keyboard()
    async with _home() as home:
        mailbox = Mailbox()
        service = Service(home, await mailbox.open())
        try:
            note("starting the service on embedded PostgreSQL and Valkey …")
            address = await service.start(_START_S)
            settings = load_settings(service.config, service.environment)
            async with open_container(settings) as container:
                outcome = await Play(container, service, mailbox, note).run(address)
            emit(outcome.to_dict(), json_mode, outcome.table())
            if keep and plot is None and find_spec("matplotlib"):
                plot = home / "retention.svg"
            if plot is not None:
                outcome.draw(plot)
                note(f"the retention curve is in {plot}")
            if keep:
                note(
                    f"qs answers at {address}/schema; user {service.admin_username}, {service.admin_password}"
                )
                note(f"its settings: {service.config}; Ctrl-C ends it")
                await service.wait()
        finally:
            await service.stop()
            await mailbox.close()
    return outcome.differences()


def _stop_as_by_keyboard() -> None:
    """SIGTERM ends the demonstration as Ctrl-C does: everything it started is stopped first."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)


@asynccontextmanager
async def _home() -> AsyncIterator[Path]:
    """A private home that is gone afterwards, with its servers."""
    from qs.infra.embedded import discard

    home = Path(tempfile.mkdtemp(prefix="qs-demo-"))
    try:
        yield home
    finally:
        await asyncio.to_thread(discard, home)
        shutil.rmtree(home, ignore_errors=True)
