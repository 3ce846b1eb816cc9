"""ECron's interface: its paths and bodies as they are, over the same jobs."""

from typing import Any

import msgspec
import pytest
from dependency_injector import providers
from httpx import AsyncClient, Response

from qs.application.scheduler.executors import AttemptOutcome, AttemptStatus
from tests.support.http import app_over, serving
from tests.support.waiting import eventually

from .steps import ABSENT_ID, ECRON, V1, data_of, details_of, make_job, problem_of

NIGHTLY: dict[str, Any] = {
    "job_id": "",
    "job_name": "nightly",
    "job_cron_time": "0 0 2 * * ?",
    "job_type": "scheduled",
    "job_context": {
        "mode": "http",
        "exec": "http://clinic.example.org/reports",
        "info": {
            "method": "PUT",
            "headers": {"X-Kind": "a"},
            "body": {"n": 1},
            "params": None,
            "kubernetes": None,
        },
        "notify": {"webhook": "https://clinic.example.org/results"},
        "begin_at": "",
        "end_at": "2099-01-01T00:00:00Z",
        "execute_id": "",
        "created_at": "2026-01-01T00:00:00.000000+08:00",
    },
    "tenant_id": "somebody",
    "enabled": True,
    "remarks": "every night",
}


def bare(answer: Response, status: int = 200) -> Any:
    """The body of a success, which has no envelope."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    return answer.json()


async def make(api: AsyncClient, **fields: Any) -> str:
    job_id: str = bare(await api.post(f"{ECRON}/job", json=NIGHTLY | fields), 201)["job_id"]
    return job_id


def context(**fields: Any) -> dict[str, Any]:
    """What the job runs, with some of it otherwise."""
    return {**NIGHTLY["job_context"], **fields}


async def test_a_job_is_created_listed_and_is_one_of_ours(api):
    job_id = await make(api)

    (listed,) = bare(await api.get(f"{ECRON}/job"))
    ours = data_of(await api.get(f"{V1}/jobs/{job_id}"))

    assert listed["job_id"] == job_id
    assert (listed["job_name"], listed["job_cron_time"]) == ("nightly", "0 0 2 * * ?")
    assert (listed["job_type"], listed["enabled"], listed["remarks"]) == ("scheduled", True, "every night")
    told = listed["job_context"]
    assert (told["mode"], told["exec"]) == ("http", "http://clinic.example.org/reports")
    assert (told["info"]["method"], told["info"]["headers"], told["info"]["body"]) == (
        "PUT",
        {"X-Kind": "a"},
        {"n": 1},
    )
    assert told["notify"] == {"webhook": "https://clinic.example.org/results"}
    assert (told["begin_at"], told["end_at"]) == ("", "2099-01-01T00:00:00Z")
    assert listed["tenant_id"] != "somebody"
    assert listed["created_at"].endswith("Z")
    assert ours["document"]["target"] == {
        "http": {
            "method": "PUT",
            "url": "http://clinic.example.org/reports",
            "headers": {"X-Kind": "a"},
            "body": {"n": 1},
        }
    }
    assert ours["document"]["notify"]["webhook"] == "https://clinic.example.org/results"


async def test_what_is_listed_can_be_put_back_and_changes_nothing(api):
    job_id = await make(api)
    (listed,) = bare(await api.get(f"{ECRON}/job"))
    before = data_of(await api.get(f"{V1}/jobs/{job_id}"))["document"]

    assert bare(await api.put(f"{ECRON}/job/{job_id}", json=listed)) == {}

    assert data_of(await api.get(f"{V1}/jobs/{job_id}"))["document"] == before


async def test_jobs_are_counted_paged_and_picked(api):
    ids = [await make(api, job_name=name) for name in "abc"]
    once = await make(api, job_name="once", job_type="timed")
    total = bare(await api.get(f"{ECRON}/jobtotal"))
    await make(api, job_name="later")

    async def listed(query: str) -> list[str]:
        return [job["job_id"] for job in bare(await api.get(f"{ECRON}/job?{query}"))]

    stamp = total["timestamp"].replace("+", "%2B")
    assert total["total"] == 4
    assert await listed(f"limit=2&page=1&timestamp={stamp}") == ids[:2]
    assert await listed(f"limit=2&page=2&timestamp={stamp}") == [ids[2], once]
    assert await listed(f"limit=2&page=3&timestamp={stamp}") == []
    assert await listed("job_type=timed") == [once]
    assert await listed("job_type=scheduled&limit=2&page=2") == [ids[2], (await listed("limit=9"))[3]]
    assert await listed(f"job_id={ids[1]}&job_id={ids[0]}&page=9") == [ids[1], ids[0]]
    assert await listed(f"job_id={ids[2]},{ids[0]}") == [ids[2], ids[0]]
    assert await listed("limit=0") == []
    assert len(await listed("timestamp=&job_type=&limit=9")) == 5
    assert bare(await api.get(f"{ECRON}/jobtotal?begin_at=2099-01-01T00:00:00Z"))["total"] == 0
    problem_of(await api.get(f"{ECRON}/job?job_id={ids[0]},{ABSENT_ID}"), 404, "job.absent")


async def test_several_jobs_are_switched_told_and_deleted_at_once(api):
    ids = [await make(api, job_name=name) for name in "ab"]
    path = f"{ECRON}/job/{','.join(ids)}"

    assert bare(await api.put(f"{path}/enable", json={"enable": False})) == {}
    off = [job["enabled"] for job in bare(await api.get(f"{ECRON}/job"))]
    bare(await api.put(f"{path}/enable", json={"enabled": True}))
    told = bare(await api.put(f"{path}/notify", json={"webhook": "https://x.example.org"}))
    jobs = bare(await api.get(f"{ECRON}/job"))
    bare(await api.put(f"{path}/notify", json={"webhook": ""}))
    silent = bare(await api.get(f"{ECRON}/job"))
    deleted = bare(await api.delete(path))

    assert off == [False, False]
    assert told == {"failed_job_id": []}
    assert [(job["enabled"], job["job_context"]["notify"]["webhook"]) for job in jobs] == [
        (True, "https://x.example.org")
    ] * 2
    assert [job["job_context"]["notify"]["webhook"] for job in silent] == ["", ""]
    assert (deleted, bare(await api.get(f"{ECRON}/job"))) == ({}, [])
    problem_of(await api.delete(path), 404, "job.absent")


async def test_a_job_runs_at_once_and_its_status_is_asked_after(api, worker):
    job_id = await make(api)

    begun = bare(await api.post(f"{ECRON}/jobexecution", json=NIGHTLY | {"job_id": job_id}))
    await worker.work_off()
    by_job = bare(await api.get(f"{ECRON}/jobstatus/{job_id}"))
    by_execution = bare(await api.get(f"{ECRON}/jobstatus/{begun['execute_id']}"))
    by_query = bare(await api.get(f"{ECRON}/jobstatus?job_id={job_id}&job_status=success&job_type=scheduled"))
    by_name = bare(await api.post(f"{ECRON}/jobexecution", json={"job_name": "nightly"}))

    assert (begun["job_status"], begun["job_id"], begun["execute_times"]) == ("executing", job_id, 0)
    assert begun["begin_at"].endswith("Z")
    (status,) = by_execution
    assert (status["job_status"], status["execute_times"]) == ("success", 1)
    assert status["executor"][0]["executor_id"]
    assert status["ext_info"]["result"] == {"did": "it"}
    assert [each["execute_id"] for each in by_job] == [each["execute_id"] for each in by_query]
    assert by_name["execute_id"] != begun["execute_id"]
    assert bare(await api.get(f"{ECRON}/jobstatus?job_status=failure")) == []


async def test_the_outcome_of_an_asynchronous_execution_is_reported_once(api, http, worker):
    http.outcome = AttemptOutcome(status=AttemptStatus.AWAITED)
    job_id = await make(api, job_context=context(info={"method": "POST", "async": True}))
    target = data_of(await api.get(f"{V1}/jobs/{job_id}"))["document"]["target"]["http"]
    execute_id = bare(await api.post(f"{ECRON}/jobexecution", json={"job_id": job_id}))["execute_id"]
    path = f"{ECRON}/jobstatus/{execute_id}"
    problem_of(await api.put(path, json={"job_status": "success"}), 409, "execution.not_awaited")
    await worker.begin()

    async def awaited():
        return data_of(await api.get(f"{V1}/executions/{execute_id}"))["awaited"]

    await eventually(awaited)
    mixed = [
        {"execute_id": ABSENT_ID, "job_status": "success"},
        {"execute_id": execute_id, "job_status": "failure", "ext_info": {"why": "full"}},
    ]
    reported = bare(await api.put(path, json=mixed))

    assert target["async"] is True
    assert reported == {"failed_job_id": [ABSENT_ID]}
    (status,) = bare(await api.get(path))
    assert (status["job_status"], status["ext_info"]["result"]) == ("failure", {"why": "full"})
    problem_of(await api.put(path, json={"job_status": "success"}), 409, "execution.over")


async def test_results_are_posted_to_the_path_that_the_settings_give(container, http, worker, caller):
    """As ECron's targets do: whatever the object says, it is the result of a success; it is taken once."""
    settings = container.settings()
    scheduler = msgspec.structs.replace(settings.scheduler, results_path="/api/cronsvr/v1/result")
    container.settings.override(providers.Object(msgspec.structs.replace(settings, scheduler=scheduler)))
    http.outcome = AttemptOutcome(status=AttemptStatus.AWAITED)
    async with serving(app_over(container)) as api:
        api.headers.update(await caller("admin"))
        job_id = await make(api, job_context=context(info={"method": "POST", "async": True}))
        execution = bare(await api.post(f"{ECRON}/jobexecution", json={"job_id": job_id}))["execute_id"]
        path = f"/api/cronsvr/v1/result/{execution}"
        problem_of(await api.post(path, json={}), 409, "execution.not_awaited")
        await worker.begin()

        async def awaited():
            return data_of(await api.get(f"{V1}/executions/{execution}"))["awaited"]

        await eventually(awaited)
        reader = await caller("scheduler:read")
        problem_of(await api.post(path, json={}, headers=reader), 403, "auth.scope_missing")
        problem_of(await api.post(path, json={"x": "y" * 17_000}), 422, "invalid")
        problem_of(await api.post(path, json=[1]), 422, "invalid")
        problem_of(await api.post(f"/api/cronsvr/v1/result/{ABSENT_ID}", json={}), 404, "execution.absent")
        runner = await caller("scheduler:run")
        reported = bare(await api.post(path, json={"rows": 3, "job_status": "failure"}, headers=runner))

        assert reported == {}
        (status,) = bare(await api.get(f"{ECRON}/jobstatus/{execution}"))
        assert status["job_status"] == "success"
        assert status["ext_info"]["result"] == {"rows": 3, "job_status": "failure"}
        problem_of(await api.post(path, json={}), 409, "execution.over")
        problem_of(await api.get(path), 405, "method.not_allowed")


