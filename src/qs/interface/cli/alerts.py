"""`qs alerts`: what staff are told of, in the terminal."""

from typing import TYPE_CHECKING, Annotated

import typer

from qs.interface.cli.output import Json, emit, misuse, rows, run_async
from qs.interface.cli.session import open_container
from qs.interface.cli.tenancy import Tenant, tenant_of

if TYPE_CHECKING:
    from qs.application.notification.alert_ports import AlertFilter
    from qs.application.notification.alert_reading import AlertPage

app = typer.Typer(no_args_is_help=True)


@app.callback()
def alerts() -> None:
    """Alerts: what went wrong, how often, and whether staff know."""


@app.command("list")
def list_(
    every: Annotated[bool, typer.Option("--all", help="Those that are over, too.")] = False,
    kind: Annotated[str | None, typer.Option(help="Only of this kind.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most.")] = 50,
    tenant: Tenant = "default",
    json_mode: Json = False,
) -> None:
    """List the alerts that are open, those met last first, and how to find out more."""
    from qs.application.notification.alert_ports import AlertFilter
    from qs.domain.notification.alerts import AlertKind
    from qs.interface.rest.notifications.alerts import alert_view

    if kind is not None and kind not in list(AlertKind):
        misuse(f"--kind must be one of {', '.join(AlertKind)}")
    which = AlertFilter(AlertKind(kind) if kind else None, None if every else True)
    views = [alert_view(alert) for alert in run_async(_page(tenant, which, limit)).alerts]
    table = rows(
        ("kind", "subject", "status", "times", "since", "last", "told", "see"),
        [
            (
                v.kind,
                v.subject,
                v.status,
                v.count,
                v.first_seen_at,
                v.last_seen_at,
                v.last_told_at,
                v.explain,
            )
            for v in views
        ],
    )
    emit({"items": views}, json_mode, table)


async def _page(tenant: str, which: "AlertFilter", limit: int) -> "AlertPage":
    async with open_container() as container:
        tenant_id = await tenant_of(container, tenant)
        return await container.alert_reading().list(tenant_id, which, limit=limit)
