"""Finding or making the one Job of an execution that is to be followed.

A retry after a failure needs a new Job; a retry after a lost worker must not start the work again. The port's attempt
number tells neither apart, so the cluster is asked: Jobs of an execution are numbered from 1, and one whose failure has
been reported is marked so (``qs.outcome``). The one with the highest number is taken over unless it is marked; then
the next number is made. Two workers that come to it at once ask for the same name, and one of them is told that it
exists.

A Job is followed by the attempt in its annotation ``qs.attempt``. Only with a higher number is it taken over, and a
worker that was thought dead and wakes up leaves alone what a later attempt follows.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

import structlog

from qs.application.scheduler.executors import Attempt, AttemptOutcome, AttemptStatus
from qs.domain.kernel.errors import QsError
from qs.infra.scheduler.executors import kubernetes_states as states
from qs.infra.scheduler.executors.kubernetes_client import KubernetesClient
from qs.infra.scheduler.executors.kubernetes_errors import KubernetesAway, KubernetesRefused
from qs.infra.scheduler.executors.kubernetes_manifest import (
    ATTEMPT,
    EXECUTION,
    MANAGED_BY,
    ORDINAL,
    OUTCOME,
    JobRules,
    is_ours,
    job_document,
    job_name,
)
from qs.infra.scheduler.executors.kubernetes_targets import PodTarget
from qs.infra.scheduler.executors.kubernetes_watching import Backoff

_log = structlog.get_logger()

_CONFLICT = 409
_NOT_FOUND = 404
_PASSED_BY = (_CONFLICT, _NOT_FOUND)


class Settled(QsError):
    """There is nothing to follow, and the outcome is known."""

    code = "kubernetes.settled"

    def __init__(self, outcome: AttemptOutcome) -> None:
        self.outcome = outcome
        super().__init__(outcome.error)


class JobBeginning:
    """The Job of one attempt, until there is one."""

    def __init__(
        self, client: KubernetesClient, attempt: Attempt, target: PodTarget, rules: JobRules
    ) -> None:
        self._client = client
        self._attempt = attempt
        self._target = target
        self._rules = rules
        self._number = attempt.number
        self._making: asyncio.Task[dict[str, Any]] | None = None
        self.trouble: QsError | None = None
        """Why there is none yet."""

    async def obtain(self) -> dict[str, Any]:
        """The Job to follow, made or taken over. Tries until it is canceled while the API server is away.

        Raises:
            Settled: the API server says no, or a later attempt follows the Job.
        """
        backoff = Backoff()
        while True:
            try:
                if (job := await self._try()) is not None:
                    return job
                # Something came between; the next look shows what.
                await backoff.pause()
            except KubernetesAway as trouble:
                if self.trouble is None:
                    _log.warning(
                        "kubernetes_away", execution_id=self._attempt.execution_id, cause=trouble.cause
                    )
                self.trouble = trouble
                await backoff.pause(trouble)
            except KubernetesRefused as refused:
                raise Settled(_refusal(refused, self._client.namespace)) from refused

    async def settle(self) -> None:
        """Returns when no request of ours can make a Job any more; to be called once ``obtain`` was canceled."""
        if self._making is not None:
            await asyncio.wait({self._making})
            if not self._making.cancelled():
                self._making.exception()

    async def jobs(self) -> list[dict[str, Any]]:
        """All Jobs of the execution, in the order of their numbers."""
        selector = f"{MANAGED_BY}=qs,{EXECUTION}={self._attempt.execution_id}"
        found = await self._client.list_objects("jobs", {"labelSelector": selector})
        ours = [job for job in found.get("items") or () if is_ours(job, self._attempt)]
        return sorted(ours, key=lambda job: states.count(states.label(job, ORDINAL)))

    async def _try(self) -> dict[str, Any] | None:
        jobs = await self.jobs()
        if any(states.is_being_removed(job) for job in jobs):
            # Its pods may still be at work, and two at once are what nobody wants.
            self.trouble = _StillThere()
            return None
        if not jobs:
            return await self._make(1)
        last = jobs[-1]
        if states.annotation(last, OUTCOME) is not None:
            return await self._make(states.count(states.label(last, ORDINAL)) + 1)
        return await self._take_over(last)

    async def _make(self, ordinal: int) -> dict[str, Any] | None:
        document = job_document(self._attempt, self._target, self._rules, ordinal)
        self._making = asyncio.create_task(self._client.create_job(document))
        try:
            return await asyncio.shield(self._making)
        except KubernetesRefused as refused:
            if (refused.status, refused.reason) != (_CONFLICT, "AlreadyExists"):
                raise
        name = job_name(self._attempt, ordinal)
        try:
            found = await self._client.job(name)
        except KubernetesRefused as refused:
            if refused.status == _NOT_FOUND:
                return None
            raise
        if not is_ours(found, self._attempt):
            raise Settled(
                states.failed(
                    f"the namespace holds a Job {name} that is not of this execution, so it is neither followed nor "
                    "replaced; find out whose it is and remove it",
                    permanent=True,
                )
            )
        return None

    async def _take_over(self, job: Mapping[str, Any]) -> dict[str, Any] | None:
        follower = states.count(states.annotation(job, ATTEMPT))
        if follower > self._number:
            raise Settled(superseded(follower))
        if follower == self._number:
            return dict(job)
        metadata = job["metadata"]
        try:
            taken = await self._client.annotate_job(
                metadata["name"], {ATTEMPT: str(self._number)}, version=metadata["resourceVersion"]
            )
        except KubernetesRefused as refused:
            if refused.status in _PASSED_BY:
                return None
            raise
        _log.info(
            "kubernetes_job_taken_over",
            execution_id=self._attempt.execution_id,
            job=metadata["name"],
            attempt=self._number,
            after=follower,
        )
        return taken


class _StillThere(QsError):
    code = "kubernetes.still_there"
    sentence = "a Job of an earlier attempt is still being removed, and its pods may be at work"


def superseded(follower: int) -> AttemptOutcome:
    return AttemptOutcome(
        status=AttemptStatus.LOST,
        code="lost",
        error=f"attempt {follower} has taken the Job over from this one, which was thought dead",
    )


def _refusal(refused: KubernetesRefused, namespace: str) -> AttemptOutcome:
    """What to say where the API server would not make the Job."""
    if refused.quota:
        return states.failed(
            f"the quota of the namespace {namespace} is used up, so the Job was not made; raise it or wait"
        )
    if refused.status == 401:
        return states.failed(
            "the Kubernetes API does not know the credentials of qs, so no Job was made; renew them in the kubeconfig"
        )
    if refused.status == 403:
        return states.failed(
            f"the account of qs may not run Jobs in the namespace {namespace}, which may not exist or may forbid this one "
            "by an admission rule; docs/scheduler/kubernetes.md has the role it needs",
            permanent=True,
        )
    if refused.status == _NOT_FOUND:
        return states.failed(f"there is no namespace {namespace} in the cluster; create it", permanent=True)
    fields = f" ({', '.join(refused.fields)})" if refused.fields else ""
    return states.failed(
        f"the Kubernetes API refused the Job with {refused.status} {refused.reason}{fields}; correct the job or the template",
        permanent=True,
    )