async def test_without_the_setting_there_is_no_path_for_results(api):
    problem_of(await api.post(f"/api/cronsvr/v1/result/{ABSENT_ID}", json={}), 404, "absent")


@pytest.mark.parametrize(
    ("fields", "target"),
    [
        (
            {
                "job_context": {
                    "mode": "exe",
                    "exec": "/opt/Tidy uploads.sh --all",
                    "info": {"params": {"days": "7"}},
                }
            },
            {"command": {"name": "opt-tidy-uploads-sh-all", "params": {"days": "7"}}},
        ),
        ({"job_context": {"mode": "exe", "exec": "tidy"}}, {"command": {"name": "tidy"}}),
        (
            {"job_context": {"mode": "https", "exec": "https://x.example.org", "info": {"body": {}}}},
            {"http": {"method": "POST", "url": "https://x.example.org"}},
        ),
    ],
)
async def test_every_mode_becomes_a_target_of_ours_and_back(api, fields, target):
    job_id = await make(api, **fields)

    (listed,) = bare(await api.get(f"{ECRON}/job"))

    assert data_of(await api.get(f"{V1}/jobs/{job_id}"))["document"]["target"] == target
    assert listed["job_context"]["mode"] == fields["job_context"]["mode"]


async def test_bad_jobs_are_refused_in_ecrons_words(api):
    await make(api)
    for fields, pointer in (
        ({"job_name": ""}, "/job_name"),
        ({"job_name": None}, "/job_name"),
        ({"job_name": "retention"}, "/job_name"),
        ({"job_name": "x" * 201}, "/job_name"),
        ({"job_cron_time": ""}, "/job_cron_time"),
        ({"job_cron_time": "61 0 2 * * ?"}, "/job_cron_time"),
        ({"job_cron_time": "0 0 0 30 2 ?"}, "/job_cron_time"),
        ({"job_cron_time": "nonsense"}, "/job_cron_time"),
        ({"job_type": "sometimes"}, "/job_type"),
        ({"job_type": "real-time"}, "/job_type"),
        ({"enabled": "yes"}, "/enabled"),
        ({"remarks": 5.5, "job_context": None}, "/job_context"),
        ({"job_context": []}, "/job_context"),
        ({"job_context": {}}, "/job_context/mode"),
        ({"job_context": context(mode="ssh")}, "/job_context/mode"),
        ({"job_context": context(exec="")}, "/job_context/exec"),
        ({"job_context": context(exec="ftp://x")}, "/job_context/exec"),
        ({"job_context": context(mode="exe", exec="$$$")}, "/job_context/exec"),
        ({"job_context": context(mode="kubernetes")}, "/job_context/mode"),
        ({"job_context": context(info=5)}, "/job_context/info"),
        ({"job_context": context(info={"headers": "x"})}, "/job_context/info/headers"),
        ({"job_context": context(begin_at="yesterday")}, "/job_context/begin_at"),
        ({"job_context": context(begin_at="2099-02-01T00:00:00Z")}, "/job_context/end_at"),
        ({"job_context": context(notify={"webhook": 5, "x": 1})}, None),
    ):
        answer = await api.post(f"{ECRON}/job", json=NIGHTLY | {"job_name": "other"} | fields)
        if pointer is None:
            assert answer.status_code in (201, 422)
            continue
        assert pointer in details_of(answer, answer.json()["error"]), (fields, answer.text)
    problem_of(await api.post(f"{ECRON}/job", json=NIGHTLY), 409, "job.name_taken")


