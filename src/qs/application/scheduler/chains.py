"""What a job brings to run: itself when it is run, and every job that its chain leads to."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from qs.application.scheduler.compiling import JobCompiling
from qs.application.scheduler.job_documents import CHAIN_FIELDS
from qs.application.scheduler.job_ports import JobUnitOfWork
from qs.application.scheduler.job_sets import all_jobs
from qs.domain.scheduler.job import JobDefinition

# Beyond so many, reading all jobs of the tenant at once costs less than asking for each.
_ONE_BY_ONE = 50


@dataclass(frozen=True, slots=True)
class Start:
    """A job that is brought to run, and the scope that its kind of target has.

    ``begins_at`` is the job whose ``field`` (``on_success``) leads there; None where the job is run itself.
    """

    job: str
    scope: str | None
    begins_at: str | None = None
    field: str | None = None


async def starts_of_chains(
    uow: JobUnitOfWork, compiling: JobCompiling, definitions: Iterable[JobDefinition]
) -> list[Start]:
    """Every job that the chains of these jobs lead to, however far; a name that no job has leads nowhere yet.

    The given definitions stand for the stored ones of their names. They are not told of themselves, and what several of
    them lead to is told of once.
    """
    given = {definition.name: definition for definition in definitions}
    stored = _Stored(uow)
    seen: set[str] = set()
    ahead = deque(
        (definition.name, CHAIN_FIELDS[link.on], link.job)
        for definition in given.values()
        for link in definition.policies.chain
    )
    starts: list[Start] = []
    while ahead:
        begins_at, field, name = ahead.popleft()
        if name in seen:
            continue
        seen.add(name)
        found = given.get(name) or await stored.named(name)
        if found is None:
            continue
        starts.append(Start(name, compiling.scopes_of(found), begins_at, field))
        ahead += [(begins_at, field, link.job) for link in found.policies.chain]
    return starts


class _Stored:
    """The tenant's jobs by name, asked for one by one while these are few."""

    def __init__(self, uow: JobUnitOfWork) -> None:
        self._uow = uow
        self._asked = 0
        self._all: Mapping[str, JobDefinition] | None = None

    async def named(self, name: str) -> JobDefinition | None:
        if self._all is None and self._asked < _ONE_BY_ONE:
            self._asked += 1
            job = await self._uow.jobs.by_name(name)
            return None if job is None else job.definition
        if self._all is None:
            self._all = {job.name: job.definition for job in await all_jobs(self._uow)}
        return self._all.get(name)
