"""What a Job and its pods say about how the work goes."""

from collections.abc import Iterable, Mapping
from typing import Any

from qs.application.scheduler.executors import AttemptOutcome, AttemptStatus

DEADLINE = "DeadlineExceeded"
# Without a container there is nothing to wait for but a correction of what it was to be made of.
_CANNOT_BEGIN = frozenset(
    {
        *("ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError"),
        *("RegistryUnavailable", "SignatureValidationFailed", "CreateContainerConfigError"),
        *("CreateContainerError", "RunContainerError", "CreatePodSandboxError"),
    }
)
_NEVER_RAN = frozenset({"StartError", "ContainerCannotRun"})
_SENTENCES = {
    "OOMKilled": "the container was killed because it used more memory than its limit (OOMKilled)",
    "Evicted": "the pod was evicted by its node before it had ended (Evicted)",
    "StartError": "the container could not be started (StartError): its command is not in the image or may not run",
}


def condition(job: Mapping[str, Any], kind: str) -> Mapping[str, Any] | None:
    """The Job's condition of that kind, where it holds."""
    for found in (job.get("status") or {}).get("conditions") or ():
        if found.get("type") == kind and found.get("status") == "True":
            return dict(found)
    return None


def has_ended(job: Mapping[str, Any]) -> bool:
    return has_succeeded(job) or condition(job, "Failed") is not None


def has_succeeded(job: Mapping[str, Any]) -> bool:
    return condition(job, "Complete") is not None


def is_being_removed(job: Mapping[str, Any]) -> bool:
    return "deletionTimestamp" in job["metadata"]


def label(job: Mapping[str, Any], key: str) -> str | None:
    return (job["metadata"].get("labels") or {}).get(key)


def annotation(job: Mapping[str, Any], key: str) -> str | None:
    return (job["metadata"].get("annotations") or {}).get(key)


def count(text: str | None) -> int:
    """The number that a label or an annotation of ours holds; 0 where it is missing or somebody else's."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else 0


def belongs_to(pod: Mapping[str, Any], job_uid: str) -> bool:
    return any(owner.get("uid") == job_uid for owner in pod["metadata"].get("ownerReferences") or ())


def container_state(pod: Mapping[str, Any], container: str) -> Mapping[str, Any]:
    """``{"running": …}``, ``{"waiting": …}`` or ``{"terminated": …}``; empty before the node has said anything."""
    for status in (pod.get("status") or {}).get("containerStatuses") or ():
        if status.get("name") == container:
            return dict(status.get("state") or {})
    return {}


def has_begun(pod: Mapping[str, Any], container: str) -> bool:
    """Whether there can be a log."""
    state = container_state(pod, container)
    return "running" in state or "terminated" in state


def cannot_begin(pods: Iterable[Mapping[str, Any]], container: str) -> str | None:
    """Why the container of a pod does not come to be, where that is not just a matter of time."""
    for pod in pods:
        reason = (container_state(pod, container).get("waiting") or {}).get("reason")
        if reason in _CANNOT_BEGIN:
            return str(reason)
    return None


def waits_for(pods: Iterable[Mapping[str, Any]]) -> str:
    """What kept the work from beginning, for the sentence about a time that ran out."""
    reason = "no pod of it was created; see the quota and the events of the namespace"
    for pod in pods:
        status = pod.get("status") or {}
        if status.get("phase") != "Pending":
            return "its container was running"
        reason = "its pod was pending"
        for found in status.get("conditions") or ():
            if found.get("type") == "PodScheduled" and found.get("reason") == "Unschedulable":
                reason = "no node had room for its pod (Unschedulable)"
    return reason


def outcome(job: Mapping[str, Any], pods: Iterable[Mapping[str, Any]], container: str) -> AttemptOutcome:
    """How a Job that has ended did so."""
    result: dict[str, Any] = {"job": job["metadata"]["name"], "namespace": job["metadata"]["namespace"]}
    ended = _last_end(pods, container)
    if "exit_code" in ended:
        result["exit_code"] = ended["exit_code"]
    if has_succeeded(job):
        return AttemptOutcome(status=AttemptStatus.SUCCEEDED, result=result)
    why = str((condition(job, "Failed") or {}).get("reason") or "")[:64]
    if why == DEADLINE:
        return timed_out("the Job ran into its deadline and was stopped by Kubernetes", result)
    reason = ended.get("reason") or why
    result["reason"] = reason
    code = f"exit:{ended['exit_code']}" if "exit_code" in ended else "error"
    return AttemptOutcome(
        status=AttemptStatus.FAILED,
        code=code,
        error=_SENTENCES.get(reason) or _sentence(ended, reason),
        permanent=reason in _NEVER_RAN,
        result=result,
    )


def timed_out(error: str, result: Mapping[str, Any]) -> AttemptOutcome:
    return AttemptOutcome(status=AttemptStatus.TIMED_OUT, code="timeout", error=error, result=result)


def failed(
    error: str, *, code: str = "error", permanent: bool = False, result: Mapping[str, Any] | None = None
) -> AttemptOutcome:
    return AttemptOutcome(
        status=AttemptStatus.FAILED, code=code, error=error, permanent=permanent, result=result or {}
    )


def _sentence(ended: Mapping[str, Any], reason: str) -> str:
    if "exit_code" in ended:
        return f"the container ended with exit code {ended['exit_code']}"
    return f"the Job failed ({reason or 'no reason given'}) and its pod left no exit code"


def _last_end(pods: Iterable[Mapping[str, Any]], container: str) -> dict[str, Any]:
    """Exit code and reason of the pod that ended last, as far as its node told."""
    ends: list[tuple[str, dict[str, Any]]] = []
    for pod in pods:
        status = pod.get("status") or {}
        told: dict[str, Any] = {}
        at = str(pod["metadata"].get("creationTimestamp") or "")
        if terminated := container_state(pod, container).get("terminated"):
            told = {"exit_code": int(terminated.get("exitCode", -1)), "reason": _reason(terminated)}
        if status.get("phase") == "Failed" and status.get("reason"):
            told["reason"] = _reason(status)
        if told:
            ends.append((at, told))
    return max(ends, key=lambda end: end[0])[1] if ends else {}


def _reason(said: Mapping[str, Any]) -> str:
    return str(said.get("reason") or "")[:64]
