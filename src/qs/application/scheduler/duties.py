"""What each duty does: the services of the other contexts, as the scheduler needs them."""

from collections.abc import Mapping
from typing import Any, Protocol
from uuid import UUID

from qs.application.scheduler.ports import DutyContext, Work


class Report(Protocol):
    def to_dict(self) -> Mapping[str, Any]:
        """The report as JSON-able values."""
        ...


class Sweeping(Protocol):
    """One pass over due tasks, of one tenant or of all (None); see the plan context."""

    async def __call__(
        self,
        tenant_id: UUID | None,
        *,
        before: str | None,
        zone_name: str,
        limit: int | None,
        actor: str,
    ) -> Report: ...


class Retaining(Protocol):
    """Deletes what has been kept long enough."""

    async def run(self) -> Mapping[str, Any]: ...


class Syncing(Protocol):
    """Brings the statistics of one tenant up to date, or of all (None); see the statistics context."""

    async def __call__(self, tenant_id: UUID | None, execution_id: UUID) -> Mapping[str, Any]: ...


class Validating(Protocol):
    """Holds the statistics of one tenant, or of all (None), against the tasks."""

    async def __call__(
        self, tenant_id: UUID | None, *, repair: bool, execution_id: UUID
    ) -> Mapping[str, Any]: ...


def sweeping_work(sweep: Sweeping, default_timezone: str) -> Work:
    """The work of a duty that sweeps.

    Parameters, all of which may be left out: ``before`` as its caller wrote it, ``timezone`` for a civil one, and
    ``limit``, the most tasks to move.
    """

    async def work(context: DutyContext) -> Mapping[str, Any]:
        parameters = context.parameters
        report = await sweep(
            context.only_tenant,
            before=parameters.get("before"),
            zone_name=parameters.get("timezone", default_timezone),
            limit=parameters.get("limit"),
            actor=context.actor,
        )
        return report.to_dict()

    return work


def syncing_work(sync: Syncing) -> Work:
    """The work of a duty that syncs statistics; it takes no parameters."""

    async def work(context: DutyContext) -> Mapping[str, Any]:
        return await sync(context.only_tenant, context.execution_id)

    return work


def validating_work(validate: Validating) -> Work:
    """The work of the duty that validates statistics. Parameter: ``repair``, false if left out."""

    async def work(context: DutyContext) -> Mapping[str, Any]:
        repair = bool(context.parameters.get("repair", False))
        return await validate(context.only_tenant, repair=repair, execution_id=context.execution_id)

    return work


def retention_work(service: Retaining) -> Work:
    """The work of the duty that deletes; it takes no parameters."""

    async def work(context: DutyContext) -> Mapping[str, Any]:
        return await service.run()

    return work
