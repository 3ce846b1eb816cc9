"""What is told about the end of executions, to whom, and how often."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from qs.domain.kernel.ids import IdGenerator
from qs.domain.scheduler.job_execution import FAILED_ENDS, JobExecution, RunStatus
from qs.domain.scheduler.policies import NoticeOn, Notify, Retry

DEFAULT_WEBHOOK = "scheduler.defaults.webhook"
"""The address of a notice to the webhook of that setting, which may hold a secret and is read when sending."""

AT_MOST_EVERY = timedelta(hours=1)
"""A job that goes on failing, or missing slots, is told of this often, beside the first time."""

# 5 s, 10 s, 20 s … 22 h: about two days in all.
NOTICE_RETRY = Retry(max_attempts=16, delay=timedelta(seconds=5), max_delay=timedelta(hours=24), jitter=0.5)

_FAILURES = frozenset({NoticeOn.FAILURE, NoticeOn.TIMEOUT})


class NoticeChannel(StrEnum):
    WEBHOOK = "webhook"
    EMAIL = "email"


class NoticeStatus(StrEnum):
    """``dead``: it was given up, and ``error`` says why."""

    PENDING = "pending"
    SENT = "sent"
    DEAD = "dead"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One message about one execution to one address; its id is the same at every sending."""

    id: UUID
    tenant_id: UUID
    job_id: UUID
    execution_id: UUID
    kind: NoticeOn
    channel: NoticeChannel
    address: str
    body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Standing:
    """What was told of a job before an execution of it ended.

    ``told_ago`` is how long ago its last notice of a failure (or of missed slots) was put down, None if there was none, or
    if the job has recovered since. ``untold`` is how many failures (or missed slots) came after that and were kept back.
    """

    recovers: bool = False
    """Whether the execution, if it succeeded, is the first to do so after a failure."""
    told_ago: timedelta | None = None
    untold: int = 0

    @property
    def is_quiet(self) -> bool:
        """Whether another notice of the same trouble is kept back for now."""
        return self.told_ago is not None and self.told_ago < AT_MOST_EVERY


def kinds_of(status: RunStatus, *, recovers: bool) -> frozenset[NoticeOn]:
    """What the end of an execution is to those who are told."""
    if status is RunStatus.SUCCEEDED:
        return frozenset({NoticeOn.SUCCESS, NoticeOn.RECOVERY} if recovers else {NoticeOn.SUCCESS})
    if status is RunStatus.TIMED_OUT:
        return frozenset({NoticeOn.TIMEOUT, NoticeOn.FAILURE})
    if status is RunStatus.MISSED:
        return frozenset({NoticeOn.MISSED})
    return frozenset({NoticeOn.FAILURE}) if status in FAILED_ENDS else frozenset()


def may_tell(status: RunStatus, notify: Notify, *, default_webhook: bool) -> bool:
    """Whether anybody might want to hear of such an end."""
    return bool(
        (notify.webhook or notify.email or default_webhook)
        and kinds_of(status, recovers=True) & notify.on  # whether it does recover is found out only then
    )


def kind_of(status: RunStatus, notify: Notify, standing: Standing) -> NoticeOn | None:
    """What one message about such an end is called: the most telling of its kinds that are wanted.

    None where nobody wants to hear of it, or the same trouble was told less than an hour ago.
    """
    wanted = kinds_of(status, recovers=standing.recovers) & notify.on
    for kind in (
        NoticeOn.RECOVERY,
        NoticeOn.TIMEOUT,
        NoticeOn.MISSED,
        NoticeOn.FAILURE,
        NoticeOn.SUCCESS,
    ):
        if kind in wanted:
            throttled = kind in _FAILURES or kind is NoticeOn.MISSED
            return None if throttled and standing.is_quiet else kind
    return None


def notices(
    execution: JobExecution,
    notify: Notify,
    kind: NoticeOn,
    ids: IdGenerator,
    *,
    suppressed: int = 0,
    default_webhook: bool = False,
    more: Mapping[str, Any] | None = None,
) -> list[Notice]:
    """One message for each address; ``suppressed`` is how many of its like were kept back before it.

    ``default_webhook``: there is a webhook for jobs that name none. ``more`` goes into the body.
    """
    to = [(NoticeChannel.EMAIL, address) for address in notify.email]
    if webhook := notify.webhook or (DEFAULT_WEBHOOK if default_webhook else None):
        to.insert(0, (NoticeChannel.WEBHOOK, webhook))
    body = {**_facts(execution, kind), "suppressed": suppressed, **(more or {})}
    return [
        Notice(
            id=ids(),
            tenant_id=execution.tenant_id,
            job_id=execution.job_id,
            execution_id=execution.id,
            kind=kind,
            channel=channel,
            address=address,
            body=body,
        )
        for channel, address in to
    ]


def missed_together(executions: Sequence[JobExecution]) -> tuple[JobExecution, Mapping[str, Any]]:
    """The execution that a message about several missed slots of one job is about, and what it says of the others."""
    in_order = sorted(executions, key=lambda each: each.scheduled_at or datetime.max.replace(tzinfo=UTC))
    return in_order[-1], {
        "stands_for": sum(each.stands_for for each in executions),
        "first_scheduled_at": _told(in_order[0].scheduled_at),
    }


def _facts(execution: JobExecution, kind: NoticeOn) -> Mapping[str, Any]:
    return {
        "kind": kind.value,
        "job_id": str(execution.job_id),
        "job_name": execution.job_name,
        "execution_id": str(execution.id),
        "status": execution.status.value,
        "attempt": execution.attempt,
        "scheduled_at": _told(execution.scheduled_at),
        "started_at": _told(execution.started_at),
        "finished_at": _told(execution.finished_at),
        "stands_for": execution.stands_for,
        "error": execution.error,
    }


def _told(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()
