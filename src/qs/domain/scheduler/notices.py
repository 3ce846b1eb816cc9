"""What is told about the end of executions, to whom."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from uuid import UUID

from qs.domain.scheduler.job import JobDefinition
from qs.domain.scheduler.job_execution import FAILED_ENDS, JobExecution, RunStatus
from qs.domain.scheduler.policies import NoticeOn


class NoticeChannel(StrEnum):
    WEBHOOK = "webhook"
    EMAIL = "email"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One message about one execution to one address; its id is the same at every sending."""

    id: UUID
    tenant_id: UUID
    execution_id: UUID
    kind: NoticeOn
    channel: NoticeChannel
    address: str
    body: Mapping[str, Any] = field(default_factory=dict)


def kinds_of(status: RunStatus, before: RunStatus | None) -> frozenset[NoticeOn]:
    """What the end of an execution is to those who are told; ``before`` is how the one before it had ended."""
    if status is RunStatus.SUCCEEDED:
        recovered = before in FAILED_ENDS
        return frozenset({NoticeOn.SUCCESS, NoticeOn.RECOVERY} if recovered else {NoticeOn.SUCCESS})
    if status is RunStatus.TIMED_OUT:
        return frozenset({NoticeOn.TIMEOUT, NoticeOn.FAILURE})
    if status is RunStatus.MISSED:
        return frozenset({NoticeOn.MISSED})
    return frozenset({NoticeOn.FAILURE}) if status in FAILED_ENDS else frozenset()


def notices(
    execution: JobExecution, definition: JobDefinition, before: RunStatus | None, new_id: Any
) -> list[Notice]:
    """One message for each address that wants to hear of such an end."""
    notify = definition.policies.notify
    wanted = kinds_of(execution.status, before) & notify.on
    if not wanted or not (notify.webhook or notify.email):
        return []
    # One message per end: the most telling of its kinds names it.
    kind = next(
        kind
        for kind in (NoticeOn.RECOVERY, NoticeOn.TIMEOUT, NoticeOn.MISSED, NoticeOn.FAILURE, NoticeOn.SUCCESS)
        if kind in wanted
    )
    to = [(NoticeChannel.WEBHOOK, notify.webhook)] if notify.webhook else []
    to += [(NoticeChannel.EMAIL, address) for address in notify.email]
    return [
        Notice(
            id=new_id(),
            tenant_id=execution.tenant_id,
            execution_id=execution.id,
            kind=kind,
            channel=channel,
            address=address,
            body=_body(execution, kind),
        )
        for channel, address in to
    ]


def _body(execution: JobExecution, kind: NoticeOn) -> Mapping[str, Any]:
    def told(instant: Any) -> str | None:
        return None if instant is None else instant.isoformat()

    return {
        "kind": kind.value,
        "job_id": str(execution.job_id),
        "job_name": execution.job_name,
        "execution_id": str(execution.id),
        "status": execution.status.value,
        "attempt": execution.attempt,
        "scheduled_at": told(execution.scheduled_at),
        "started_at": told(execution.started_at),
        "finished_at": told(execution.finished_at),
        "stands_for": execution.stands_for,
        "error": execution.error,
    }
