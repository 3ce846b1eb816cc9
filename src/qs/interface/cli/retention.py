"""`qs retention`: removes what was kept long enough, from the terminal."""

from typing import Any

import typer

from qs.domain.kernel.ids import PLATFORM_TENANT
from qs.domain.scheduler.execution import FiredBy
from qs.interface.cli.output import Json, emit, rows, run_async
from qs.interface.cli.session import open_container
from qs.interface.cli.tenancy import actor

app = typer.Typer()


@app.command()
def retention(json_mode: Json = False) -> None:
    """Remove what was kept as long as the settings `retention.*` say, of all tenants; safe at any time, and twice."""

    async def work() -> dict[str, Any]:
        async with open_container() as container:
            executed = await container.duty_executions().run(
                "retention", fired_by=FiredBy.CLI, actor=actor(), tenant_id=PLATFORM_TENANT, parameters={}
            )
            return {"execution_id": executed.execution_id, **executed.result}

    report = run_async(work())
    removed = [(name, number) for name, number in report.items() if name != "execution_id"]
    emit(report, json_mode, rows(("what", "number"), removed))
