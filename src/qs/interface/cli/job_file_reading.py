"""Job files as the verbs take them: read with the line of everything, and refused by line."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from qs.application.scheduler.job_sets import JobSets, Surroundings
from qs.domain.scheduler.policies import Retry
from qs.infra.scheduler.files.problems import FileProblem, JobFileInvalid
from qs.infra.scheduler.files.reading import JobFile, LocatedJob, read_job_file
from qs.infra.scheduler.files.strict_yaml import YamlRefused, read_yaml
from qs.interface.cli.files import STDIN, read_bytes
from qs.interface.cli.output import fail, misuse

if TYPE_CHECKING:
    from qs.container import Container

_MOST_TOLD = 50


def read_jobs(file: Path) -> JobFile:
    """The jobs of the file; one that cannot be read is misuse, one that is no job file ends the verb with 1."""
    content = read_bytes(file)
    with refused_by_line():
        return read_job_file(content, _name(file))


def read_one_job(file: Path) -> JobFile:
    """The one job of the file, which may stand there without a list around it; several are misuse."""
    content = read_bytes(file)
    # What is no YAML is refused below, in the words of a job file.
    with suppress(YamlRefused):
        tree = read_yaml(content)
        if isinstance(tree.value, dict) and not {"jobs", "scheduler"} & tree.value.keys():
            return JobFile(_name(file), (LocatedJob(tree.value, _name(file), "", tree.lines),))
    with refused_by_line():
        jobs = read_job_file(content, _name(file))
    if len(jobs.jobs) != 1:
        misuse(f"{_name(file)} holds {len(jobs.jobs)} jobs; `qs job apply -f` is for whole files")
    return jobs


async def surroundings(container: "Container", tenant_id: UUID) -> Surroundings:
    """All jobs and calendars of the tenant."""
    unit_of_work: Any = container.job_uow()
    return await JobSets(unit_of_work).surroundings(tenant_id)


def retry_defaults(container: "Container") -> Retry:
    """The retry policy of jobs that say nothing about it."""
    from qs.making import job_retry

    return job_retry(container.settings())


@contextmanager
def refused_by_line() -> Iterator[None]:
    """Inside the block a job file that is wrong ends the verb with 1 and a line for each problem."""
    try:
        yield
    except JobFileInvalid as error:
        fail(error.sentence)


def refuse(file: JobFile, found: Iterable[FileProblem]) -> None:
    """Ends the verb with 1 when there is any problem, naming each by its line."""
    problems = list(found)
    if not problems:
        return
    told = [f"  {problem}" for problem in problems[:_MOST_TOLD]]
    if len(problems) > _MOST_TOLD:
        told.append(f"  and {len(problems) - _MOST_TOLD} more")
    fail("\n".join([f"nothing of {file.name} was applied; correct these lines and try again:", *told]))


def _name(file: Path) -> str:
    return "stdin" if str(file) == STDIN else str(file)
