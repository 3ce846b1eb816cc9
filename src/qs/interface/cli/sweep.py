"""`qs sweep`: one pass of the sweep from the terminal."""

from typing import Annotated, Any

import typer

from qs.application.plan.sweep_report import ALL_PHASES, Phase, SweepReport
from qs.application.scheduler.ports import DutyContext
from qs.domain.kernel.ids import PLATFORM_TENANT
from qs.domain.scheduler.execution import FiredBy
from qs.interface.cli.output import Json, emit, progress, rows, run_async
from qs.interface.cli.session import open_container
from qs.interface.cli.tenancy import actor, tenant_of

app = typer.Typer()


@app.command()
def sweep(
    before: Annotated[
        str | None,
        typer.Option(
            metavar="INSTANT",
            help="Only what was due by then: RFC 3339, or YYYY-MM-DD[ HH:MM:SS] in the tenant's zone.",
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Move at most this many tasks.")] = None,
    expire_only: Annotated[bool, typer.Option("--expire-only", help="Open nothing.")] = False,
    tenant: Annotated[
        str | None, typer.Option("--tenant", metavar="SLUG", help="Only this tenant; all of them without.")
    ] = None,
    json_mode: Json = False,
) -> None:
    """Expire what ran out, open what is due, mark what was missed; exit 1 when a task failed."""
    phases = (Phase.EXPIRE,) if expire_only else ALL_PHASES

    async def work() -> dict[str, Any]:
        async with open_container() as container:
            tenant_id = await tenant_of(container, tenant) if tenant else None
            # Read before there is an execution, which a wrong one could only make fail.
            read = await container.before_reading().read(tenant_id, before) if before else None
            instant = read.isoformat() if read else None
            done = 0
            with progress("sweeping", limit) as advance:

                def tell(report: SweepReport) -> None:
                    nonlocal done
                    advance(report.moved - done)
                    done = report.moved

                async def duty(context: DutyContext) -> dict[str, Any]:
                    report = await container.task_scheduling().sweep(
                        tenant_id,
                        before=instant,
                        limit=limit,
                        phases=phases,
                        actor=context.actor,
                        on_progress=tell,
                    )
                    return report.to_dict()

                executed = await container.duty_executions().run(
                    "expiry" if expire_only else "sweep",
                    fired_by=FiredBy.CLI,
                    actor=actor(),
                    tenant_id=tenant_id or PLATFORM_TENANT,
                    parameters={"before": instant, "limit": limit},
                    work=duty,
                )
            return {"execution_id": executed.execution_id, **executed.result}

    report = run_async(work())
    shown = ("status", "opened", "expired", "missed", "failed", "remaining", "duration_ms")
    emit(report, json_mode, rows(shown, [[report[name] for name in shown]]))
    if report["failed"]:
        raise typer.Exit(1)
