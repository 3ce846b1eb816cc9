"""`qs job create`: one job, from the command line or from a file."""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from qs.application.scheduler.job_documents import TARGET_KINDS, read_job
from qs.application.scheduler.job_reading import JobState
from qs.domain.scheduler.job import JobDefinition
from qs.domain.scheduler.triggers import TriggerKind
from qs.infra.scheduler.files.reading import JobFile
from qs.interface.cli.job_asking import ask, default_zone, read_object, read_payload, storable
from qs.interface.cli.job_file_reading import read_one_job, refused_by_line, retry_defaults, surroundings
from qs.interface.cli.job_tables import job_table
from qs.interface.cli.job_views import job_details
from qs.interface.cli.output import Json, emit, misuse
from qs.interface.cli.tenancy import Tenant, actor

if TYPE_CHECKING:
    from qs.container import Container

_Defining = Callable[["Container", UUID], Awaitable[JobDefinition]]


def create(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="What it is called.")] = None,
    type_: Annotated[
        str | None, typer.Argument(metavar="TYPE", help=f"One of {', '.join(TriggerKind)}.")
    ] = None,
    schedule: Annotated[
        str | None, typer.Argument(metavar="SCHEDULE", help="Such as '0 2 * * *', 30s, or 02:00.")
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("-f", "--file", metavar="FILE", help="YAML or JSON with one job; - for stdin."),
    ] = None,
    timezone: Annotated[
        str | None, typer.Option("--timezone", metavar="ZONE", help="Whose clocks; else scheduler.timezone.")
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            "--target",
            metavar="JSON",
            help=f"An object with one of {', '.join(TARGET_KINDS)}; else the builtin of its name.",
        ),
    ] = None,
    payload: Annotated[
        str | None, typer.Option("--payload", metavar="JSON", help="What it is given at every run.")
    ] = None,
    disabled: Annotated[bool, typer.Option("--disabled", help="The clock does not fire it yet.")] = False,
    tenant: Tenant = "default",
    json_mode: Json = False,
) -> None:
    """Create a job: NAME TYPE SCHEDULE, or -f FILE for everything else a job can be."""
    given = (name, type_, schedule, timezone, target, payload)
    if file is not None:
        if disabled or any(each is not None for each in given):
            misuse("--file says all about the job; leave the other arguments out")
        _create(_of_file(read_one_job(file)), tenant, json_mode)
        return
    if name is None or type_ is None or schedule is None:
        misuse("say NAME, TYPE and SCHEDULE, such as `qs job create tidy cron '0 2 * * *'`, or -f FILE")
    document: dict[str, Any] = {
        "name": storable(name, "NAME"),
        "type": storable(type_, "TYPE"),
        "schedule": storable(schedule, "SCHEDULE"),
        "timezone": timezone and storable(timezone, "--timezone"),
        "target": target and read_object(target, "--target"),
        "payload": read_payload(payload),
        "enabled": not disabled,
    }
    _create(_of_document(document), tenant, json_mode)


def _of_file(file: JobFile) -> _Defining:
    async def define(container: "Container", tenant_id: UUID) -> JobDefinition:
        around = await surroundings(container, tenant_id)
        compiling = container.job_compiling()
        with refused_by_line():
            (definition,) = file.definitions(
                retry_defaults(container), lambda definition: around.check(compiling, definition)
            )
        return definition

    return define


def _of_document(document: Mapping[str, Any]) -> _Defining:
    async def define(container: "Container", tenant_id: UUID) -> JobDefinition:
        return read_job(document, retry_defaults(container))

    return define


def _create(define: _Defining, tenant: str, json_mode: bool) -> None:
    async def question(container: "Container", tenant_id: UUID) -> tuple[JobState, str]:
        definition = await define(container, tenant_id)
        job = await container.job_authoring().create(tenant_id, definition, actor=actor())
        state = await container.job_reading().job(tenant_id, job.id, language=container.settings().lang)
        return state, default_zone(container)

    state, timezone = ask(tenant, question)
    emit(job_details(state), json_mode, job_table(state, timezone))
