"""`qs plan`: plans from the terminal."""

from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from qs.application.plan.bulk_enrolling import BulkResult
from qs.application.plan.finding import TesteeRef
from qs.application.plan.ports import Page
from qs.application.plan.row_reading import read_csv
from qs.domain.plan.plan import PlanStatus
from qs.domain.plan.schedule import read_start_date
from qs.interface.cli.files import read_bytes
from qs.interface.cli.output import Json, emit, misusing, note, progress, rows, run_async
from qs.interface.cli.plan_file import read_plan, read_schedule
from qs.interface.cli.session import open_container
from qs.interface.cli.tenancy import Tenant, actor, read_id, tenant_of
from qs.interface.rest.plan.bulk_dto import BulkView
from qs.interface.rest.plan.enrollment_dto import JoinedView
from qs.interface.rest.plan.plan_dto import PlanView, PreviewView
from qs.interface.rest.plan.references import testee_named

app = typer.Typer(no_args_is_help=True)

PlanFile = Annotated[
    Path,
    typer.Option("-f", "--file", metavar="FILE", help="YAML or JSON with the plan's fields; - for stdin."),
]


@app.callback()
def plan() -> None:
    """Plans: which scale is asked, and when."""


@app.command("list")
def list_(
    status: Annotated[PlanStatus | None, typer.Option(help="Only of this status.")] = None,
    page: Annotated[int, typer.Option(min=1, help="Which page of 100.")] = 1,
    tenant: Tenant = "default",
    json_mode: Json = False,
) -> None:
    """List plans, the newest first."""

    async def work() -> Any:
        async with open_container() as container:
            tenant_id = await tenant_of(container, tenant)
            return await container.plan_reading().plans(tenant_id, Page(page, 100), status=status)

    plans, total = run_async(work())
    views = [PlanView.of(each) for each in plans]
    table = rows(
        ("id", "name", "scale", "schedule", "status"),
        [(v.id, v.name, v.scale_code, v.schedule_type, v.status) for v in views],
    )
    emit({"items": views, "total": total, "page": page, "page_size": 100}, json_mode, table)


@app.command()
def show(
    plan_id: Annotated[str, typer.Argument(metavar="ID")],
    tenant: Tenant = "default",
    json_mode: Json = False,
) -> None:
    """Show one plan."""
    wanted = read_id(plan_id, "plan")

    async def work() -> Any:
        async with open_container() as container:
            return await container.plan_reading().plan(await tenant_of(container, tenant), wanted)

    emit(PlanView.of(run_async(work())), json_mode)


@app.command()
def create(file: PlanFile, tenant: Tenant = "default", json_mode: Json = False) -> None:
    """Create a plan from a file."""
    fields = read_plan(file)

    async def work() -> Any:
        async with open_container() as container:
            tenant_id = await tenant_of(container, tenant)
            return await container.plan_authoring().create(tenant_id, fields, actor=actor())

    emit(PlanView.of(run_async(work())), json_mode)


@app.command()
def preview(
    file: PlanFile,
    start: Annotated[str, typer.Option("--start", metavar="DATE", help="YYYY-MM-DD.")],
    tenant: Tenant = "default",
    json_mode: Json = False,
) -> None:
    """Show what a schedule comes to, with its clock changes; writes nothing."""
    fields = read_schedule(file) | {"start_date": _start_date(start)}

    async def work() -> Any:
        async with open_container() as container:
            tenant_id = await tenant_of(container, tenant)
            return await container.plan_authoring().preview(tenant_id, fields)

    view = PreviewView.of(run_async(work()))
    table = rows(
        ("seq", "date", "planned", "due", "clock change"),
        [(o.seq, o.date, o.planned_at, o.due_at, o.flag) for o in view.occasions],
    )
    emit(view, json_mode, table)


@app.command()
def enroll(
    plan_id: Annotated[str, typer.Argument(metavar="ID")],
    testee: Annotated[str, typer.Argument(metavar="TESTEE", help="An id, or ext: and an external id.")],
    start: Annotated[str, typer.Option("--start", metavar="DATE", help="YYYY-MM-DD.")],
    new_round: Annotated[
        bool, typer.Option("--new-round", help="Another round where the last has ended.")
    ] = False,
    tenant: Tenant = "default",
    json_mode: Json = False,
) -> None:
    """Enroll one testee; doing it again answers the enrollment there is."""
    wanted, from_date = read_id(plan_id, "plan"), _start_date(start)

    async def work(who: TesteeRef) -> Any:
        async with open_container() as container:
            return await container.enrolling().enroll(
                await tenant_of(container, tenant), wanted, who, from_date, actor=actor(), new_round=new_round
            )

    joined = JoinedView.of(run_async(work(testee_named(testee))))
    table = rows(("seq", "planned", "status"), [(t.seq, t.planned_at, t.status) for t in joined.tasks])
    note("enrolled" if joined.created else "was enrolled already")
    emit(joined, json_mode, table)


@app.command("import")
def import_(
    plan_id: Annotated[str, typer.Argument(metavar="ID")],
    file: Annotated[Path, typer.Argument(metavar="CSV", help="Testees with start_date; - for stdin.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would happen and write nothing.")
    ] = False,
    all_or_nothing: Annotated[
        bool, typer.Option("--all-or-nothing", help="Write nothing if a row fails.")
    ] = False,
    tenant: Tenant = "default",
    json_mode: Json = False,
) -> None:
    """Enroll many testees from a CSV; exit 1 when a row failed."""
    wanted = read_id(plan_id, "plan")
    content = read_bytes(file)

    async def work() -> BulkResult:
        people = read_csv(content)
        done = 0
        with progress("enrolling", len(people)) as advance:

            def tell(count: int) -> None:
                nonlocal done
                advance(count - done)
                done = count

            async with open_container() as container:
                return await container.bulk_enrolling().enroll_many(
                    await tenant_of(container, tenant),
                    wanted,
                    people,
                    actor=actor(),
                    dry_run=dry_run,
                    all_or_nothing=all_or_nothing,
                    on_progress=tell,
                )

    result = run_async(work())
    view = BulkView.of(result)
    counts = [view.created, view.existing, view.failed, "yes" if result.written else "no"]
    table = rows(("enrolled", "were already", "failed", "written"), [counts])
    for row in view.rows:
        if row.result == "failed":
            note(f"row {row.row}: {row.detail or row.error}")
    emit(view, json_mode, table)
    if view.failed:
        raise typer.Exit(1)


def _start_date(text: str) -> date:
    with misusing("--start"):
        return read_start_date(text)
