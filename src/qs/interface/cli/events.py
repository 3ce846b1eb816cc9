"""`qs events`: the feed in the terminal."""

import sys
from collections.abc import Iterable
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from qs.application.kernel.cloud_events import PublishedEvent, cloud_event
from qs.interface.cli.output import Json, emit, misuse, run_async
from qs.interface.cli.session import open_container
from qs.interface.cli.tenancy import Tenant, actor, read_id, tenant_of

if TYPE_CHECKING:
    from qs.application.kernel.feed import Replayed

app = typer.Typer(no_args_is_help=True)

_PAGE = 500
_POLL_S = 0.5


class Context(StrEnum):
    PLAN = "plan"
    SCHEDULER = "scheduler"


@app.callback()
def events() -> None:
    """Events: what happened, in the order of publication."""


@app.command()
def tail(
    after: Annotated[
        int | None, typer.Option(min=0, help="Everything after this position (else the last 20).")
    ] = None,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on until interrupted.")] = False,
    context: Annotated[Context | None, typer.Option(help="Only events of this context.")] = None,
    tenant: Tenant = "default",
    json_mode: Json = False,
) -> None:
    """Show the newest events; with --json one CloudEvent a line."""

    async def work() -> None:
        from asyncio import sleep

        from qs.interface.cli.interruption import ended_by_interrupt

        with ended_by_interrupt() as interrupted:
            async with open_container() as container:
                feed, tenant_id = container.event_feed(), await tenant_of(container, tenant)
                page = (
                    await feed.newest(tenant_id, 20, context)
                    if after is None
                    else await feed.read(tenant_id, after, _PAGE, context)
                )
                while not interrupted.is_set():
                    _show(page.events, json_mode)
                    if not page.events:
                        if not follow:
                            return
                        await sleep(_POLL_S)
                    page = await feed.read(tenant_id, page.next_after, _PAGE, context)

    # Being interrupted is how following ends, in the moments before and after, too.
    with suppress(KeyboardInterrupt):
        run_async(work())


@app.command()
def replay(
    after: Annotated[int | None, typer.Option(min=0, help="Those after this position …")] = None,
    before: Annotated[int | None, typer.Option(min=0, help="… and before this one.")] = None,
    event_id: Annotated[
        list[str] | None, typer.Option("--id", metavar="ID", help="These; repeat it.")
    ] = None,
    dead: Annotated[
        str | None,
        typer.Option(metavar="SUBSCRIBER", help="This subscriber's dead letters (with --id, only those)."),
    ] = None,
    tenant: Tenant = "default",
    json_mode: Json = False,
) -> None:
    """Publish events again; what subscribers have acted on, they do not do again."""
    ids = [read_id(each, "event") for each in event_id] if event_id else None
    ranged = after is not None or before is not None
    if (ranged and (ids or dead)) or not (ranged or ids or dead):
        misuse("say which events: --after and --before, or --id, or --dead")
    done = run_async(_replay(tenant, after, before, ids, dead))
    emit({"published": done.published, "revived": done.revived, "next_after": done.next_after}, json_mode)


@app.command()
def schema(
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write asyncapi.yaml and schemas/*.json there instead."),
    ] = None,
    json_mode: Json = False,
) -> None:
    """Show the AsyncAPI document of all messages, with their JSON Schemas in it."""
    from qs.interface.cli.event_documents import asyncapi, files

    texts = files()
    if out is None:
        if json_mode:
            emit(asyncapi(), json_mode)
        else:
            sys.stdout.write(texts["asyncapi.yaml"])
        return
    for name, content in texts.items():
        place = out / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content, encoding="utf-8")
    emit({"written": sorted(texts)}, json_mode)


async def _replay(
    tenant: str, after: int | None, before: int | None, ids: list[UUID] | None, dead: str | None
) -> "Replayed":
    async with open_container() as container:
        replays, tenant_id = container.event_replay(), await tenant_of(container, tenant)
        if dead is not None:
            return await replays.revive(tenant_id, dead, actor=actor(), event_ids=ids)
        return await replays.replay(tenant_id, actor=actor(), after=after, before=before, event_ids=ids)


def _show(found: Iterable[PublishedEvent], json_mode: bool) -> None:
    import msgspec

    for event in found:
        if json_mode:
            line = msgspec.json.encode(cloud_event(event)).decode()
        else:
            line = f"{event.position:>8}  {event.occurred_at:%Y-%m-%d %H:%M:%SZ}  {event.name:<20}  {event.subject}"
        sys.stdout.write(line + "\n")
    sys.stdout.flush()
