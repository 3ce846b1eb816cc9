"""`qs job`: what is run, when, and what became of it."""

from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from qs.application.scheduler.job_ports import JobFilter
from qs.application.scheduler.job_reading import JobState
from qs.domain.scheduler.job import Job, JobSource, JobStatus
from qs.interface.cli import job_creating, job_files, job_runs, job_slots
from qs.interface.cli.job_asking import JobName, ask, default_zone, job_named, storable
from qs.interface.cli.job_import import import_jobs
from qs.interface.cli.job_tables import job_table, jobs_table
from qs.interface.cli.job_views import job_details, job_item
from qs.interface.cli.output import Json, emit, note
from qs.interface.cli.tenancy import Tenant, actor

if TYPE_CHECKING:
    from qs.container import Container

app = typer.Typer(no_args_is_help=True)

_PAGE = 100


@app.callback()
def job() -> None:
    """Jobs: what is run, when, and what became of it."""


@app.command("list")
def list_(
    status: Annotated[JobStatus | None, typer.Option(help="Only of this status.")] = None,
    kind: Annotated[
        str | None, typer.Option(help="Only with such a target: builtin, http, command, kubernetes.")
    ] = None,
    source: Annotated[JobSource | None, typer.Option(help="Only those written down there.")] = None,
    owner: Annotated[str | None, typer.Option(help="Only those applied as this owner.")] = None,
    enabled: Annotated[
        bool | None, typer.Option("--enabled/--disabled", help="Only what is fired by time, or is not.")
    ] = None,
    page: Annotated[int, typer.Option(min=1, help="Which page of 100.")] = 1,
    tenant: Tenant = "default",
    json_mode: Json = False,
) -> None:
    """List jobs by name: when each runs next, and how it ended last."""
    where = JobFilter(
        kind=kind and storable(kind, "--kind"),
        status=status,
        source=source,
        owner=owner and storable(owner, "--owner"),
        enabled=enabled,
    )

    async def question(container: "Container", tenant_id: UUID) -> Any:
        language = container.settings().lang
        found = await container.job_reading().jobs(
            tenant_id, where, offset=(page - 1) * _PAGE, size=_PAGE, language=language
        )
        return *found, default_zone(container)

    states, total, timezone = ask(tenant, question)
    data = {
        "items": [job_item(state) for state in states],
        "total": total,
        "page": page,
        "page_size": _PAGE,
    }
    emit(data, json_mode, jobs_table(states, timezone))
    if page * _PAGE < total:
        note(f"{total} jobs in all; go on with --page {page + 1}")


@app.command()
def show(name: JobName, tenant: Tenant = "default", json_mode: Json = False) -> None:
    """Show one job: where it stands, and the file that would make it. What looks secret is masked."""

    async def question(container: "Container", tenant_id: UUID) -> tuple[JobState, str]:
        found = await job_named(container, tenant_id, name)
        return await _state(container, tenant_id, found), default_zone(container)

    _emit(*ask(tenant, question), json_mode)


app.command()(job_creating.create)
app.command()(job_files.apply)
app.command()(job_files.diff)
app.command()(job_files.export)
app.command("import")(import_jobs)
app.command()(job_runs.run)


@app.command()
def enable(name: JobName, tenant: Tenant = "default", json_mode: Json = False) -> None:
    """Let the clock fire a job; its next slot is one that is still to come."""
    _switch(name, True, tenant, json_mode)


@app.command()
def disable(name: JobName, tenant: Tenant = "default", json_mode: Json = False) -> None:
    """Keep the clock from firing a job; what runs goes on, and nothing is missed meanwhile."""
    _switch(name, False, tenant, json_mode)


app.command("next")(job_slots.next_)
app.command()(job_runs.executions)
app.command()(job_runs.logs)
app.command()(job_runs.cancel)
app.command()(job_runs.retry)


@app.command()
def remove(name: JobName, tenant: Tenant = "default", json_mode: Json = False) -> None:
    """Remove a job; its executions stay in the history, and what runs goes on."""

    async def question(container: "Container", tenant_id: UUID) -> Job:
        found = await job_named(container, tenant_id, name)
        await container.job_authoring().remove(tenant_id, found.id, version=None, actor=actor())
        return found

    removed = ask(tenant, question)
    emit({"id": removed.id, "name": removed.name, "removed": True}, json_mode)


app.command()(job_slots.backfill)
app.command()(job_slots.preview)


def _switch(name: str, enabled: bool, tenant: str, json_mode: bool) -> None:
    async def question(container: "Container", tenant_id: UUID) -> tuple[JobState, str]:
        found = await job_named(container, tenant_id, name)
        if found.definition.enabled is not enabled:
            found = await container.job_authoring().enable(
                tenant_id, found.id, enabled, version=None, actor=actor()
            )
        else:
            note(f"{found.name} was {'enabled' if enabled else 'disabled'} already")
        return await _state(container, tenant_id, found), default_zone(container)

    _emit(*ask(tenant, question), json_mode)


async def _state(container: "Container", tenant_id: UUID, found: Job) -> JobState:
    return await container.job_reading().job(tenant_id, found.id, language=container.settings().lang)


def _emit(state: JobState, timezone: str, json_mode: bool) -> None:
    emit(job_details(state), json_mode, job_table(state, timezone))
