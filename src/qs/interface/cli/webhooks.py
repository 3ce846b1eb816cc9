"""`qs webhooks`: the endpoints that a tenant's events are posted to."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from qs.interface.cli.instants import read_instant
from qs.interface.cli.output import Json, emit, fail, misuse, note, rows, run_async
from qs.interface.cli.session import open_container
from qs.interface.cli.tenancy import Tenant, actor, read_id, tenant_of

if TYPE_CHECKING:
    from qs.container import Container

app = typer.Typer(no_args_is_help=True)

_COLUMNS = ("id", "name", "url", "events", "enabled", "disabled_reason", "failing_since")
_SHOWN_ONCE = "the secret is shown this once; store it where the receiver verifies with it"

Id = Annotated[str, typer.Argument(metavar="ID", help="The endpoint's id, as `qs webhooks list` shows it.")]


@app.callback()
def webhooks() -> None:
    """Webhooks: endpoints that a tenant's events are posted to, signed."""


@app.command("list")
def list_(tenant: Tenant = "default", json_mode: Json = False) -> None:
    """List the endpoints, the oldest first."""
    from qs.interface.rest.webhooks.dto import WebhookView

    found = _run(tenant, lambda c, tenant_id: c.webhook_keeping().list(tenant_id))
    views = [WebhookView.of(each) for each in found]
    cells = ([_cell(getattr(view, column)) for column in _COLUMNS] for view in views)
    emit({"items": views}, json_mode, rows(_COLUMNS, cells))


@app.command()
def show(webhook_id: Id, tenant: Tenant = "default", json_mode: Json = False) -> None:
    """Show one endpoint, without its secrets."""
    from qs.interface.rest.webhooks.dto import WebhookView

    wanted = read_id(webhook_id, "webhook")
    emit(WebhookView.of(_run(tenant, lambda c, t: c.webhook_keeping().get(t, wanted))), json_mode)


@app.command()
def create(
    url: Annotated[str, typer.Argument(metavar="URL", help="Where events are posted; https.")],
    name: Annotated[str, typer.Option(help="What people know it by.")],
    event: Annotated[
        list[str] | None,
        typer.Option("--event", help="Only these, such as TaskOpened or 'plan.*'; repeat for several."),
    ] = None,
    tenant: Tenant = "default",
    json_mode: Json = False,
) -> None:
    """Make an endpoint for what happens from now on, and show its secret, this once."""
    from qs.interface.rest.webhooks.dto import NewWebhookView

    events = event or ["*"]
    made = _run(
        tenant, lambda c, tenant_id: c.webhook_keeping().create(tenant_id, name, url, events, actor=actor())
    )
    note(_SHOWN_ONCE)
    emit(NewWebhookView.made(made.endpoint, made.secret), json_mode)


@app.command("test")
def try_(webhook_id: Id, tenant: Tenant = "default", json_mode: Json = False) -> None:
    """Send a test event now, and say what the receiver answered; exits 1 unless it accepted."""
    from qs.interface.rest.webhooks.dto import TrialView

    wanted = read_id(webhook_id, "webhook")
    trial = _run(tenant, lambda c, tenant_id: c.webhook_trying().send(tenant_id, wanted, actor=actor()))
    emit(TrialView.of(trial), json_mode)
    if not trial.accepted:
        fail(f"the receiver did not accept the test event ({trial.answer}); look at its log, or at its URL")


@app.command()
def rotate(
    webhook_id: Id,
    overlap: Annotated[
        int, typer.Option("--overlap-hours", min=0, max=168, help="How long the old secret signs as well.")
    ] = 24,
    tenant: Tenant = "default",
    json_mode: Json = False,
) -> None:
    """Give it a new secret, shown this once; the old one signs as well for a while."""
    from qs.interface.rest.webhooks.dto import NewWebhookView

    wanted, hours = read_id(webhook_id, "webhook"), timedelta(hours=overlap)
    made = _run(tenant, lambda c, t: c.webhook_keeping().rotate(t, wanted, hours, actor=actor()))
    note(_SHOWN_ONCE)
    emit(NewWebhookView.made(made.endpoint, made.secret), json_mode)


@app.command()
def enable(webhook_id: Id, tenant: Tenant = "default", json_mode: Json = False) -> None:
    """Send to it again, as if it had never failed; `qs webhooks replay` sends what it missed."""
    _switch(webhook_id, tenant, json_mode, enabled=True)


