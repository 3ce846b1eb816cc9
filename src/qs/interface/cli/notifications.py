"""`qs notifications`: the delivery ledger in the terminal."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from qs.interface.cli.files import STDIN, read_bytes
from qs.interface.cli.instants import read_instant
from qs.interface.cli.output import Json, emit, misuse, rows, run_async
from qs.interface.cli.session import open_container
from qs.interface.cli.tenancy import Tenant, actor, read_id, tenant_of

if TYPE_CHECKING:
    from qs.container import Container

app = typer.Typer(no_args_is_help=True)

Id = Annotated[str, typer.Argument(metavar="ID")]


@app.callback()
def notifications() -> None:
    """Notifications: one message to one recipient over one channel."""


@app.command("list")
def list_(
    task: Annotated[str | None, typer.Option(metavar="ID", help="Only about this task.")] = None,
    status: Annotated[
        str | None, typer.Option(help="Only queued, sending, sent, skipped or dead ones.")
    ] = None,
    channel: Annotated[str | None, typer.Option(help="Only over this channel.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most.")] = 50,
    tenant: Tenant = "default",
    json_mode: Json = False,
) -> None:
    """List notifications, the newest first."""
    from qs.application.notification.ports import DeliveryFilter
    from qs.domain.notification.delivery import DeliveryStatus
    from qs.interface.rest.notifications.dto import notification_view

    if status is not None and status not in list(DeliveryStatus):
        misuse(f"--status must be one of {', '.join(DeliveryStatus)}")
    which = DeliveryFilter(
        read_id(task, "task") if task else None, DeliveryStatus(status) if status else None, channel
    )
    page = _run(tenant, lambda c, tenant_id: c.notification_reading().list(tenant_id, which, limit=limit))
    views = [notification_view(delivery) for delivery in page.deliveries]
    table = rows(
        ("id", "created", "event", "recipient", "channel", "status", "reason", "tries"),
        [
            (v.id, v.created_at, v.event_name, v.recipient, v.channel, v.status, v.reason, v.attempts)
            for v in views
        ],
    )
    emit({"items": views}, json_mode, table)


@app.command()
def show(notification_id: Id, tenant: Tenant = "default", json_mode: Json = False) -> None:
    """Show one notification with all its attempts."""
    from qs.interface.rest.notifications.dto import history_view

    wanted = read_id(notification_id, "notification")
    found = _run(tenant, lambda c, tenant_id: c.notification_reading().show(tenant_id, wanted))
    view = history_view(found)
    table = rows(
        ("try", "at", "outcome", "answer"),
        [(each.number, each.at, each.outcome, each.answer) for each in view.history],
        title=f"{view.template} to {view.recipient} over {view.channel}: {view.status} {view.reason or ''}".rstrip(),
    )
    emit(view, json_mode, table)


@app.command()
def replay(
    notification_id: Annotated[str | None, typer.Argument(metavar="[ID]", help="This one …")] = None,
    since: Annotated[
        str | None, typer.Option(metavar="INSTANT", help="… or those made then or later …")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="INSTANT", help="… and before this …")] = None,
    everything: Annotated[bool, typer.Option("--all", help="… or all that are dead.")] = False,
    channel: Annotated[str | None, typer.Option(help="Of a range or all, only over this channel.")] = None,
    tenant: Tenant = "default",
    json_mode: Json = False,
) -> None:
    """Send dead notifications anew: one, a range, or all."""
    from qs.interface.rest.notifications.dto import notification_view

    ranged = since is not None or until is not None or everything
    if ranged == (notification_id is not None):
        misuse("say which notifications: an ID, or --since and --until, or --all")
    if notification_id is None:
        within = (read_instant(since, "--since"), read_instant(until, "--until"))
        emit(_run(tenant, lambda c, tenant_id: _replay_all(c, tenant_id, within, channel)), json_mode)
        return
    if channel is not None:
        misuse("--channel goes with a range or --all")
    wanted = read_id(notification_id, "notification")
    done = _run(tenant, lambda c, tenant_id: c.notification_replay().replay(tenant_id, wanted, actor=actor()))
    emit(notification_view(done), json_mode)


@app.command()
def bounce(
    file: Annotated[Path, typer.Argument(help="The mail that came back; - or nothing is stdin.")] = Path(
        STDIN
    ),
    json_mode: Json = False,
) -> None:
    """Note that a mail came back, of whichever tenant: for the mailbox that mail servers answer to."""
    from qs.domain.notification.bounces import read_bounce
    from qs.interface.rest.notifications.dto import notification_view

    found = read_bounce(read_bytes(file))

    async def work() -> Any:
        async with open_container() as container:
            return await container.reporting().bounced_anywhere(found, actor=actor())

    emit(notification_view(run_async(work())), json_mode)


async def _replay_all(
    container: "Container",
    tenant_id: UUID,
    within: tuple[datetime | None, datetime | None],
    channel: str | None,
) -> dict[str, int]:
    """Range after range, until nothing is left that was there when it began."""
    since, until = within
    until = until or datetime.now(UTC)
    total, more = 0, True
    while more:
        done = await container.notification_range_replay().replay(
            tenant_id, since=since, until=until, channel=channel, everything=True, actor=actor()
        )
        total, more = total + done.replayed, done.more
    return {"replayed": total}


def _run(tenant: str, question: Callable[["Container", UUID], Awaitable[Any]]) -> Any:
    async def work() -> Any:
        async with open_container() as container:
            return await question(container, await tenant_of(container, tenant))

    return run_async(work())
