"""Executions over HTTP: run, canceled, retried, reported on, filled in; one history with those of the duties."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from httpx import AsyncClient

from qs.application.scheduler.executors import AttemptOutcome, AttemptStatus
from qs.container import Container
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.domain.scheduler.execution import FiredBy
from tests.support.waiting import eventually

from .steps import ABSENT_ID, HOURLY, V1, data_of, details_of, make_job, pointers_of, problem_of, run_job

WEB = {"name": "web", "target": {"http": {"url": "https://example.org"}}}


async def duty_run(container: Container, name: str = "sweep") -> str:
    ran = await container.duty_executions().run(
        name, tenant_id=DEFAULT_TENANT, fired_by=FiredBy.HTTP, actor="user:anna"
    )
    return str(ran.execution_id)


async def execution_of(api: AsyncClient, run: Mapping[str, Any]) -> Any:
    return data_of(await api.get(f"{V1}/executions/{run['id']}"))


async def test_a_job_runs_at_once_with_the_payload_it_is_given(api, worker):
    job = await make_job(api, payload={"name": "nobody"})

    answer = await api.post(f"{V1}/jobs/{job['id']}/run", json={"payload": {"name": "Li Lei"}})
    await worker.work_off()

    run = data_of(answer)
    assert answer.headers["location"] == f"{V1}/executions/{run['id']}"
    assert (run["status"], run["fired_by"], run["scheduled_at"]) == ("queued", "manual", None)
    shown = await execution_of(api, run)
    assert (shown["status"], shown["result"]) == ("succeeded", {"greeting": "hello, Li Lei"})
    assert shown["parameters"] == {"name": "Li Lei"}
    assert [(each["number"], each["outcome"]) for each in shown["attempts"]] == [(1, "succeeded")]
    assert shown["duration_ms"] >= 0
    after = data_of(await api.get(f"{V1}/jobs/{job['id']}"))
    assert (after["last_status"], after["next_run"]) == ("succeeded", job["next_run"])
    assert data_of(await api.get(f"{V1}/jobs/{job['id']}/status"))["last"]["id"] == run["id"]


async def test_a_run_needs_no_body(api):
    job = await make_job(api)

    assert data_of(await api.post(f"{V1}/jobs/{job['id']}/run"))["job_id"] == job["id"]


async def test_a_busy_job_is_run_only_by_force(api):
    job = await make_job(api)
    first = await run_job(api, job)
    path = f"{V1}/jobs/{job['id']}/run"

    refused = problem_of(await api.post(path), 409, "job.busy")
    by_body = data_of(await api.post(path, json={"force": True}))
    by_query = data_of(await api.post(f"{path}?force=true"))

    assert first["id"] in refused["detail"]
    assert len({first["id"], by_body["id"], by_query["id"]}) == 3


async def test_the_same_key_runs_a_job_once(api):
    job = await make_job(api)
    path, headers = f"{V1}/jobs/{job['id']}/run", {"Idempotency-Key": "run-1"}

    first = await api.post(path, json={"payload": {"n": 1}}, headers=headers)
    again = await api.post(path, json={"payload": {"n": 1}}, headers=headers)
    other = await api.post(path, json={"payload": {"n": 2}}, headers=headers)

    assert data_of(first)["id"] == data_of(again)["id"]
    assert again.headers["idempotency-replayed"] == "true"
    problem_of(other, 422, "idempotency.mismatch")
    assert len(data_of(await api.get(f"{V1}/jobs/{job['id']}/executions"))["items"]) == 1


async def test_what_waits_is_canceled_at_once_and_what_runs_is_stopped(api, http, worker):
    job = await make_job(api, **WEB, overlap={"policy": "allow", "max": 5})
    waiting = await run_job(api, job)
    canceled = data_of(await api.post(f"{V1}/executions/{waiting['id']}/cancel"))
    http.may_end.clear()
    running = await run_job(api, job)
    await worker.begin()

    asked = data_of(await api.post(f"{V1}/executions/{running['id']}/cancel"))
    await worker.beat()
    await worker.idle()

    assert canceled["status"] == "canceled"
    assert asked["status"] == "running"
    assert (await execution_of(api, running))["status"] == "canceled"
    problem_of(await api.post(f"{V1}/executions/{running['id']}/cancel"), 409, "execution.over")


async def test_what_is_over_is_run_again_and_says_what_it_retries(api, http, worker):
    http.outcome = AttemptOutcome(status=AttemptStatus.FAILED, code="http:500", error="no", permanent=True)
    job = await make_job(api, **WEB)
    run = await run_job(api, job, payload={"n": 1})
    problem_of(await api.post(f"{V1}/executions/{run['id']}/retry"), 409, "execution.not_over")
    await worker.work_off()

    answer = await api.post(f"{V1}/executions/{run['id']}/retry")

    again = data_of(answer)
    assert answer.headers["location"].endswith(again["id"])
    assert (again["parent_id"], again["fired_by"]) == (run["id"], "retry")
    failed = await execution_of(api, run)
    assert (failed["status"], failed["error"]) == ("failed", "no")
    assert failed["attempts"][0]["code"] == "http:500"
    assert (await execution_of(api, again))["parameters"] == {"n": 1}


async def test_an_outcome_is_reported_once_and_only_where_it_is_awaited(api, http, worker):
    http.outcome = AttemptOutcome(status=AttemptStatus.AWAITED)
    job = await make_job(api, **WEB, overlap={"policy": "allow", "max": 5})
    good, bad = await run_job(api, job), await run_job(api, job)
    path = f"{V1}/executions/{good['id']}/report"
    problem_of(await api.post(path, json={"succeeded": True}), 409, "execution.not_awaited")
    await worker.begin()

    async def both_awaited():
        return all([(await execution_of(api, run))["awaited"] for run in (good, bad)])

    await eventually(both_awaited)
    reported = data_of(await api.post(path, json={"succeeded": True, "result": {"rows": 3}}))
    failed = {"succeeded": False, "error": "the disk is full"}
    data_of(await api.post(f"{V1}/executions/{bad['id']}/report", json=failed))

    assert reported == {"id": good["id"], "status": "succeeded"}
    assert (await execution_of(api, good))["result"] == {"rows": 3}
    assert (await execution_of(api, bad))["error"] == "the disk is full"
    problem_of(await api.post(path, json={"succeeded": False}), 409, "execution.over")


async def test_a_range_is_told_before_it_is_filled_in(api, worker):
    job = await make_job(api)
    path = f"{V1}/jobs/{job['id']}/backfill"
    range_ = {"from": "2026-01-01T00:30:00Z", "to": "2026-01-01T08:00:00+02:00"}

    dry = data_of(await api.post(path, json=range_ | {"dry_run": True}))
    done = data_of(await api.post(path, json=range_))

    assert dry["slots"] == [f"2026-01-01T0{hour}:00:00Z" for hour in (1, 2, 3, 4, 5)]
    assert dry["execution_ids"] == []
    assert (done["slots"], len(done["execution_ids"])) == (dry["slots"], 5)
    first = data_of(await api.get(f"{V1}/executions/{done['execution_ids'][0]}"))
    assert (first["fired_by"], first["scheduled_at"]) == ("backfill", dry["slots"][0])
    assert data_of(await api.get(f"{V1}/jobs/{job['id']}"))["next_run"] == job["next_run"]


async def test_both_histories_are_one_newest_first_slice_by_slice(api, container):
    job = await make_job(api, overlap={"policy": "allow", "max": 9})
    ids = []
    for _ in range(3):
        ids += [(await run_job(api, job))["id"], await duty_run(container)]

    found, cursor = [], None
    while True:
        page = data_of(
            await api.get(
                f"{V1}/executions", params={"page_size": 4} | ({"cursor": cursor} if cursor else {})
            )
        )
        found.append([item["id"] for item in page["items"]])
        cursor = page["next_cursor"]
        if cursor is None:
            break

    assert found == [ids[:1:-1], ids[1::-1]]
    items = data_of(await api.get(f"{V1}/executions"))["items"]
    assert [item["name"] for item in items] == ["sweep", "tidy"] * 3
    assert items[1]["job_id"] == job["id"]
    assert all(item["job_id"] for item in items)


async def test_the_history_can_be_narrowed(api, container, worker):
    job = await make_job(api)
    other = await make_job(api, name="other", overlap={"policy": "allow", "max": 9})
    run, waiting = await run_job(api, job), await run_job(api, other)
    await worker.work_off()
    await run_job(api, other)
    swept = await duty_run(container)

    async def listed(query: str) -> list[str]:
        return [item["id"] for item in data_of(await api.get(f"{V1}/executions?{query}"))["items"]]

    assert await listed("name=tidy") == [run["id"]]
    assert await listed(f"job_id={job['id']}") == [run["id"]]
    assert await listed("name=sweep") == [swept]
    assert await listed(f"name=tidy&job_id={other['id']}") == []
    assert await listed("status=succeeded") == [swept, waiting["id"], run["id"]]
    assert await listed("status=succeeded&name=other") == [waiting["id"]]
    assert await listed("status=skipped") == await listed("name=nobody") == await listed("status=lost") == []


async def test_an_execution_of_a_duty_is_read_and_nothing_is_done_about_it(api, container):
    swept = await duty_run(container)
    path = f"{V1}/executions/{swept}"

    assert data_of(await api.get(path))["name"] == "sweep"
    for verb in ("cancel", "retry"):
        problem_of(await api.post(f"{path}/{verb}"), 409, "job.read_only")
    problem_of(await api.post(f"{path}/report", json={"succeeded": True}), 404, "execution.absent")
    problem_of(await api.get(f"{path}/log"), 404, "execution.absent")


async def test_another_tenants_a_malformed_and_an_absent_execution_look_alike(api, neighbour):
    run = await run_job(api, await make_job(api))
    bodies = []
    for execution_id in (run["id"], ABSENT_ID, "nonsense"):
        for method, rest, body in (
            ("GET", "", None),
            ("GET", "/log", None),
            ("GET", "/log?follow=true", None),
            ("POST", "/cancel", None),
            ("POST", "/retry", None),
            ("POST", "/report", {"succeeded": True}),
        ):
            answer = await api.request(
                method, f"{V1}/executions/{execution_id}{rest}", json=body, headers=neighbour
            )
            bodies.append(problem_of(answer, 404, "execution.absent") | {"instance": None})

    assert bodies == bodies[:1] * len(bodies)
    assert data_of(await api.get(f"{V1}/executions", headers=neighbour))["items"] == []
    assert (await execution_of(api, run))["status"] == "queued"


async def test_who_started_an_execution_reads_it_without_the_scope_and_no_other_one(api, caller):
    job = await make_job(api, overlap={"policy": "allow", "max": 9})
    runner = await caller("scheduler:run")
    own = data_of(await api.post(f"{V1}/jobs/{job['id']}/run", headers=runner))
    others = await run_job(api, job)

    for path in (f"{own['id']}", f"{own['id']}/log"):
        data_of(await api.get(f"{V1}/executions/{path}", headers=runner))
    for path in (f"{others['id']}", f"{others['id']}/log", f"{others['id']}/log?follow=true"):
        problem_of(await api.get(f"{V1}/executions/{path}", headers=runner), 404, "execution.absent")
    problem_of(await api.get(f"{V1}/executions", headers=runner), 403, "auth.scope_missing")


async def test_bad_orders_are_refused(api):
    job = await make_job(api)
    delayed = await make_job(api, name="delayed", type="fixed_delay", schedule="10m")
    run = await run_job(api, job)
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    early, late = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"

    for path, body, pointer in (
        (f"jobs/{job['id']}/run", {"payload": []}, "/payload"),
        (f"jobs/{job['id']}/run", {"payload": {"x": "y" * 70_000}}, "/payload"),
        (f"jobs/{job['id']}/run", {"force": "yes"}, "/force"),
        (f"jobs/{job['id']}/run", {"actor": "root"}, "/actor"),
        (f"jobs/{job['id']}/run?force=maybe", {}, "/force"),
        (f"jobs/{job['id']}/backfill", {}, "/from"),
        (f"jobs/{job['id']}/backfill", {"from": late, "to": early}, "/to"),
        (f"jobs/{job['id']}/backfill", {"from": early, "to": early}, "/to"),
        (f"jobs/{job['id']}/backfill", {"from": early, "to": tomorrow}, "/to"),
        (f"jobs/{job['id']}/backfill", {"from": "2020-01-01T00:00:00Z", "to": late}, "/to"),
        (f"jobs/{job['id']}/backfill", {"from": "2026-01-01T00:00:00", "to": late}, "/from"),
        (f"jobs/{job['id']}/backfill", {"from": "0001-01-01T00:00:00+14:00", "to": late}, "/from"),
        (f"jobs/{job['id']}/backfill", {"from": 5, "to": late}, "/from"),
        (f"jobs/{delayed['id']}/backfill", {"from": early, "to": late}, "/from"),
        (f"jobs/{job['id']}/enable", {}, "/enabled"),
        (f"executions/{run['id']}/report", {}, "/succeeded"),
        (f"executions/{run['id']}/report", {"succeeded": 1}, "/succeeded"),
        (f"executions/{run['id']}/report", {"succeeded": False, "error": "x" * 2001}, "/error"),
        (f"executions/{run['id']}/report", {"succeeded": True, "result": {"x": "y" * 17_000}}, "/result"),
        (f"executions/{run['id']}/cancel", {"why": "x"}, "/why"),
    ):
        method = "PUT" if path.endswith("enable") else "POST"
        answer = await api.request(method, f"{V1}/{path}", json=body)
        assert pointer in details_of(answer, "invalid"), (path, body)


async def test_a_run_that_cannot_be_done_leaves_no_key_behind(api):
    job = await make_job(api)
    first = await run_job(api, job)
    headers = {"Idempotency-Key": "k"}
    path = f"{V1}/jobs/{job['id']}/run"

    problem_of(await api.post(path, headers=headers), 409, "job.busy")
    data_of(await api.post(f"{V1}/executions/{first['id']}/cancel"))

    assert data_of(await api.post(path, headers=headers))["status"] == "queued"


async def test_pointers_of_bad_previews(api):
    good = {"type": "cron", "schedule": "30 2 * * *", "timezone": "America/New_York"}
    for body, pointer in (
        ({}, "/type"),
        (good | {"schedule": "0 0 30 2 *"}, "/schedule"),
        (good | {"timezone": "Mars/Base"}, "/timezone"),
        (good | {"count": 101}, "/count"),
        (good | {"count": 0}, "/count"),
        (good | {"count": "many"}, "/count"),
        (good | {"after": "2025-03-08T12:00:00"}, "/after"),
        (good | {"after": "0001-01-01T00:00:00+14:00"}, "/after"),
        (good | {"after": "2300-01-01T00:00:00Z"}, "/after"),
        (good | {"calendar": "nobodys"}, "/calendar"),
        (good | {"name": "x"}, "/name"),
        (good | {"target": {}}, "/target"),
    ):
        answer = await api.post(f"{V1}/preview", json=body)
        assert pointer in pointers_of(answer, answer.json()["error"]), body


async def test_a_preview_tells_words_slots_and_warnings(api):
    body = {
        "type": "cron",
        "schedule": "30 2 * * *",
        "timezone": "America/New_York",
        "after": "2025-03-08T12:00:00-05:00",
        "count": 3,
    }

    told = data_of(await api.post(f"{V1}/preview", json=body))
    few = data_of(await api.post(f"{V1}/preview", json=body | {"max_runs": 2}))
    warned = data_of(await api.post(f"{V1}/preview", json=body | {"schedule": "0 0-23 * * *"}))

    assert [(slot["at"], slot["dst"]) for slot in told["occurrences"]] == [
        ("2025-03-09T07:00:00Z", "shifted"),
        ("2025-03-10T06:30:00Z", None),
        ("2025-03-11T06:30:00Z", None),
    ]
    assert told["occurrences"][0]["local"] == "2025-03-09T03:00:00-04:00"
    assert "America/New_York" in told["words"]
    assert len(few["occurrences"]) == 2
    assert warned["warnings"]
    assert HOURLY["name"] not in told["words"]
