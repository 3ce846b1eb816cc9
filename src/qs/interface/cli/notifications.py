"""`qs notifications`: the delivery ledger in the terminal."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

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
def replay(notification_id: Id, tenant: Tenant = "default", json_mode: Json = False) -> None:
    """Send a dead notification anew."""
    from qs.interface.rest.notifications.dto import notification_view

    wanted = read_id(notification_id, "notification")
    done = _run(tenant, lambda c, tenant_id: c.notification_replay().replay(tenant_id, wanted, actor=actor()))
    emit(notification_view(done), json_mode)


def _run(tenant: str, question: Callable[["Container", UUID], Awaitable[Any]]) -> Any:
    async def work() -> Any:
        async with open_container() as container:
            return await question(container, await tenant_of(container, tenant))

    return run_async(work())
