"""What other contexts know of trouble, in the words of this one. The container binds them."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from qs.application.notification.alert_ports import Found, MissedRun
from qs.domain.kernel.ids import DEFAULT_TENANT, PLATFORM_TENANT
from qs.domain.notification.addressing import Contact
from qs.domain.notification.alerts import AlertKind, Trouble
from qs.infra.notification.directories import ContactRecord


class StaffRecords(Protocol):
    async def contacts(self, tenant_id: UUID) -> Sequence[ContactRecord]: ...

    async def contacts_within(
        self, connection: AsyncConnection, tenant_id: UUID
    ) -> Sequence[ContactRecord]: ...


class OperatedStaff:
    """Staff contacts; those of the platform, who are told of trouble of the whole installation, are its operator.

    Where no operator is named they are the staff of the tenant ``default``, which smaller installations have alone.
    """

    def __init__(self, records: StaffRecords, operator_email: str | None) -> None:
        self._records = records
        self._operator = () if operator_email is None else (Contact("email", operator_email),)

    async def contacts(self, tenant_id: UUID) -> Sequence[ContactRecord]:
        if tenant_id != PLATFORM_TENANT:
            return await self._records.contacts(tenant_id)
        return self._operator or await self._records.contacts(DEFAULT_TENANT)

    async def contacts_within(self, connection: AsyncConnection, tenant_id: UUID) -> Sequence[ContactRecord]:
        """As ``contacts``, read on that connection where it may see them."""
        if tenant_id == PLATFORM_TENANT:
            return await self.contacts(tenant_id)
        return await self._records.contacts_within(connection, tenant_id)


class RunRecord(Protocol):
    @property
    def missed(self) -> int: ...

    @property
    def plan_id(self) -> UUID: ...

    @property
    def last_task_id(self) -> UUID | None: ...

    @property
    def alert_after_missed(self) -> int | None: ...


class RunRecords(Protocol):
    async def of(self, tenant_id: UUID, enrollment_ids: Collection[UUID]) -> Mapping[UUID, RunRecord]: ...


class RecordedRuns:
    def __init__(self, records: RunRecords) -> None:
        self._records = records

    async def of(self, tenant_id: UUID, enrollment_ids: Collection[UUID]) -> Mapping[UUID, MissedRun]:
        found = await self._records.of(tenant_id, enrollment_ids)
        return {
            enrollment_id: MissedRun(each.missed, each.plan_id, each.last_task_id, each.alert_after_missed)
            for enrollment_id, each in found.items()
        }


class DutyRecord(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def job_id(self) -> UUID: ...

    @property
    def cause(self) -> str: ...

    @property
    def count(self) -> int: ...

    @property
    def error(self) -> str | None: ...

    @property
    def late_since(self) -> datetime | None: ...


class DutyRecords(Protocol):
    async def look(self) -> Sequence[DutyRecord]: ...


class RecordedDuties:
    """An alert source: the duties, which belong to the platform and concern every tenant."""

    def __init__(self, records: DutyRecords) -> None:
        self._records = records

    async def look(self) -> Sequence[Found]:
        return [Found(PLATFORM_TENANT, _of_duty(record)) for record in await self._records.look()]


class JobRecord(Protocol):
    @property
    def tenant_id(self) -> UUID: ...

    @property
    def job_id(self) -> UUID: ...

    @property
    def name(self) -> str: ...

    @property
    def last_id(self) -> UUID: ...

    @property
    def length(self) -> int: ...


class JobRecords(Protocol):
    async def look(self) -> Sequence[JobRecord]: ...


class RecordedJobs:
    """An alert source: jobs that fail and told nobody of it themselves."""

    def __init__(self, records: JobRecords) -> None:
        self._records = records

    async def look(self) -> Sequence[Found]:
        return [
            Found(
                each.tenant_id,
                Trouble(
                    AlertKind.JOB_FAILING,
                    each.name,
                    str(each.last_id),
                    each.length,
                    {"job_id": str(each.job_id), "execution_id": str(each.last_id)},
                ),
            )
            for each in await self._records.look()
        ]


class EndpointRecord(Protocol):
    @property
    def tenant_id(self) -> UUID: ...

    @property
    def endpoint_id(self) -> UUID: ...

    @property
    def reason(self) -> str: ...


class EndpointRecords(Protocol):
    async def look(self) -> Sequence[EndpointRecord]: ...


class RecordedEndpoints:
    """An alert source: event webhooks that were switched off because of their receivers."""

    def __init__(self, records: EndpointRecords) -> None:
        self._records = records

    async def look(self) -> Sequence[Found]:
        return [
            Found(
                each.tenant_id,
                Trouble(
                    AlertKind.WEBHOOK_DISABLED,
                    str(each.endpoint_id),
                    each.reason,
                    1,
                    {"reason": f"webhook_{each.reason}"},
                ),
            )
            for each in await self._records.look()
        ]


def _of_duty(record: DutyRecord) -> Trouble:
    facts = {"job_id": str(record.job_id)}
    if record.late_since is not None:
        return Trouble(AlertKind.DUTY_LATE, record.name, record.cause, record.count, facts)
    facts["reason"] = record.error or "duty_lost"
    return Trouble(AlertKind.DUTY_FAILING, record.name, record.cause, record.count, facts)
