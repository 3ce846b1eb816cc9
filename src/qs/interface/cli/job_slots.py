"""`qs job next`, `preview` and `backfill`: the slots that were, will be or would be."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from qs.application.scheduler.operating import Backfilled
from qs.domain.kernel.errors import Invalid
from qs.domain.kernel.zones import zone
from qs.domain.scheduler.triggers import TriggerKind, TriggerSpec
from qs.interface.cli.job_asking import (
    JobName,
    ask,
    default_zone,
    job_named,
    read_instant,
    storable,
)
from qs.interface.cli.job_tables import clock_text, job_zone, slots_table
from qs.interface.cli.job_views import slots
from qs.interface.cli.output import Json, emit, misuse, note, rows
from qs.interface.cli.tenancy import Tenant, actor

if TYPE_CHECKING:
    from qs.container import Container

Count = Annotated[int, typer.Option("-n", "--count", min=1, max=100, help="How many.")]
_RANGE = {"/from": "--from", "/to": "--to"}


def next_(name: JobName, count: Count = 5, tenant: Tenant = "default", json_mode: Json = False) -> None:
    """Show the next slots of a job, by the clocks it follows."""

    async def question(container: "Container", tenant_id: UUID) -> Any:
        job = await job_named(container, tenant_id, name)
        state = await container.job_reading().job(tenant_id, job.id, language=container.settings().lang)
        found = await container.job_reading().upcoming(tenant_id, job.id, count)
        most = job.definition.trigger.max_runs
        left = found if most is None else found[: max(most - job.runs, 0)]
        return state, left, job_zone(job, default_zone(container))

    state, found, tz = ask(tenant, question)
    job = state.job
    if not job.definition.enabled:
        note(f"{job.name} is disabled, so the clock fires none of these")
    data = {
        "id": job.id,
        "name": job.name,
        "enabled": job.definition.enabled,
        "words": state.words,
        "occurrences": slots(found),
    }
    emit(data, json_mode, _titled(slots_table(found, tz), state.words))


def preview(
    type_: Annotated[TriggerKind, typer.Argument(metavar="TYPE", help=f"One of {', '.join(TriggerKind)}.")],
    schedule: Annotated[
        str, typer.Argument(metavar="SCHEDULE", help="Such as '0 2 * * *', 30s, or 02:00,14:00.")
    ],
    timezone: Annotated[
        str | None, typer.Option("--timezone", metavar="ZONE", help="Else scheduler.timezone.")
    ] = None,
    dialect: Annotated[
        str, typer.Option("--dialect", help="Of cron: standard, or quartz (1 = Sunday).")
    ] = "standard",
    calendar: Annotated[str | None, typer.Option("--calendar", metavar="NAME", help="One of yours.")] = None,
    after: Annotated[
        str | None, typer.Option("--after", metavar="INSTANT", help="Begin there; else now.")
    ] = None,
    count: Count = 5,
    tenant: Tenant = "default",
    json_mode: Json = False,
) -> None:
    """Say in words when a schedule fires, and its next slots; keeps nothing. Exit 1 when it cannot be."""
    spec = TriggerSpec(
        type=type_,
        schedule=storable(schedule, "SCHEDULE"),
        timezone=timezone and storable(timezone, "--timezone"),
        dialect=dialect,  # type: ignore[arg-type]
        calendar=calendar and storable(calendar, "--calendar"),
    )

    async def question(container: "Container", tenant_id: UUID) -> Any:
        default = default_zone(container)
        begin = read_instant(after, "--after", zone(timezone or default)) if after else None
        found = await container.job_reading().preview(
            tenant_id, spec, after=begin, count=count, language=container.settings().lang
        )
        return found, zone(timezone or default)

    found, tz = ask(tenant, question)
    for warning in found.warnings:
        note(f"warning: {warning}")
    data = {"words": found.words, "occurrences": slots(found.occurrences), "warnings": found.warnings}
    emit(data, json_mode, _titled(slots_table(found.occurrences, tz), found.words))


def backfill(
    name: JobName,
    start: Annotated[
        str,
        typer.Option("--from", metavar="INSTANT", help="From this instant on, by the job's clocks."),
    ],
    end: Annotated[str, typer.Option("--to", metavar="INSTANT", help="… and before this one.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say which slots, and run none.")] = False,
    tenant: Tenant = "default",
    json_mode: Json = False,
) -> None:
    """Run a job for every slot of a range that is past, one after the other; its clock stays where it is."""

    async def question(container: "Container", tenant_id: UUID) -> Any:
        job = await job_named(container, tenant_id, name)
        tz = job_zone(job, default_zone(container))
        limits = read_instant(start, "--from", tz), read_instant(end, "--to", tz)
        return job, limits, tz, await _backfilled(container, tenant_id, job.id, limits, dry_run)

    job, limits, tz, done = ask(tenant, question)
    ids = done.execution_ids or [None] * len(done.slots)
    data = {
        "id": job.id,
        "name": job.name,
        "from": limits[0],
        "to": limits[1],
        "dry_run": dry_run,
        "slots": done.slots,
        "execution_ids": done.execution_ids,
    }
    table = rows(
        ("slot", "execution"),
        [(clock_text(slot, tz), each) for slot, each in zip(done.slots, ids, strict=True)],
    )
    emit(data, json_mode, table)
    note(f"{len(done.slots)} slots {'would be' if dry_run else 'are'} run, one after the other")


async def _backfilled(
    container: "Container", tenant_id: UUID, job_id: UUID, limits: tuple[datetime, datetime], dry_run: bool
) -> Backfilled:
    try:
        return await container.job_operating().backfill(
            tenant_id, job_id, actor=actor(), start=limits[0], end=limits[1], dry_run=dry_run
        )
    except Invalid as error:
        if {problem.pointer for problem in error.problems} <= _RANGE.keys():
            misuse("\n".join(f"{_RANGE[each.pointer]} {each.detail}" for each in error.problems))
        raise


def _titled(table: Any, words: str | None) -> Any:
    table.title, table.title_justify = words, "left"
    return table