async def test_bad_questions_and_orders_are_refused(api):
    job_id = await make(api)
    for method, path, body, pointer in (
        ("GET", "job?limit=-1", None, "/limit"),
        ("GET", "job?limit=1001", None, "/limit"),
        ("GET", "job?page=0", None, "/page"),
        ("GET", "job?timestamp=yesterday", None, "/timestamp"),
        ("GET", "job?job_type=odd", None, "/job_type"),
        ("GET", "job?size=5", None, "/size"),
        ("GET", f"job?job_id={','.join([ABSENT_ID] * 101)}", None, "/job_id"),
        ("GET", "jobstatus", None, "/job_id"),
        ("GET", "jobstatus?job_status=odd", None, "/job_status"),
        ("GET", "jobstatus?begin_at=2026-02-01T00:00:00Z&end_at=2026-01-01T00:00:00Z", None, "/end_at"),
        ("PUT", f"job/{job_id}/enable", {}, "/enable"),
        ("PUT", f"job/{job_id}/enable", {"enable": True, "enabled": False}, "/enable"),
        ("PUT", f"job/{job_id}/enable", {"enable": "yes"}, "/enable"),
        ("PUT", f"job/{job_id}/notify", {"webhook": ["x"]}, "/webhook"),
        ("PUT", f"jobstatus/{job_id}", {"job_status": "executing"}, "/job_status"),
        ("PUT", f"jobstatus/{job_id}", [], ""),
        ("PUT", f"jobstatus/{job_id}", [{}], "/0/job_status"),
        ("PUT", f"jobstatus/{job_id}", 5, ""),
        ("POST", "jobexecution", {}, "/job_id"),
        ("POST", "jobexecution", {"job_name": ["x"]}, "/job_id"),
    ):
        answer = await api.request(method, f"{ECRON}/{path}", json=body)
        assert pointer in details_of(answer, answer.json()["error"]), (path, body, answer.text)


