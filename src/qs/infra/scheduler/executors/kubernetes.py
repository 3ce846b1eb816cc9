"""Jobs that run a pod of an allowed image on the operator's cluster."""

import asyncio
import math
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog

from qs.application.scheduler.executors import Attempt, AttemptOutcome, AttemptStatus
from qs.domain.kernel.errors import Problem, QsError
from qs.infra.scheduler.executors import kubernetes_states as states
from qs.infra.scheduler.executors.kubernetes_beginning import JobBeginning, Settled
from qs.infra.scheduler.executors.kubernetes_client import KubernetesClient
from qs.infra.scheduler.executors.kubernetes_errors import KubernetesRefused, KubernetesUnusable
from qs.infra.scheduler.executors.kubernetes_following import CannotBegin, JobFollowing
from qs.infra.scheduler.executors.kubernetes_images import AllowedImages
from qs.infra.scheduler.executors.kubernetes_manifest import ATTEMPT, OUTCOME, JobRules, PayloadTooLarge
from qs.infra.scheduler.executors.kubernetes_quantities import ResourceLimits
from qs.infra.scheduler.executors.kubernetes_targets import TargetRules
from qs.infra.scheduler.executors.kubernetes_template import JobTemplate
from qs.infra.scheduler.executors.kubernetes_watching import TROUBLES, Backoff

_log = structlog.get_logger()

# Kubernetes keeps the time itself, from when it has taken notice of the Job; we step in when it does not.
_SLACK_S = 5.0
# Beyond the grace of the pod: its node reports, and the Job is removed after it.
_REMOVAL_S = 10.0
# Whoever runs an attempt waits for it 30 s beyond its timeout, of which the slack is spent by then.
_REMOVAL_AFTER_TIMEOUT_S = 20.0
_MARKED_WITHIN_S = 5.0
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_OFF = "jobs on Kubernetes are off here; the operator sets up a cluster under scheduler.kubernetes"


@dataclass(frozen=True, slots=True, kw_only=True)
class KubernetesRules:
    """What the operator set up. Without ``kubeconfig`` the cluster is the one in which qs runs.

    ``grace`` is how long a pod may take to end when it is told to, ``start`` how long a container that cannot be made
    is tried, ``ttl`` how long Kubernetes keeps a Job that has ended.
    """

    namespace: str
    kubeconfig: Path | None = None
    context: str | None = None
    images: tuple[str, ...] = ()
    template_file: Path | None = None
    max_cpu: str = "2"
    max_memory: str = "2Gi"
    ttl: timedelta = timedelta(hours=1)
    grace: timedelta = timedelta(seconds=30)
    start: timedelta = timedelta(minutes=2)
    max_deadline: timedelta = timedelta(hours=24)


class KubernetesRulesRefused(QsError):
    """The settings under scheduler.kubernetes contradict Kubernetes."""

    code = "settings.kubernetes"

    def __init__(self, setting: str, detail: str) -> None:
        super().__init__(f"scheduler.kubernetes.{setting} cannot be used: {detail}")


class KubernetesExecutor:
    """Runs ``{image, args, command, env, resources, deadline}`` as a batch/v1 Job. Without rules all is refused."""

    kind = "kubernetes"
    scope: str | None = "jobs:kubernetes"
    grace = timedelta(seconds=_SLACK_S + _REMOVAL_AFTER_TIMEOUT_S + _MARKED_WITHIN_S)

    def __init__(self, rules: KubernetesRules | None) -> None:
        """Raises TemplateRefused, ImagePatternRefused or KubernetesRulesRefused."""
        self._cluster = None if rules is None else _Cluster(rules)

    def check(self, target: Mapping[str, Any]) -> Sequence[Problem]:
        """All that is wrong with a target."""
        if self._cluster is None:
            return [Problem("", _OFF)]
        return self._cluster.targets.check(target)

    async def execute(self, attempt: Attempt) -> AttemptOutcome:
        """Runs the Job to its end, or takes over the one that an earlier, lost attempt left behind."""
        if problems := self.check(attempt.target):
            told = "; ".join(f"{problem.pointer[1:]} {problem.detail}".strip() for problem in problems[:3])
            return states.failed(f"the pod is refused: {told}", code="refused", permanent=True)
        assert self._cluster is not None
        return await _Run(self._cluster, attempt).outcome()

    async def aclose(self) -> None:
        """Closes the connections to the cluster."""
        if self._cluster is not None:
            await self._cluster.client.aclose()


class _Cluster:
    """The rules, read."""

    def __init__(self, rules: KubernetesRules) -> None:
        if not _NAMESPACE.fullmatch(rules.namespace):
            raise KubernetesRulesRefused("namespace", "it is no name of a namespace such as qs-jobs")
        try:
            limits = ResourceLimits(rules.max_cpu, rules.max_memory)
        except ValueError as error:
            raise KubernetesRulesRefused("max_cpu and max_memory", str(error)) from error
        template = JobTemplate.load(rules.template_file, limits)
        self.client = KubernetesClient(rules.namespace, kubeconfig=rules.kubeconfig, context=rules.context)
        self.targets = TargetRules(AllowedImages(rules.images), template, limits, rules.max_deadline)
        self.jobs = JobRules(
            template=template,
            limits=limits,
            ttl=rules.ttl,
            grace=rules.grace,
            max_deadline=rules.max_deadline,
        )
        self.start_s = rules.start.total_seconds()
        self.removal_s = rules.grace.total_seconds() + _REMOVAL_S


