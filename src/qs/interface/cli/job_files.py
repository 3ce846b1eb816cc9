"""`qs job apply`, `diff` and `export`: the jobs of a file, and what they are here."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from qs.application.scheduler.authoring import Change
from qs.application.scheduler.job_documents import CHAIN_FIELDS, write_job
from qs.application.scheduler.job_sets import Surroundings
from qs.domain.kernel.errors import Invalid, Problem
from qs.domain.scheduler.errors import ChainCycle
from qs.domain.scheduler.job import Job, JobDefinition, JobSource
from qs.domain.scheduler.policies import Retry
from qs.infra.scheduler.files.diffing import Changed, JobDiff, field_changes
from qs.infra.scheduler.files.problems import FileProblem
from qs.infra.scheduler.files.reading import JobFile, LocatedJob
from qs.infra.scheduler.files.showing import masked
from qs.infra.scheduler.files.writing import short_document, write_job_file
from qs.interface.cli.files import STDIN
from qs.interface.cli.job_asking import ask, storable
from qs.interface.cli.job_file_reading import (
    read_jobs,
    refuse,
    refused_by_line,
    retry_defaults,
    surroundings,
)
from qs.interface.cli.output import Json, emit, fail, misuse, note
from qs.interface.cli.tenancy import Tenant, actor

if TYPE_CHECKING:
    from qs.container import Container

File = Annotated[
    Path,
    typer.Option("-f", "--file", metavar="FILE", help="YAML or JSON with a list of jobs; - for stdin."),
]
Owner = Annotated[
    str | None,
    typer.Option("--owner", help="As whom: only jobs of this owner are touched; else the file's name."),
]
Prune = Annotated[bool, typer.Option("--prune", help="Remove the owner's jobs that are not in the file.")]

_MOST_NAMED = 10
_ELSEWHERE = {
    JobSource.DECLARED: "is declared in the settings file (scheduler.jobs)",
    JobSource.CODE: "is declared in the code",
    JobSource.SYS_CRONTAB: "is a row of the table sys_crontab",
}


@dataclass(frozen=True, slots=True)
class _Given:
    """What is to be applied, as whom, and how far."""

    file: JobFile
    owner: str
    prune: bool
    dry_run: bool


def apply(
    file: File,
    owner: Owner = None,
    prune: Prune = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")
    ] = False,
    tenant: Tenant = "default",
    json_mode: Json = False,
) -> None:
    """Make the owner's jobs those of the file, all or nothing, and name every field that changed."""
    _apply(file, owner, prune, dry_run, tenant, json_mode)


def diff(
    file: File,
    owner: Owner = None,
    prune: Prune = False,
    tenant: Tenant = "default",
    json_mode: Json = False,
) -> None:
    """Show what apply would change with the same options; exit 1 when that is anything."""
    if not _apply(file, owner, prune, True, tenant, json_mode).empty:
        raise typer.Exit(1)


def export(
    owner: Annotated[str | None, typer.Option("--owner", help="Only the jobs of this owner.")] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write there; else to stdout.")
    ] = None,
    tenant: Tenant = "default",
    json_mode: Json = False,
) -> None:
    """Write the jobs as a file that apply takes, with nothing masked; those declared elsewhere are left out."""

    async def question(container: "Container", tenant_id: UUID) -> tuple[Surroundings, Retry]:
        found = await surroundings(container, tenant_id)
        return found, retry_defaults(container)

    found, defaults = ask(tenant, question)
    stored = [
        job.definition
        for job in found.jobs.values()
        if job.source is JobSource.STORED and owner in (None, job.owner)
    ]
    _tell_of_export(found, stored, owner)
    if output is None:
        documents = [short_document(each, defaults) for each in sorted(stored, key=lambda each: each.name)]
        lines = write_job_file(stored, defaults).rstrip("\n").split("\n")
        emit({"jobs": documents} if json_mode else lines, json_mode)
        return
    try:
        output.write_text(write_job_file(stored, defaults), encoding="utf-8")
    except OSError as error:
        misuse(f"{output} cannot be written: {error.strerror}")
    emit({"file": str(output), "jobs": len(stored)}, json_mode)


def _apply(
    file: Path, owner: str | None, prune: bool, dry_run: bool, tenant: str, json_mode: bool
) -> JobDiff:
    whose = _owner(file, owner)
    given = _Given(read_jobs(file), whose, prune, dry_run)
    made, left = ask(tenant, lambda container, tenant_id: _applied(container, tenant_id, given))
    about = {"file": given.file.name, "owner": given.owner, "dry_run": dry_run}
    *changes, would_be = made.lines()
    done = (
        f"{len(made.created)} created, {len(made.changed)} changed, {len(made.pruned)} pruned, "
        f"{len(made.unchanged)} unchanged"
    )
    emit(about | made.data() if json_mode else [*changes, would_be if dry_run else done], json_mode)
    if left:
        note(f"the owner {given.owner!r} has {_counted(left)} besides, not in the file; --prune removes them")
    return made


