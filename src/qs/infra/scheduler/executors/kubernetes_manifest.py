"""The Job of one attempt: the template, with what the job chose and what every run is told."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from qs.application.scheduler.executors import Attempt
from qs.domain.kernel.errors import QsError
from qs.infra.scheduler.executors.kubernetes_pods import Container, EnvVar, PodSpec, Resources
from qs.infra.scheduler.executors.kubernetes_quantities import ResourceLimits
from qs.infra.scheduler.executors.kubernetes_targets import PodTarget, whole_seconds
from qs.infra.scheduler.executors.kubernetes_template import Job, JobSpec, JobTemplate, Metadata
from qs.infra.scheduler.executors.targets import MOST_BYTES, compact

MANAGED_BY = "app.kubernetes.io/managed-by"
EXECUTION = "qs.execution-id"
JOB = "qs.job-id"
TENANT = "qs.tenant-id"
ORDINAL = "qs.ordinal"
ATTEMPT = "qs.attempt"
OUTCOME = "qs.outcome"

_SHORTEST_TTL_S = 60
_SELDOM_TOO_LITTLE = {"cpu": "250m", "memory": "256Mi"}


class PayloadTooLarge(QsError):
    code = "job.payload_too_large"
    sentence = "its payload is larger than 64 KiB, which is too much for a variable of a pod; pass a reference to the data"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRules:
    """What each Job gets from the settings."""

    template: JobTemplate
    limits: ResourceLimits
    ttl: timedelta
    grace: timedelta
    max_deadline: timedelta


def job_name(attempt: Attempt, ordinal: int) -> str:
    """The same for whoever runs this execution for the ``ordinal``-th time, so that of two that try one succeeds."""
    return f"qs-{attempt.execution_id.hex}-{ordinal}"


def identity(attempt: Attempt) -> dict[str, str]:
    """The labels by which a Job is known to belong to this execution."""
    return {
        MANAGED_BY: "qs",
        EXECUTION: str(attempt.execution_id),
        JOB: str(attempt.job_id),
        TENANT: str(attempt.tenant_id),
    }


def job_document(attempt: Attempt, target: PodTarget, rules: JobRules, ordinal: int) -> dict[str, Any]:
    """The Job to submit.

    Raises:
        PayloadTooLarge: the payload does not fit into a pod's environment.
    """
    begun = rules.template.job
    labels = identity(attempt) | {ORDINAL: str(ordinal)}
    pod = begun.spec.template
    job = replace(
        begun,
        metadata=Metadata(
            name=job_name(attempt, ordinal),
            labels=begun.metadata.labels | labels,
            annotations=begun.metadata.annotations | _annotations(attempt),
        ),
        spec=replace(
            begun.spec,
            template=replace(
                pod,
                metadata=replace(pod.metadata, name=UNSET, labels=pod.metadata.labels | labels),
                spec=_pod(pod.spec, attempt, target, rules),
            ),
            ttl_seconds_after_finished=_time_to_live(begun.spec, rules),
            active_deadline_seconds=_deadline(begun.spec, attempt, target, rules),
        ),
    )
    # Read back, so that not even a mistake in this file makes a pod that the types refuse.
    return msgspec.convert(job.as_document(), Job).as_document()


def _deadline(begun: JobSpec, attempt: Attempt, target: PodTarget, rules: JobRules) -> int:
    lengths = [attempt.timeout, rules.max_deadline]
    if target.deadline is not None:
        lengths.append(target.deadline)
    if begun.active_deadline_seconds is not UNSET:
        lengths.append(timedelta(seconds=begun.active_deadline_seconds))
    return whole_seconds(min(lengths))


def _time_to_live(begun: JobSpec, rules: JobRules) -> int:
    given = begun.ttl_seconds_after_finished
    wanted = whole_seconds(rules.ttl) if given is UNSET else given
    # A Job that is removed at once takes its outcome with it, before a lost worker has been missed.
    return max(wanted, _SHORTEST_TTL_S)


def _annotations(attempt: Attempt) -> dict[str, str]:
    told = {
        ATTEMPT: str(attempt.number),
        "qs.job-name": attempt.job_name,
        "qs.idempotency-key": attempt.idempotency_key,
    }
    if attempt.scheduled_at is not None:
        told["qs.scheduled-at"] = _instant(attempt.scheduled_at)
    if attempt.traceparent is not None:
        told["qs.traceparent"] = attempt.traceparent
    return told


def _pod(begun: PodSpec, attempt: Attempt, target: PodTarget, rules: JobRules) -> PodSpec:
    container = begun.containers[0]
    told = tuple(EnvVar(name=name, value=_literal(text)) for name, text in environment(attempt).items())
    chosen = tuple(EnvVar(name=name, value=_literal(text)) for name, text in target.env.items())
    grace = whole_seconds(rules.grace)
    given = begun.termination_grace_period_seconds
    return replace(
        begun,
        containers=(
            replace(
                container,
                image=target.image,
                command=container.command if target.command is None else target.command,
                args=container.args if target.args is None else target.args,
                env=(*told, *container.env, *chosen),
                resources=_resources(container, target, rules.limits),
            ),
        ),
        termination_grace_period_seconds=grace if given is UNSET else min(given, grace),
    )


def environment(attempt: Attempt) -> dict[str, str]:
    """What every run is told. Raises PayloadTooLarge."""
    payload = compact(attempt.payload)
    if len(payload) > MOST_BYTES:
        raise PayloadTooLarge
    told = {
        "QS_EXECUTION_ID": str(attempt.execution_id),
        "QS_JOB_ID": str(attempt.job_id),
        "QS_JOB_NAME": attempt.job_name,
        "QS_ATTEMPT": str(attempt.number),
        "QS_IDEMPOTENCY_KEY": attempt.idempotency_key,
        "QS_PAYLOAD": payload.decode(),
    }
    if attempt.scheduled_at is not None:
        told["QS_SCHEDULED_AT"] = _instant(attempt.scheduled_at)
    if attempt.traceparent is not None:
        told["TRACEPARENT"] = attempt.traceparent
    return told


def _instant(when: datetime) -> str:
    return when.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _resources(container: Container, target: PodTarget, limits: ResourceLimits) -> Resources:
    """The job's wish before the template's; always a limit, since a pod without one may take a whole node."""
    least, most = dict(container.resources.requests), dict(container.resources.limits)
    for resource, usual in _SELDOM_TOO_LITTLE.items():
        if resource in target.resources:
            least[resource] = most[resource] = target.resources[resource]
        elif resource not in most:
            most[resource] = least.get(resource) or limits.smaller(resource, usual)
    return Resources(requests=least, limits=most)


def _literal(text: str) -> str:
    """Kubernetes replaces ``$(NAME)`` in the value of a variable; in what a job wrote a dollar is a dollar."""
    return text.replace("$", "$$")


def is_ours(document: Mapping[str, Any], attempt: Attempt) -> bool:
    """Whether the Job carries every label of this execution; a name alone proves nothing."""
    labels = document["metadata"].get("labels") or {}
    return all(labels.get(key) == value for key, value in identity(attempt).items())
