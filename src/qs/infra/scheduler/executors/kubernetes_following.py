"""One Job, watched until it ends, its log passed on meanwhile."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import structlog

from qs.application.scheduler.executors import Attempt, AttemptOutcome
from qs.domain.kernel.errors import QsError
from qs.infra.scheduler.executors import kubernetes_states as states
from qs.infra.scheduler.executors.kubernetes_beginning import superseded
from qs.infra.scheduler.executors.kubernetes_client import KubernetesClient
from qs.infra.scheduler.executors.kubernetes_logs import LogFollower
from qs.infra.scheduler.executors.kubernetes_manifest import ATTEMPT, EXECUTION, ORDINAL
from qs.infra.scheduler.executors.kubernetes_watching import TROUBLES, Backoff, Watched

_log = structlog.get_logger()

# Nothing happens for long stretches; a look now and then costs nothing and needs no reason.
_LOOK_EVERY_S = 1.0
_REST_OF_LOG_S = 15.0
_LAST_LOOK_S = 10.0


class CannotBegin(QsError):
    """The container cannot be made, and has been tried for long enough."""

    code = "kubernetes.cannot_begin"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"the container cannot be started ({reason[:64]}); see the image, and what the template names"
        )


class JobFollowing:
    """A Job of ours that exists. ``start_s`` is how long a container that cannot be made is tried."""

    def __init__(
        self, client: KubernetesClient, attempt: Attempt, job: Mapping[str, Any], *, start_s: float
    ) -> None:
        self._client = client
        self._attempt = attempt
        self._job = job
        self._uid: str = job["metadata"]["uid"]
        self._container: str = job["spec"]["template"]["spec"]["containers"][0]["name"]
        self._start_s = start_s
        self._stuck_since: float | None = None
        self._changed = asyncio.Event()
        name = job["metadata"]["name"]
        self._jobs = Watched(client, "jobs", {"fieldSelector": f"metadata.name={name}"}, self._changed)
        pods = f"{EXECUTION}={attempt.execution_id},{ORDINAL}={states.label(job, ORDINAL)}"
        self._pods = Watched(client, "pods", {"labelSelector": pods}, self._changed)
        self._logs: dict[str, tuple[LogFollower, asyncio.Task[None]]] = {}

    @property
    def job(self) -> Mapping[str, Any]:
        """As it was last seen."""
        return self._job

    @property
    def trouble(self) -> QsError | None:
        """What keeps us from seeing how the Job is."""
        return self._jobs.trouble or self._pods.trouble

    def waits_for(self) -> str:
        return states.waits_for(self._own_pods())

    async def outcome(self) -> AttemptOutcome:
        """Follows the Job to its end.

        Raises:
            CannotBegin: its container cannot be made.
        """
        watching = [asyncio.create_task(watched.run()) for watched in (self._jobs, self._pods)]
        try:
            ended = await self._end(watching)
            if ended is None and states.has_ended(self._job):
                await self._look_at_pods()
                await self._rest_of_log()
                ended = states.outcome(self._job, self._own_pods(), self._container)
            return ended or self._vanished()
        finally:
            logs = [task for _, task in self._logs.values()]
            for task in (*watching, *logs):
                task.cancel()
            await asyncio.gather(*watching, *logs, return_exceptions=True)

    async def _end(self, watching: list["asyncio.Task[None]"]) -> AttemptOutcome | None:
        """Returns when the Job has ended, is gone, or is followed by another attempt, which is the outcome then."""
        while True:
            self._changed.clear()
            if self._jobs.complete:
                found = self._jobs.objects.get(self._uid)
                if found is None:
                    return None
                self._job = found
                follower = states.count(states.annotation(found, ATTEMPT))
                if follower > self._attempt.number:
                    return superseded(follower)
                if states.has_ended(found):
                    return None
            self._pass_logs_on()
            self._mind_the_start()
            changed = asyncio.create_task(self._changed.wait())
            done, _ = await _first(changed, *watching, *self._tasks(), within=_LOOK_EVERY_S)
            for task in done - {changed}:
                # They end by themselves only when something is wrong with qs, not with the cluster.
                task.result()

    def _tasks(self) -> list["asyncio.Task[None]"]:
        return [task for _, task in self._logs.values() if not task.done()]

    def _own_pods(self) -> list[dict[str, Any]]:
        return [pod for pod in self._pods.objects.values() if states.belongs_to(pod, self._uid)]

    def _pass_logs_on(self) -> None:
        for pod in self._own_pods():
            uid = pod["metadata"]["uid"]
            if uid not in self._logs and states.has_begun(pod, self._container):
                follower = LogFollower(
                    self._client, pod["metadata"]["name"], self._container, self._attempt.output
                )
                self._logs[uid] = (follower, asyncio.create_task(follower.run()))
            if uid in self._logs and "terminated" in states.container_state(pod, self._container):
                self._logs[uid][0].container_ended.set()

    def _mind_the_start(self) -> None:
        reason = states.cannot_begin(self._own_pods(), self._container)
        if reason is None:
            self._stuck_since = None
            return
        now = asyncio.get_running_loop().time()
        if self._stuck_since is None:
            self._stuck_since = now
        elif now - self._stuck_since >= self._start_s:
            raise CannotBegin(reason)

    async def _look_at_pods(self) -> None:
        """The Job's end may be seen before its pod's, which holds the exit code."""
        backoff = Backoff()
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_LOOK_S):
                while True:
                    try:
                        await self._pods.refresh()
                    except TROUBLES as trouble:
                        await backoff.pause(trouble)
                    else:
                        return
        _log.warning("kubernetes_last_look_failed", execution_id=self._attempt.execution_id)

    async def _rest_of_log(self) -> None:
        self._pass_logs_on()
        for follower, _ in self._logs.values():
            follower.container_ended.set()
        if rest := self._tasks():
            _, unfinished = await asyncio.wait(rest, timeout=_REST_OF_LOG_S)
            if unfinished:
                _log.warning("kubernetes_log_incomplete", execution_id=self._attempt.execution_id)
        for _, task in self._logs.values():
            if task.done():
                task.result()

    def _vanished(self) -> AttemptOutcome:
        return states.failed(
            "the Job was removed before its outcome was seen: by somebody else, or because its ttl had passed",
            result={"job": self._job["metadata"]["name"], "namespace": self._client.namespace},
        )


async def _first(
    changed: "asyncio.Task[bool]", *others: "asyncio.Task[None]", within: float
) -> tuple[set["asyncio.Task[Any]"], set["asyncio.Task[Any]"]]:
    """The first of them to end, or none of them in time; the wait for a change is over in any case."""
    everything: set[asyncio.Task[Any]] = {changed, *others}
    try:
        return await asyncio.wait(everything, timeout=within, return_when=asyncio.FIRST_COMPLETED)
    finally:
        changed.cancel()