@app.command()
def disable(webhook_id: Id, tenant: Tenant = "default", json_mode: Json = False) -> None:
    """Send nothing to it; what waits and what comes is skipped, and can be replayed."""
    _switch(webhook_id, tenant, json_mode, enabled=False)


@app.command()
def delete(webhook_id: Id, tenant: Tenant = "default", json_mode: Json = False) -> None:
    """Delete an endpoint with its history."""
    wanted = read_id(webhook_id, "webhook")
    _run(tenant, lambda c, tenant_id: c.webhook_keeping().remove(tenant_id, wanted, actor=actor()))
    emit({"deleted": wanted}, json_mode)


@app.command()
def deliveries(
    webhook_id: Id,
    status: Annotated[
        str | None, typer.Option(help="Only queued, sending, sent, dead or skipped ones.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="INSTANT", help="Only those made then or later.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most.")] = 50,
    tenant: Tenant = "default",
    json_mode: Json = False,
) -> None:
    """List what it was sent, the newest first; with --json with all attempts."""
    from qs.application.webhook.ports import DeliveryFilter
    from qs.interface.rest.webhooks.dto import WebhookDeliveryView

    wanted = read_id(webhook_id, "webhook")
    which = DeliveryFilter(_status(status), read_instant(since, "--since"))
    page = _run(tenant, lambda c, t: c.webhook_history().list(t, wanted, which, limit=limit))
    views = [WebhookDeliveryView.of(each) for each in page.deliveries]
    table = rows(
        ("id", "created", "event", "status", "reason", "tries", "last answer"),
        [
            (v.id, v.created_at, v.event_name, v.status, v.reason, v.attempts, _last_answer(v.history))
            for v in views
        ],
    )
    emit({"items": views}, json_mode, table)


@app.command()
def replay(
    webhook_id: Id,
    delivery: Annotated[
        list[str] | None, typer.Option("--delivery", metavar="ID", help="This one; repeat for several …")
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="INSTANT", help="… or those made then or later …")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="INSTANT", help="… and before this …")] = None,
    everything: Annotated[bool, typer.Option("--all", help="… or all.")] = False,
    status: Annotated[
        str | None,
        typer.Option(
            help="Only dead, skipped or sent ones; a range is of what is dead or skipped without it."
        ),
    ] = None,
    tenant: Tenant = "default",
    json_mode: Json = False,
) -> None:
    """Send deliveries again under their ids: some, a range, or all that did not arrive."""
    from qs.application.webhook.history import Replay

    ranged = since is not None or until is not None or everything
    if ranged == bool(delivery):
        misuse("say which deliveries: --delivery, or --since and --until, or --all")
    wanted = read_id(webhook_id, "webhook")
    ids = [read_id(each, "delivery") for each in delivery] if delivery else None
    first, end = read_instant(since, "--since"), read_instant(until, "--until")
    # A range ends where it begins to be sent, so that what fails meanwhile is not sent for ever.
    end = end if ids else end or datetime.now(UTC)
    which = Replay(ids, first, end, _status(status))
    emit(_run(tenant, lambda c, tenant_id: _replay(c, tenant_id, wanted, which)), json_mode)


async def _replay(container: "Container", tenant_id: UUID, webhook_id: UUID, which: Any) -> dict[str, int]:
    total, more = 0, True
    while more:
        done = await container.webhook_history().replay(tenant_id, webhook_id, which, actor=actor())
        total, more = total + done.replayed, done.more
    return {"replayed": total}


def _switch(webhook_id: str, tenant: str, json_mode: bool, *, enabled: bool) -> None:
    from qs.application.webhook.keeping import EndpointChange
    from qs.interface.rest.webhooks.dto import WebhookView

    wanted, change = read_id(webhook_id, "webhook"), EndpointChange(enabled=enabled)
    done = _run(tenant, lambda c, t: c.webhook_keeping().change(t, wanted, change, actor=actor()))
    emit(WebhookView.of(done), json_mode)


def _status(text: str | None) -> Any:
    from qs.domain.webhook.delivery import DeliveryStatus

    if text is None:
        return None
    if text not in list(DeliveryStatus):
        misuse(f"--status must be one of {', '.join(DeliveryStatus)}")
    return DeliveryStatus(text)


def _last_answer(history: list[Any]) -> str | None:
    return history[-1].answer if history else None


def _cell(value: Any) -> Any:
    return " ".join(value) if isinstance(value, list) else value


def _run(tenant: str, question: Callable[["Container", UUID], Awaitable[Any]]) -> Any:
    async def work() -> Any:
        async with open_container() as container:
            return await question(container, await tenant_of(container, tenant))

    return run_async(work())
