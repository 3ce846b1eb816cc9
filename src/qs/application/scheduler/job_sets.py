"""What a set of jobs meets where it is to be applied: whose jobs are there, and whether a chain would close to a ring."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from qs.application.kernel.quotas import Count
from qs.application.scheduler.compiling import Calendars, CompiledJob, JobCompiling
from qs.application.scheduler.job_firing import calendars_of
from qs.application.scheduler.job_ports import JobFilter, JobUnitOfWork, JobUnitOfWorkFactory
from qs.domain.kernel.quotas import Quota, QuotaReached
from qs.domain.scheduler.job import Job, JobDefinition, JobSource, refuse_cycles

_PAGE = 1000
# Any id will do where nothing is stored: only `H` depends on it.
_CHECKED = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """All jobs of a tenant by name, and its calendars, as one transaction saw them."""

    jobs: Mapping[str, Job]
    calendars: Calendars
    now: datetime

    def owned(self, source: JobSource, owner: str | None) -> Sequence[Job]:
        """The jobs that whoever applies as that owner may change."""
        return [job for job in self.jobs.values() if job.source is source and job.owner == owner]

    def check(self, compiling: JobCompiling, definition: JobDefinition) -> CompiledJob:
        """The definition compiled with these calendars. Raises Invalid with all that is wrong with it."""
        calendar, _ = self.calendars.of(definition.trigger.calendar)
        return compiling.check(_CHECKED, definition, calendar, self.now)

    def refuse_rings(self, wanted: Iterable[JobDefinition], removed: Iterable[str] = ()) -> None:
        """Raises ChainCycle when jobs would come to start themselves once these are applied."""
        after = {name: job.definition for name, job in self.jobs.items() if name not in set(removed)}
        after |= {definition.name: definition for definition in wanted}
        refuse_cycles({name: [link.job for link in each.policies.chain] for name, each in after.items()})


class JobSets:
    """Reads what an application of a set would meet; ``JobAuthoring.apply`` decides all of it again when it writes."""

    def __init__(self, unit_of_work: JobUnitOfWorkFactory) -> None:
        self._unit_of_work = unit_of_work

    async def surroundings(self, tenant_id: UUID) -> Surroundings:
        async with self._unit_of_work(tenant_id) as uow:
            return Surroundings(
                {job.name: job for job in await all_jobs(uow)},
                await calendars_of(uow),
                await uow.system_now(),
            )


async def all_jobs(uow: JobUnitOfWork) -> list[Job]:
    """All jobs of the tenant, by name."""
    found: list[Job] = []
    page: Sequence[Job] = await uow.jobs.list(JobFilter(), offset=0, size=_PAGE)
    while page:
        found += page
        page = await uow.jobs.list(JobFilter(after=page[-1].definition.name), offset=0, size=_PAGE)
    return found


def jobs_counted(uow: JobUnitOfWork) -> Count:
    """How many jobs the tenant has, when asked."""

    async def count() -> int:
        return await uow.jobs.count(JobFilter())

    return count


async def beyond_quota(
    uow: JobUnitOfWork, new: Sequence[str], pruned: int, *, tolerant: bool
) -> Mapping[str, str]:
    """Which of the ``new`` jobs of a set the tenant's quota has no room for, once ``pruned`` of its jobs are gone, and why.

    Raises:
        QuotaReached: there are any, and the set is not ``tolerant`` of being carried out in part.
    """
    limit = await uow.quotas.limit(Quota.JOBS) if new else None
    if limit is None:
        return {}
    # Counted anew: a job may have been created since the set was read and before nobody else could.
    room = max(limit - await uow.jobs.count(JobFilter()), 0) + pruned
    excess = new[room:]
    if excess and not tolerant:
        raise QuotaReached(Quota.JOBS, limit)
    return dict.fromkeys(excess, str(QuotaReached(Quota.JOBS, limit)))
