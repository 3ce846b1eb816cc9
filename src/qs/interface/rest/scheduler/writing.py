"""From the body of a request to a definition that its sender may write, and from what was written to the answer."""

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from litestar import Request, Response

from qs.application.kernel.preconditions import PreconditionFailed
from qs.application.scheduler.authoring import JobAuthoring
from qs.application.scheduler.job_documents import read_job, write_job
from qs.application.scheduler.job_reading import JobReading
from qs.domain.identity.principal import Principal
from qs.domain.scheduler.job import Job, JobDefinition
from qs.domain.scheduler.policies import Retry
from qs.interface.rest.envelope import Success
from qs.interface.rest.etags import expected_version
from qs.interface.rest.scheduler.answers import changeable, language_of
from qs.interface.rest.scheduler.job_dto import JobDetail, job_detail
from qs.interface.rest.scheduler.permissions import require_kinds, require_starts
from qs.settings import Settings

_TRIES = 5


def read_document(document: Mapping[str, Any], settings: Settings) -> JobDefinition:
    """The definition a document stands for. Raises Invalid with every problem in it."""
    return read_job(document, Retry(max_attempts=settings.scheduler.defaults.max_attempts))


async def require_scopes(
    caller: Principal, definitions: Collection[JobDefinition], authoring: JobAuthoring
) -> None:
    """Whether the caller may have these jobs fire.

    Raises:
        TooNarrow: a target needs a scope that the caller does not hold.
        StartTooNarrow: a chain leads to a job that is started only with a scope that the caller does not hold.
    """
    require_kinds(caller, map(authoring.scope_needed, definitions))
    require_starts(caller, await authoring.starts_of(caller.home_tenant, definitions))


async def written_by(
    caller: Principal, document: Mapping[str, Any], authoring: JobAuthoring, settings: Settings
) -> JobDefinition:
    """The definition a document stands for, which the caller may write. Raises Invalid, TooNarrow, StartTooNarrow."""
    definition = read_document(document, settings)
    await require_scopes(caller, [definition], authoring)
    return definition


def merged(document: Any, patch: Any) -> Any:
    """The document after a merge patch (RFC 7396): a null takes a member away, objects are merged, the rest replaces."""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(document) if isinstance(document, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


async def patched(
    request: Request[Principal, Any, Any],
    job_id: UUID,
    changes: dict[str, Any],
    authoring: JobAuthoring,
    reading: JobReading,
    settings: Settings,
    *,
    replaced: str | None = None,
) -> Job:
    """The job with the changes in its document, made on the version that was read, or again on a newer one."""
    expected, tenant = expected_version(request), request.user.home_tenant
    for left in reversed(range(_TRIES)):
        job = (await reading.job(tenant, job_id)).job
        if expected not in (None, job.version):
            raise PreconditionFailed
        document = write_job(job.definition)
        if replaced is not None:
            del document[replaced]
        definition = await written_by(request.user, merged(document, changes), authoring, settings)
        try:
            return await authoring.change(
                tenant, job_id, definition, version=job.version, actor=request.user.actor
            )
        except PreconditionFailed:
            if expected is not None or not left:
                raise
    raise AssertionError


async def told(
    request: Request[Principal, Any, Any],
    reading: JobReading,
    settings: Settings,
    job: Job,
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> Response[Success[JobDetail]]:
    """The job as it is stored by now, with its times and in words."""
    found = await reading.job(job.tenant_id, job.id, language=language_of(request, settings))
    return changeable(job_detail(found), found.job.version, status, headers)
