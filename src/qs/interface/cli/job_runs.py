"""`qs job run`, `executions`, `logs`, `cancel` and `retry`: what jobs do, have done and are to do."""

import asyncio
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from qs.application.scheduler.job_ports import RunFilter
from qs.domain.kernel.zones import zone
from qs.domain.scheduler.job_execution import JobExecution, RunStatus
from qs.interface.cli.job_asking import (
    ExecutionId,
    JobName,
    ask,
    busy_plainly,
    default_zone,
    execution_named,
    job_named,
    read_payload,
)
from qs.interface.cli.job_following import Following, Lines, Plain
from qs.interface.cli.job_progress import Progress, ending
from qs.interface.cli.job_tables import executions_table
from qs.interface.cli.job_views import execution_details, execution_item
from qs.interface.cli.output import Json, emit, misuse, note, run_async
from qs.interface.cli.session import open_container
from qs.interface.cli.tenancy import Tenant, actor, tenant_of

if TYPE_CHECKING:
    from qs.container import Container


def run(
    name: JobName,
    payload: Annotated[
        str | None, typer.Option("--payload", metavar="JSON", help="Instead of the job's own.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Although it is running already.")] = False,
    wait: Annotated[
        bool,
        typer.Option(
            "--wait", "--follow", help="Show what it writes until it ends; exit 0 only if it succeeded."
        ),
    ] = False,
    local: Annotated[
        bool,
        typer.Option("--local", help="Run it in this process, without a worker, so that it can be debugged."),
    ] = False,
    tenant: Tenant = "default",
    json_mode: Json = False,
) -> None:
    """Run a job now; a worker does it, and this returns at once unless it is to wait."""
    if wait and local:
        misuse("--local runs it here and waits for it anyway; leave --wait out")
    given = read_payload(payload)
    ended: JobExecution | None
    if local:
        from qs.interface.cli.job_local import run_here

        ended = run_here(tenant, name, given, force=force, json_mode=json_mode)
    elif wait:
        ended = _waited_for(tenant, name, given, force=force, json_mode=json_mode)
    else:
        began = ask(tenant, lambda container, tenant_id: _begin(container, tenant_id, name, given, force))
        _emit(began, json_mode)
        return
    if json_mode and ended is not None:
        emit(execution_details(ended), json_mode)
    if ended is None or ended.status is not RunStatus.SUCCEEDED:
        raise typer.Exit(1)


def executions(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Only of this job.")] = None,
    status: Annotated[RunStatus | None, typer.Option(help="Only of this status.")] = None,
    limit: Annotated[int, typer.Option("-n", "--limit", min=1, max=10_000, help="How many at most.")] = 20,
    before: Annotated[
        str | None, typer.Option("--before", metavar="EXECUTION", help="Only those older than this one.")
    ] = None,
    tenant: Tenant = "default",
    json_mode: Json = False,
) -> None:
    """List executions, the newest first."""
    older_than = execution_named(before) if before else None

    async def question(container: "Container", tenant_id: UUID) -> Any:
        job = await job_named(container, tenant_id, name) if name else None
        where = RunFilter(job.id if job else None, status)
        found = await container.job_reading().executions(tenant_id, where, before=older_than, size=limit)
        return found, zone(default_zone(container))

    found, tz = ask(tenant, question)
    table = executions_table(found, tz, of_one_job=name is not None)
    emit({"items": [execution_item(each) for each in found]}, json_mode, table)


def logs(
    execution: ExecutionId,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on until it has ended.")] = False,
    offset: Annotated[int, typer.Option("--offset", min=0, help="From this byte on.")] = 0,
    tenant: Tenant = "default",
    json_mode: Json = False,
) -> None:
    """Show what an execution wrote; with --json one piece a line, with the offset to go on from."""
    wanted = execution_named(execution)
    following: Following | None = None
    lines = Lines()

    async def work() -> JobExecution | None:
        nonlocal following
        from qs.interface.cli.interruption import ended_by_interrupt

        found = None
        with ended_by_interrupt() as interrupted:
            async with open_container() as container:
                reading, tenant_id = container.job_reading(), await tenant_of(container, tenant)
                shown = lines if json_mode else Plain()
                following = Following(reading, tenant_id, wanted, shown, offset=offset)
                found = await (following.to_the_end(interrupted) if follow else following.look())
        return found

    found = None
    try:
        # Being interrupted is one way in which following ends.
        with suppress(KeyboardInterrupt):
            found = run_async(work())
    finally:
        if found is not None and found.status.is_terminal:
            lines.close()
        elif follow and not json_mode and following is not None and following.offset > offset:
            note(f"go on with --offset {following.offset}")
    if found is not None and follow:
        note(ending(found))


def cancel(execution: ExecutionId, tenant: Tenant = "default", json_mode: Json = False) -> None:
    """Cancel an execution: one that waits at once, one that runs as soon as its worker has stopped it."""
    wanted = execution_named(execution)
    found = ask(
        tenant,
        lambda container, tenant_id: container.job_operating().cancel(tenant_id, wanted, actor=actor()),
    )
    _emit(found, json_mode)
    if not found.status.is_terminal:
        note("its worker was asked to stop it")


def retry(execution: ExecutionId, tenant: Tenant = "default", json_mode: Json = False) -> None:
    """Run a job again for an execution that is over, with the payload of that one."""
    wanted = execution_named(execution)
    _emit(
        ask(
            tenant,
            lambda container, tenant_id: container.job_operating().retry(tenant_id, wanted, actor=actor()),
        ),
        json_mode,
    )


def _emit(execution: JobExecution, json_mode: bool) -> None:
    item = execution_item(execution)
    short = {"execution": item.id, "job": item.name, "status": item.status.value}
    emit(item if json_mode else short, json_mode)


async def _begin(
    container: "Container", tenant_id: UUID, name: str, payload: dict[str, Any] | None, force: bool
) -> JobExecution:
    job = await job_named(container, tenant_id, name)
    with busy_plainly():
        return await container.job_operating().run(
            tenant_id, job.id, actor=actor(), payload=payload, force=force
        )


def _waited_for(
    tenant: str, name: str, payload: dict[str, Any] | None, *, force: bool, json_mode: bool
) -> JobExecution | None:
    """The execution as it ended, or as it began when nobody waited for its end; None if it never began."""
    found: JobExecution | None = None

    async def work() -> JobExecution | None:
        nonlocal found
        from qs.interface.cli.interruption import ended_by_interrupt

        ended = None
        with ended_by_interrupt() as interrupted:
            async with open_container() as container:
                tenant_id = await tenant_of(container, tenant)
                beginning = asyncio.ensure_future(_begin(container, tenant_id, name, payload, force))
                try:
                    found = await asyncio.shield(beginning)
                except asyncio.CancelledError:
                    # What was begun goes on, so whoever began it must be told of it.
                    await asyncio.wait({beginning})
                    found = None if beginning.exception() else beginning.result()
                    raise
                following = Following(
                    container.job_reading(),
                    tenant_id,
                    found.id,
                    Plain(sys.stderr if json_mode else sys.stdout),
                    Progress(zone(default_zone(container))),
                )
                ended = await following.to_the_end(interrupted)
        return ended

    ended = None
    with suppress(KeyboardInterrupt):
        ended = run_async(work())
    if ended is not None:
        note(ending(ended))
    elif found is not None:
        note(
            f"execution {found.id} goes on; `qs job logs {found.id} -f` follows it, "
            f"`qs job cancel {found.id}` stops it"
        )
    return ended or found
