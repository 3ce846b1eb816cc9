"""The command `qs`: which verbs there are, each loaded only when it is called."""

import os
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from qs.collecting import collect_seldom
from qs.interface.cli.failures import sentence_of

VERBS: Mapping[str, str] = {
    "up": "Run everything on this machine: servers, migrations, API and workers.",
    "demo": "Play a published trial from enrollment to the last expiry, on servers of its own.",
    "api": "Serve the HTTP API.",
    "worker": "Run worker roles: cron, relay, notifications, statistics.",
    "doctor": "Check the installation and say what to do about each finding.",
    "db": "Bring the database schema up to this release, or compare them.",
    "backup": "Copy the whole database into a folder, while the service works.",
    "restore": "Read a backup into an empty database, and check it.",
    "plan": "List, show, create, preview, enroll into and import plans.",
    "task": "List, show, explain, open, expire and re-issue tasks.",
    "sweep": "Expire and open everything that is due now.",
    "retention": "Remove what was kept long enough.",
    "stats": "Sync, validate, show and draw statistics.",
    "job": "Write, run, follow and look after jobs.",
    "secret": "Secrets that jobs refer to.",
    "keys": "Say what stands under which secret key, or encrypt everything under the current one.",
    "scheduler": "Stop, start and look at timed firing.",
    "events": "Follow the event feed, or publish events again.",
    "notifications": "List, show and replay deliveries.",
    "alerts": "List what staff are told of when something goes wrong.",
    "templates": "List, show, set, preview and reset what messages say.",
    "webhooks": "Endpoints that events are posted to: keep, try, and send to them again.",
    "audit": "List the audit log, or verify that nothing in it was changed.",
    "clock": "Show business time, or advance it outside production.",
    "embedded": "Look at, stop or enter the embedded PostgreSQL and Valkey.",
    "tenant": "Tenants.",
    "user": "Users.",
    "service-account": "Service accounts for machines.",
    "api-key": "API keys for machines.",
    "token": "Access tokens for scripts.",
    "config": "Show the settings in force, secrets masked, or import those of another system.",
}
"""Every verb and group of verbs; the module of one is its name with underscores, holding a Typer ``app``."""


class LazyGroup(TyperGroup):
    """A group that lists its verbs from a table and imports the one that is called."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, summary in VERBS.items():
            self.add_command(TyperCommand(name, help=summary))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, command, rest = super().resolve_command(ctx, args)
        return name, command and _load(str(name)), rest


def _load(name: str) -> Any:
    app: typer.Typer = import_module(f"qs.interface.cli.{name.replace('-', '_')}").app
    if app.registered_callback or app.registered_groups or len(app.registered_commands) > 1:
        group = typer.main.get_group(app)
        group.name, group.help = name, group.help or VERBS[name]
        return group
    single = typer.Typer(add_completion=False)
    single.registered_commands = app.registered_commands
    return typer.main.get_command(single)


root = typer.Typer(cls=LazyGroup, no_args_is_help=True, pretty_exceptions_enable=False)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(version("qs"))
        raise typer.Exit


@root.callback()
def main(
    config: Annotated[
        Path | None,
        typer.Option(
            "-c",
            "--config",
            metavar="FILE",
            help="The settings file (else QS_CONFIG, ./qs.yaml, /etc/qs/qs.yaml).",
        ),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version.")
    ] = False,
) -> None:
    """qs: scheduled psychological and health assessment.

    Every verb has --help and --json, and exits 0 (done), 1 (failed, or differences remain) or 2 (misuse).
    """
    if config is not None:
        # The processes this one starts read the same file.
        os.environ["QS_CONFIG"] = str(config.absolute())


def run() -> None:
    """The entry point of the program ``qs``; ends the process."""
    collect_seldom()
    try:
        typer.main.get_command(root)(prog_name="qs")
    except Exception as error:
        sentence = sentence_of(error)
        if sentence is None:
            raise
        sys.stderr.write(sentence + "\n")
        sys.exit(1)