async def test_another_tenants_a_malformed_and_an_absent_job_look_alike(api, neighbour):
    job_id = await make(api)
    for given in (job_id, ABSENT_ID, "nonsense", ",", f"{job_id},nonsense"):
        for method, path, body in (
            ("GET", f"job?job_id={given}", None),
            ("GET", f"jobstatus/{given}", None),
            ("PUT", f"job/{given}", NIGHTLY),
            ("DELETE", f"job/{given}", None),
            ("PUT", f"job/{given}/enable", {"enable": True}),
            ("PUT", f"job/{given}/notify", {"webhook": ""}),
        ):
            answer = await api.request(method, f"{ECRON}/{path}", json=body, headers=neighbour)
            if given == "," and method == "GET":
                continue
            problem_of(answer, 404, "job.absent")
    problem_of(
        await api.post(f"{ECRON}/jobexecution", json={"job_id": job_id}, headers=neighbour), 404, "job.absent"
    )
    assert bare(await api.get(f"{ECRON}/job", headers=neighbour)) == []


async def test_the_scopes_are_those_of_our_own_routes(stranger, caller):
    writer = await caller("scheduler:write")
    headers = {"Idempotency-Key": "k"} | await caller("scheduler:write", "jobs:http")

    refused = await stranger.post(f"{ECRON}/job", json=NIGHTLY, headers=writer)
    made = bare(await stranger.post(f"{ECRON}/job", json=NIGHTLY, headers=headers), 201)
    again = bare(await stranger.post(f"{ECRON}/job", json=NIGHTLY, headers=headers), 201)

    assert "jobs:http" in problem_of(refused, 403, "auth.scope_missing")["detail"]
    assert made == again
    for body, status in (({"enable": False}, 200), ({"enable": True}, 403)):
        answer = await stranger.put(f"{ECRON}/job/{made['job_id']}/enable", json=body, headers=writer)
        assert answer.status_code == status


async def test_a_builtin_job_of_ours_is_shown_as_what_it_is(api):
    await make_job(api, type="once", schedule="2099-01-01T00:00:00Z")

    (listed,) = bare(await api.get(f"{ECRON}/job"))

    assert (listed["job_type"], listed["job_context"]["mode"], listed["job_context"]["exec"]) == (
        "timed",
        "builtin",
        "hello_job",
    )