def _owner(file: Path, owner: str | None) -> str:
    if owner is None and str(file) == STDIN:
        misuse("jobs from stdin need --owner, since there is no file whose name could be it")
    name = storable(file.name if owner is None else owner, "--owner").strip()
    if not 0 < len(name) <= 200 or not name.isprintable():
        misuse("--owner must be 1 to 200 printable characters")
    return name


async def _applied(container: "Container", tenant_id: UUID, given: _Given) -> tuple[JobDiff, list[str]]:
    """What was changed, and the owner's jobs that stay though the file has them not."""
    around = await surroundings(container, tenant_id)
    compiling = container.job_compiling()
    with refused_by_line():
        wanted = given.file.definitions(
            retry_defaults(container), lambda definition: around.check(compiling, definition)
        )
    located = dict(zip((each.name for each in wanted), given.file.jobs, strict=True))
    names = [job.name for job in around.owned(JobSource.STORED, given.owner) if job.name not in located]
    refuse(given.file, _foreign(given, located, around.jobs))
    refuse(given.file, _rings(located, wanted, around, names if given.prune else ()))
    try:
        changes = await container.job_authoring().apply(
            tenant_id,
            wanted,
            source=JobSource.STORED,
            owner=given.owner,
            actor=actor(),
            prune=given.prune,
            dry_run=given.dry_run,
        )
    except Invalid as error:
        # Somebody wrote at the same moment, so that what was looked at above is no longer so.
        refuse(given.file, _by_line(located, error))
        raise
    return _made(wanted, changes), [] if given.prune else sorted(names)


def _foreign(
    given: _Given, located: Mapping[str, LocatedJob], jobs: Mapping[str, Job]
) -> Iterator[FileProblem]:
    for name, there in located.items():
        job = jobs.get(name)
        if job is None or (job.source is JobSource.STORED and job.owner == given.owner):
            continue
        way_out = "choose another name"
        if job.source is not JobSource.STORED:
            whose = _ELSEWHERE[job.source]
        elif job.owner is None:
            whose, way_out = "was created by hand and has no owner", f"{way_out}, or remove that job first"
        else:
            whose, way_out = f"belongs to the owner {job.owner!r}", f"{way_out}, or say --owner {job.owner}"
        detail = f"{whose}, so {given.owner!r} may not change it; {way_out}"
        yield from there.locate([Problem("/name", detail)])


def _rings(
    located: Mapping[str, LocatedJob],
    wanted: Sequence[JobDefinition],
    around: Surroundings,
    removed: Sequence[str],
) -> Iterator[FileProblem]:
    try:
        around.refuse_rings(wanted, removed)
    except ChainCycle as error:
        by_name = {definition.name: definition for definition in wanted}
        told = f"leads back to the job it began at ({' → '.join(error.way)}); leave one link out"
        for name, following in zip(error.way, error.way[1:], strict=False):
            if name in by_name:
                links = by_name[name].policies.chain
                field = next(CHAIN_FIELDS[link.on] for link in links if link.job == following)
                yield from located[name].locate([Problem(f"/{field}", told)])


def _by_line(located: Mapping[str, LocatedJob], error: Invalid) -> Iterator[FileProblem]:
    for problem in error.problems:
        # A name may hold a slash, so the longest that fits is the one that is meant.
        named = [
            name
            for name in located
            if problem.pointer == f"/{name}" or problem.pointer.startswith(f"/{name}/")
        ]
        if named:
            name = max(named, key=len)
            rest = problem.pointer.removeprefix(f"/{name}")
            yield from located[name].locate([Problem(rest, problem.detail)])


def _made(wanted: Sequence[JobDefinition], changes: Sequence[Change]) -> JobDiff:
    by_name = {definition.name: definition for definition in wanted}
    sorts: dict[str, list[Change]] = {}
    for change in sorted(changes, key=lambda change: change.name):
        sorts.setdefault(change.action, []).append(change)
    return JobDiff(
        created=tuple(by_name[change.name] for change in sorts.get("created", ())),
        changed=tuple(
            Changed(change.name, field_changes(change.fields)) for change in sorts.get("changed", ())
        ),
        unchanged=tuple(change.name for change in sorts.get("unchanged", ())),
        pruned=tuple(change.name for change in sorts.get("removed", ())),
    )


def _tell_of_export(found: Surroundings, stored: Sequence[JobDefinition], owner: str | None) -> None:
    if owner is not None and not stored:
        fail(f"there is no job of the owner {owner!r}; `qs job list` shows the jobs")
    elsewhere = sorted(job.name for job in found.jobs.values() if job.source is not JobSource.STORED)
    if owner is None and elsewhere:
        note(f"{_counted(elsewhere)} declared elsewhere left out")
    secret = sorted(each.name for each in stored if masked(document := write_job(each)) != document)
    if secret:
        note(f"{_counted(secret)} with what looks like a secret, in clear; secret://NAME would keep it out")


def _counted(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_MOST_NAMED]) + (" …" if len(names) > _MOST_NAMED else "")
    return f"{len(names)} {'job' if len(names) == 1 else 'jobs'} ({shown})"
