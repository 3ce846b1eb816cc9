"""What ECron's clients name: jobs and executions by ids with commas between, and jobs by their type."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from qs.application.scheduler.ecron import JOB_TYPES, job_type_of
from qs.application.scheduler.job_ports import JobFilter
from qs.application.scheduler.job_reading import JobReading
from qs.domain.kernel.errors import Invalid, Problem
from qs.domain.scheduler.errors import JobAbsent
from qs.domain.scheduler.job import Job

_MOST_IDS = 100
_PAGE = 1000
_YEARS = range(1900, 2200)


def split_ids(text: str) -> list[str]:
    """The ids in a path or a parameter. Raises Invalid for more than 100."""
    ids = [each.strip() for each in text.split(",") if each.strip()]
    if len(ids) > _MOST_IDS:
        raise Invalid([Problem("/job_id", f"must be at most {_MOST_IDS} ids at once")])
    return ids


def instant_or_none(name: str, text: str) -> datetime | None:
    """The instant a parameter names; an empty one, as Go clients send it, says nothing. Raises Invalid."""
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None or at.year not in _YEARS:
        raise Invalid([Problem(f"/{name}", "must be an instant such as 2026-03-01T09:00:00Z")])
    return at.astimezone(UTC)


def uuid_or_none(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


async def jobs_named(reading: JobReading, tenant_id: UUID, ids: Sequence[str]) -> Sequence[Job]:
    """The jobs of these ids, each once. Raises JobAbsent where one is not there, or none is named."""
    wanted = list(dict.fromkeys(uuid_or_none(each) for each in ids))
    if not wanted:
        raise JobAbsent
    found = []
    for job_id in wanted:
        if job_id is None:
            raise JobAbsent
        found.append((await reading.job(tenant_id, job_id)).job)
    return found


async def jobs_of_type(
    reading: JobReading, tenant_id: UUID, where: JobFilter, job_type: str, *, offset: int, size: int
) -> Sequence[Job]:
    """A page of the jobs by name; ``job_type`` is one of ECron's, or empty for any. Raises Invalid."""
    if not job_type:
        return await reading.definitions(tenant_id, where, size=size, offset=offset)
    if job_type not in JOB_TYPES:
        raise Invalid([Problem("/job_type", f"must be one of {', '.join(JOB_TYPES)}")])
    wanted = "timed" if job_type == "timed" else "scheduled"
    found: list[Job] = []
    read = 0
    while len(found) < offset + size:
        jobs = await reading.definitions(tenant_id, where, size=_PAGE, offset=read)
        found += [job for job in jobs if job_type_of(job.definition) == wanted]
        read += len(jobs)
        if len(jobs) < _PAGE:
            break
    return found[offset : offset + size]
