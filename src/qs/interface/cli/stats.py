"""`qs stats`: statistics from the terminal."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qs.application.scheduler.ports import DutyContext
from qs.application.statistics.ports import Kind
from qs.domain.kernel.ids import PLATFORM_TENANT
from qs.domain.scheduler.execution import FiredBy
from qs.interface.cli.output import Json, emit, note, progress, rows, run_async
from qs.interface.cli.session import open_container
from qs.interface.cli.stats_plots import plot
from qs.interface.cli.stats_show import show
from qs.interface.cli.stats_tables import differences_table
from qs.interface.cli.tenancy import actor, tenant_of

if TYPE_CHECKING:
    from qs.container import Container

app = typer.Typer(no_args_is_help=True)

OneTenant = Annotated[
    str | None, typer.Option("--tenant", metavar="SLUG", help="Only this tenant; all of them without.")
]


class Wanted(StrEnum):
    DAILY = "daily"
    ACCUMULATED = "accumulated"
    PLAN = "plan"
    ALL = "all"


@app.callback()
def stats() -> None:
    """Statistics: what was counted, brought up to date, checked against the tasks, shown and drawn."""


@app.command()
def sync(
    kind: Annotated[Wanted, typer.Argument(help="Which figures.")] = Wanted.ALL,
    tenant: OneTenant = None,
    json_mode: Json = False,
) -> None:
    """Write what was counted since the last time; twice changes nothing."""
    kinds = [Kind(kind)] if kind is not Wanted.ALL else [Kind.DAILY, Kind.ACCUMULATED, Kind.PLAN]

    async def work() -> list[dict[str, Any]]:
        async with open_container() as container:
            return [await _sync(container, each, tenant) for each in kinds]

    done = run_async(work())
    shown = ("kind", "status", "upserted", "unchanged", "as_of")
    emit({"items": done}, json_mode, rows(shown, [[each[name] for name in shown] for each in done]))


async def _sync(container: "Container", kind: Kind, tenant: str | None) -> dict[str, Any]:
    tenant_id = await tenant_of(container, tenant) if tenant else None
    with progress(f"syncing {kind}") as advance:

        async def duty(context: DutyContext) -> Any:
            syncing = container.statistics_syncing()
            return await syncing.sync(kind, context.only_tenant, context.execution_id, advance)

        executed = await container.duty_executions().run(
            f"sync-{kind}",
            fired_by=FiredBy.CLI,
            actor=actor(),
            tenant_id=tenant_id or PLATFORM_TENANT,
            work=duty,
        )
    return {"execution_id": executed.execution_id, **executed.result}


@app.command()
def validate(
    repair: Annotated[bool, typer.Option("--repair", help="Put the side that is wrong right.")] = False,
    tenant: OneTenant = None,
    json_mode: Json = False,
) -> None:
    """Hold counters and stored figures against the tasks; exit 1 when differences remain."""

    async def work() -> dict[str, Any]:
        async with open_container() as container:
            tenant_id = await tenant_of(container, tenant) if tenant else None
            with progress("validating"):
                executed = await container.duty_executions().run(
                    "validate",
                    fired_by=FiredBy.CLI,
                    actor=actor(),
                    tenant_id=tenant_id or PLATFORM_TENANT,
                    parameters={"repair": repair},
                )
            return {"execution_id": executed.execution_id, **executed.result}

    report = run_async(work())
    emit(report, json_mode, differences_table(report))
    if report["status"] == "already_running":
        note("another process is validating, so nothing was compared here; ask again when it is done")
    if report["status"] == "different":
        raise typer.Exit(1)


app.command()(show)
app.command()(plot)
