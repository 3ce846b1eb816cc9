"""What an API server may answer to a Job, and what comes of it."""

import asyncio
from datetime import timedelta

import pytest

from qs.application.scheduler.executors import AttemptStatus
from tests.integration.executors.kubernetes.clusters import an_attempt


@pytest.mark.parametrize(
    "fault", [{"status": 500}, {"status": 503}, {"cut": True}, {"cut": True, "late": True}]
)
async def test_a_trouble_of_the_api_server_while_a_job_is_made_costs_nothing(executor, space, fault):
    attempt = an_attempt()
    await space.fault("create", count=2, **fault)

    outcome = await executor.execute(attempt)

    assert outcome.status is AttemptStatus.SUCCEEDED
    assert await space.begun(attempt) == 1


async def test_an_answer_that_is_lost_does_not_begin_the_work_twice(executor, space):
    attempt = an_attempt()
    await space.fault("create", status=504, reason="Timeout", late=True)

    outcome = await executor.execute(attempt)

    assert outcome.status is AttemptStatus.SUCCEEDED
    assert await space.begun(attempt) == 1


async def test_a_server_that_asks_for_time_gets_it(executor, space):
    await space.fault("create", status=429, reason="TooManyRequests", retry_after=1)
    begun = asyncio.get_running_loop().time()

    outcome = await executor.execute(an_attempt())

    assert outcome.status is AttemptStatus.SUCCEEDED
    assert asyncio.get_running_loop().time() - begun >= 1.0


async def test_a_slow_answer_is_waited_for_within_reason(executor, space, monkeypatch):
    monkeypatch.setattr("qs.infra.scheduler.executors.kubernetes_client._ANSWERED_WITHIN_S", 2.0)
    await space.fault("create", delay=5.0)

    outcome = await executor.execute(an_attempt())

    assert outcome.status is AttemptStatus.SUCCEEDED
    assert (await space.look())["calls"]["create jobs"] == 2


async def test_a_used_up_quota_is_worth_another_try(executor, space):
    message = "exceeded quota: jobs, requested: count/jobs.batch=1, used: 5, limited: 5"
    await space.fault("create", status=403, reason="Forbidden", message=message)

    outcome = await executor.execute(an_attempt())

    assert (outcome.status, outcome.permanent) == (AttemptStatus.FAILED, False)
    assert "quota" in outcome.error


async def test_an_account_that_may_not_make_jobs_is_told_so(executor, space):
    await space.order("forbid", verb="create", kind="jobs")

    outcome = await executor.execute(an_attempt())

    assert (outcome.status, outcome.permanent) == (AttemptStatus.FAILED, True)
    assert "may not run Jobs" in outcome.error


async def test_credentials_that_the_server_does_not_know_are_named(executor, space):
    space.token_file.write_text("wrong")

    outcome = await executor.execute(an_attempt())

    assert (outcome.status, outcome.permanent) == (AttemptStatus.FAILED, False)
    assert "credentials" in outcome.error


async def test_a_namespace_that_is_not_there_is_named(make_executor):
    executor = make_executor(namespace="nowhere")

    outcome = await executor.execute(an_attempt())

    assert (outcome.status, outcome.permanent) == (AttemptStatus.FAILED, True)
    assert "no namespace nowhere" in outcome.error


async def test_a_refusal_names_the_fields_and_repeats_nothing_of_the_job(make_executor, space):
    spec = {"containers": [{}], "affinity": {"nodeAffinty": {}}}
    executor = make_executor(template_file=space.template({"spec": {"template": {"spec": spec}}}))

    outcome = await executor.execute(an_attempt("say hush"))

    assert (outcome.status, outcome.permanent) == (AttemptStatus.FAILED, True)
    assert "400 BadRequest" in outcome.error
    assert "hush" not in outcome.error


async def test_an_api_server_that_is_away_is_waited_for_until_the_time_runs_out(
    make_executor, space, monkeypatch
):
    monkeypatch.setattr("qs.infra.scheduler.executors.kubernetes._SLACK_S", 0.0)
    monkeypatch.setattr("qs.infra.scheduler.executors.kubernetes._REMOVAL_S", 0.0)
    space.write_kubeconfig(server="https://127.0.0.1:1")
    executor = make_executor(grace=timedelta(seconds=0.2))

    outcome = await executor.execute(an_attempt(timeout=timedelta(seconds=2)))

    assert (outcome.status, outcome.code) == (AttemptStatus.TIMED_OUT, "timeout")
    assert "does not answer" in outcome.error
    assert "127.0.0.1" not in outcome.error