class _Run:
    """One attempt."""

    def __init__(self, cluster: _Cluster, attempt: Attempt) -> None:
        self._cluster = cluster
        self._client = cluster.client
        self._attempt = attempt
        target = cluster.targets.read(attempt.target)
        self._beginning = JobBeginning(cluster.client, attempt, target, cluster.jobs)
        self._following: JobFollowing | None = None

    async def outcome(self) -> AttemptOutcome:
        try:
            async with asyncio.timeout(self._attempt.timeout.total_seconds() + _SLACK_S) as limit:
                outcome = await self._ended()
        except TimeoutError:
            if not limit.expired():
                raise
            # The cluster goes on ending a pod of a longer grace, and the next attempt waits until it is gone.
            await self._stop(most_s=_REMOVAL_AFTER_TIMEOUT_S)
            return states.timed_out(self._late(), self._result())
        except asyncio.CancelledError:
            # Whoever goes on with the execution takes the Job over as it is.
            if not self._attempt.handed_over():
                await self._stop()
            raise
        except CannotBegin as error:
            await self._stop()
            return states.failed(
                error.sentence, permanent=True, result=self._result() | {"reason": error.reason}
            )
        except Settled as error:
            return error.outcome
        except PayloadTooLarge as error:
            return states.failed(f"the pod is refused: {error.sentence}", code="refused", permanent=True)
        except KubernetesUnusable as error:
            return states.failed(error.sentence)
        return outcome

    async def _ended(self) -> AttemptOutcome:
        job = await self._beginning.obtain()
        self._following = JobFollowing(self._client, self._attempt, job, start_s=self._cluster.start_s)
        outcome = await self._following.outcome()
        if outcome.status in (AttemptStatus.FAILED, AttemptStatus.TIMED_OUT):
            await self._mark(outcome)
        return outcome

    async def _mark(self, outcome: AttemptOutcome) -> None:
        """Says on the Job that its failure is about to be reported, so that the next attempt makes a new one.

        1. A worker that dies before this leaves a failed Job that the next attempt reports.
        2. One that dies after this leaves a marked one, and the next attempt does the work again.
        """
        assert self._following is not None
        metadata = self._following.job["metadata"]
        backoff = Backoff()
        with suppress(TimeoutError):
            async with asyncio.timeout(_MARKED_WITHIN_S):
                while True:
                    try:
                        job = await self._client.job(metadata["name"])
                        if self._is_anothers(job) or job["metadata"]["uid"] != metadata["uid"]:
                            return
                        version = job["metadata"]["resourceVersion"]
                        await self._client.annotate_job(
                            metadata["name"], {OUTCOME: outcome.status.value}, version=version
                        )
                    except KubernetesRefused as refused:
                        if refused.status == 404:
                            return
                        await backoff.pause(refused)
                    except TROUBLES as trouble:
                        await backoff.pause(trouble)
                    else:
                        return
        _log.warning(
            "kubernetes_job_not_marked", execution_id=self._attempt.execution_id, job=metadata["name"]
        )

    async def _stop(self, most_s: float = math.inf) -> None:
        """Removes what of this execution is at work, as far as that goes within the grace period and ``most_s``."""
        stopping = asyncio.create_task(self._remove())
        try:
            await asyncio.wait({stopping}, timeout=min(self._cluster.removal_s, most_s))
        finally:
            if not stopping.done():
                _log.warning("kubernetes_job_not_removed", execution_id=self._attempt.execution_id)
                stopping.cancel()
                await asyncio.wait({stopping})

    async def _remove(self) -> None:
        await self._beginning.settle()
        backoff = Backoff()
        while True:
            try:
                if not await self._remove_once():
                    return
                backoff.reset()
                await asyncio.sleep(0.2)
            except TROUBLES as trouble:
                await backoff.pause(trouble)

    async def _remove_once(self) -> bool:
        """Whether anything was still there."""
        jobs = [
            job
            for job in await self._beginning.jobs()
            if not self._is_anothers(job) and (states.is_being_removed(job) or not states.has_ended(job))
        ]
        for job in jobs:
            metadata = job["metadata"]
            if states.is_being_removed(job):
                continue
            try:
                await self._client.delete_job(
                    metadata["name"], uid=metadata["uid"], version=metadata["resourceVersion"]
                )
            except KubernetesRefused as refused:
                # It has changed or gone meanwhile; the next look shows.
                if refused.status not in (404, 409):
                    raise
        return bool(jobs)

    def _is_anothers(self, job: Mapping[str, Any]) -> bool:
        return states.count(states.annotation(job, ATTEMPT)) > self._attempt.number

    def _late(self) -> str:
        if self._following is None:
            trouble = self._beginning.trouble
            why = "its Job was not made" if trouble is None else trouble.sentence
        else:
            trouble = self._following.trouble
            why = self._following.waits_for() if trouble is None else trouble.sentence
        return f"the time of {math.ceil(self._attempt.timeout.total_seconds())} s ran out: {why}"

    def _result(self) -> dict[str, Any]:
        if self._following is None:
            return {}
        return {"job": self._following.job["metadata"]["name"], "namespace": self._client.namespace}
