"""Puts down what is to be told of the ends of executions, in the transaction that writes them."""

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from qs.application.scheduler.job_ports import ClaimedRun, JobUnitOfWork
from qs.domain.kernel.ids import IdGenerator
from qs.domain.scheduler.job import JobDefinition
from qs.domain.scheduler.job_execution import FAILED_ENDS, JobExecution
from qs.domain.scheduler.notices import Notice, Standing, kind_of, may_tell, missed_together, notices


class NoticeWriting:
    """Decides who is told of what.

    1. The first failure of a job is told at once, the others at most once an hour until it succeeds again, and the message says
       how many were kept back. The first success after a failure is told once.
    2. Slots that were missed in one look are one message; more of them are told at most once an hour.
    3. Whoever tells of a job holds that job's lock, so that two executions that end together are told as one after
       the other.
    """

    def __init__(self, ids: IdGenerator, *, default_webhook: bool = False) -> None:
        """``default_webhook``: there is a webhook for jobs that name none."""
        self._ids = ids
        self._default_webhook = default_webhook

    async def ends(self, uow: JobUnitOfWork, over: Sequence[ClaimedRun]) -> None:
        """Puts down what is told of executions whose end is written in this transaction."""
        heard = [run for run in over if self._may_tell(run.execution, run.definition)]
        if not heard:
            return
        told = _to_be_told(heard, await uow.notices.standings(_names(heard)))
        if not told:
            return
        runs = [run for run, _ in told]
        await uow.notices.serialize(run.execution.job_id for run in runs)
        # What others told meanwhile is seen only now.
        for run, standing in _to_be_told(runs, await uow.notices.standings(_names(runs))):
            # As it stands now, with its times.
            written = await uow.runs.get(run.execution.id)
            if written is not None:
                await uow.notices.add(self._messages(written.execution, run.definition, standing))

    async def missed(self, uow: JobUnitOfWork, runs: Sequence[tuple[JobExecution, JobDefinition]]) -> None:
        """Puts down what is told of missed slots; the jobs are locked."""
        heard: dict[UUID, list[tuple[JobExecution, JobDefinition]]] = {}
        for execution, definition in runs:
            if self._may_tell(execution, definition):
                heard.setdefault(execution.job_id, []).append((execution, definition))
        if not heard:
            return
        standings = await uow.notices.missed_standings(heard)
        found: list[Notice] = []
        for job_id, own in heard.items():
            execution, more = missed_together([each for each, _ in own])
            standing = standings.get(job_id, Standing())
            found += self._messages(execution, own[0][1], standing, more)
        await uow.notices.add(found)

    def _may_tell(self, execution: JobExecution, definition: JobDefinition) -> bool:
        return may_tell(execution.status, definition.policies.notify, default_webhook=self._default_webhook)

    def _messages(
        self,
        execution: JobExecution,
        definition: JobDefinition,
        standing: Standing,
        more: Mapping[str, object] | None = None,
    ) -> list[Notice]:
        notify = definition.policies.notify
        kind = kind_of(execution.status, notify, standing)
        if kind is None:
            return []
        return notices(
            execution,
            notify,
            kind,
            self._ids,
            suppressed=standing.untold,
            default_webhook=self._default_webhook,
            more=more,
        )


def _names(runs: Iterable[ClaimedRun]) -> list[tuple[UUID, UUID]]:
    return [(run.execution.job_id, run.execution.id) for run in runs]


def _to_be_told(
    runs: Iterable[ClaimedRun], standings: Mapping[UUID, Standing]
) -> list[tuple[ClaimedRun, Standing]]:
    """Those that somebody is told of; of failures of one job that end together, the first."""
    told: list[tuple[ClaimedRun, Standing]] = []
    quiet: set[UUID] = set()
    for run in sorted(runs, key=lambda run: run.execution.id):
        execution = run.execution
        standing = standings.get(execution.id, Standing())
        failed = execution.status in FAILED_ENDS
        if failed and execution.job_id in quiet:
            continue
        if kind_of(execution.status, run.definition.policies.notify, standing) is not None:
            told.append((run, standing))
        if failed:
            quiet.add(execution.job_id)
        else:
            quiet.discard(execution.job_id)
    return told
