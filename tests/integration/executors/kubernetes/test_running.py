"""A Job from its submission to its outcome."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta

import pytest

from qs.application.scheduler.executors import AttemptStatus
from tests.integration.executors.kubernetes.clusters import IMAGE, Written, an_attempt
from tests.support.waiting import eventually

SOON = timedelta(seconds=20)


async def test_a_job_that_ends_well_has_succeeded_and_its_log_is_the_output(executor, output):
    attempt = an_attempt("say hello", "say world", output=output)

    outcome = await executor.execute(attempt)

    assert outcome.status is AttemptStatus.SUCCEEDED
    assert outcome.result["exit_code"] == 0
    assert output.text == "hello\nworld\n"


async def test_what_a_job_writes_arrives_while_it_is_running(executor, space, output):
    running = asyncio.create_task(executor.execute(an_attempt("say first", "await go", output=output)))

    async def first():
        return output.text == "first\n"

    await eventually(first, within=10)
    assert not running.done()
    await space.release()
    assert (await running).status is AttemptStatus.SUCCEEDED


async def test_the_job_says_what_it_belongs_to(executor, space):
    attempt = an_attempt()

    await executor.execute(attempt)

    job = await space.job()
    metadata = job["metadata"]
    assert metadata["name"] == f"qs-{attempt.execution_id.hex}-1"
    assert len(metadata["name"]) <= 63
    labels = {
        "app.kubernetes.io/managed-by": "qs",
        "qs.execution-id": str(attempt.execution_id),
        "qs.job-id": str(attempt.job_id),
        "qs.tenant-id": str(attempt.tenant_id),
        "qs.ordinal": "1",
    }
    assert metadata["labels"] == labels
    assert job["spec"]["template"]["metadata"]["labels"].items() >= labels.items()
    assert metadata["annotations"] == {
        "qs.attempt": "1",
        "qs.job-name": "nightly report",
        "qs.idempotency-key": "job:2026-03-01T02:30:00Z",
        "qs.scheduled-at": "2026-03-01T02:30:00Z",
        "qs.traceparent": attempt.traceparent,
    }


async def test_a_job_is_kept_long_enough_for_a_lost_worker_to_be_missed(make_executor, space):
    await make_executor(ttl=timedelta(0)).execute(an_attempt())

    assert (await space.job())["spec"]["ttlSecondsAfterFinished"] == 60


async def test_the_job_is_tried_once_and_bounded(executor, space):
    await executor.execute(an_attempt(timeout=timedelta(seconds=20.5)))

    spec = (await space.job())["spec"]
    assert spec["backoffLimit"] == 0
    assert spec["activeDeadlineSeconds"] == 21
    assert spec["ttlSecondsAfterFinished"] == 3600
    assert spec["template"]["spec"]["restartPolicy"] == "Never"
    assert spec["template"]["spec"]["terminationGracePeriodSeconds"] == 1
    limits = spec["template"]["spec"]["containers"][0]["resources"]["limits"]
    assert limits == {"cpu": "250m", "memory": "256Mi"}


async def test_a_job_chooses_resources_and_a_deadline_within_its_bounds(executor, space):
    target = {"resources": {"cpu": "1", "memory": "1Gi"}, "deadline": "15s"}

    await executor.execute(an_attempt(target=target))

    spec = (await space.job())["spec"]
    assert spec["activeDeadlineSeconds"] == 15
    resources = spec["template"]["spec"]["containers"][0]["resources"]
    assert resources["limits"] == resources["requests"] == {"cpu": "1", "memory": "1Gi"}


async def test_the_run_is_told_which_run_it_is(executor, output):
    names = ("EXECUTION_ID", "JOB_ID", "JOB_NAME", "SCHEDULED_AT", "ATTEMPT", "IDEMPOTENCY_KEY", "PAYLOAD")
    script = [f"env QS_{name}" for name in names] + ["env TRACEPARENT"]
    attempt = an_attempt(*script, output=output, payload={"sum": "$(PATH) $$ 5"})

    await executor.execute(attempt)

    told = dict(line.split("=", 1) for line in output.lines)
    assert told["QS_EXECUTION_ID"] == str(attempt.execution_id)
    assert told["QS_JOB_ID"] == str(attempt.job_id)
    assert told["QS_JOB_NAME"] == "nightly report"
    assert told["QS_SCHEDULED_AT"] == "2026-03-01T02:30:00Z"
    assert told["QS_ATTEMPT"] == "1"
    assert told["QS_IDEMPOTENCY_KEY"] == "job:2026-03-01T02:30:00Z"
    assert told["TRACEPARENT"] == attempt.traceparent
    # Kubernetes would replace what looks like a variable; a payload is nobody's template.
    assert json.loads(told["QS_PAYLOAD"]) == {"sum": "$(PATH) $$ 5"}


async def test_a_variable_of_a_job_is_literal_and_its_args_may_name_variables(executor, output):
    attempt = an_attempt(
        "env PRICE", "say at $(QS_SCHEDULED_AT)", output=output, target={"env": {"PRICE": "5$ $(QS_JOB_ID)"}}
    )

    await executor.execute(attempt)

    assert output.lines == ["PRICE=5$ $(QS_JOB_ID)", "at 2026-03-01T02:30:00Z"]


async def test_a_payload_that_no_variable_can_hold_is_refused(executor, space):
    outcome = await executor.execute(an_attempt(payload={"text": "x" * 70_000}))

    assert (outcome.status, outcome.code, outcome.permanent) == (AttemptStatus.FAILED, "refused", True)
    assert await space.jobs() == []


async def test_the_exit_code_of_a_job_that_fails_is_told(executor, output):
    outcome = await executor.execute(an_attempt("say oh no", "exit 75", output=output))

    assert (outcome.status, outcome.code, outcome.permanent) == (AttemptStatus.FAILED, "exit:75", False)
    assert outcome.result["exit_code"] == 75
    assert output.text == "oh no\n"


@pytest.mark.parametrize(
    ("script", "code", "named", "permanent"),
    [
        ("oom", "exit:137", "OOMKilled", False),
        ("evict", "exit:137", "Evicted", False),
        ("nonsense", "exit:128", "StartError", True),
    ],
)
async def test_why_a_container_was_ended_is_named(executor, script, code, named, permanent):
    outcome = await executor.execute(an_attempt(script))

    assert (outcome.status, outcome.code, outcome.permanent) == (AttemptStatus.FAILED, code, permanent)
    assert named in outcome.error
    assert outcome.result["reason"] == named


@pytest.mark.parametrize(
    ("script", "reason"),
    [("unpullable", "ImagePullBackOff"), ("misconfigured", "CreateContainerConfigError")],
)
async def test_a_container_that_cannot_be_made_fails_for_good_and_its_job_is_removed(
    executor, space, script, reason
):
    outcome = await executor.execute(an_attempt(script))

    assert (outcome.status, outcome.permanent) == (AttemptStatus.FAILED, True)
    assert reason in outcome.error
    assert await space.jobs() == []


async def test_a_job_that_kubernetes_stops_at_its_deadline_has_timed_out(executor, space, output):
    attempt = an_attempt("say begun", "await never", output=output, target={"deadline": "3s"})

    outcome = await executor.execute(attempt)

    assert (outcome.status, outcome.code) == (AttemptStatus.TIMED_OUT, "timeout")
    assert output.text == "begun\n"
    assert (await space.job())["metadata"]["annotations"]["qs.outcome"] == "timed_out"


@pytest.mark.parametrize(
    ("script", "why"),
    [("unschedulable", "Unschedulable"), ("unbegun", "quota"), ("await never", "running")],
)
async def test_a_job_whose_time_runs_out_is_removed_and_says_what_it_waited_for(
    make_executor, space, monkeypatch, script, why
):
    monkeypatch.setattr("qs.infra.scheduler.executors.kubernetes._SLACK_S", 0.0)
    executor = make_executor()

    # Sooner than Kubernetes, which counts whole seconds, and late enough for the pod to have been looked at.
    outcome = await executor.execute(an_attempt(script, timeout=timedelta(seconds=2.1)))

    assert (outcome.status, outcome.code) == (AttemptStatus.TIMED_OUT, "timeout")
    assert why in outcome.error
    assert await space.jobs() == []


async def test_an_image_that_is_no_longer_allowed_is_not_run(executor, space):
    target = {"image": IMAGE.replace("report", "miner")}

    outcome = await executor.execute(an_attempt(target=target))

    assert (outcome.status, outcome.code, outcome.permanent) == (AttemptStatus.FAILED, "refused", True)
    assert (await space.look())["calls"] == {}


async def test_many_attempts_run_beside_one_another(executor, space):
    outputs = [Written() for _ in range(12)]
    attempts = [an_attempt("say one", "exit 0", output=output) for output in outputs]

    outcomes = await asyncio.gather(*map(executor.execute, attempts))

    assert {outcome.status for outcome in outcomes} == {AttemptStatus.SUCCEEDED}
    assert [output.text for output in outputs] == ["one\n"] * 12


async def test_nothing_of_an_attempt_is_open_after_it(executor, space):
    await executor.execute(replace(an_attempt("say x"), timeout=SOON))

    async def closed():
        return (await space.look())["streams"] == 0

    await eventually(closed, within=5)
