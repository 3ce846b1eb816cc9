"""Jobs over HTTP: written, read, changed, switched, deleted; declared ones and duties are only read."""

from datetime import datetime
from typing import Any
from uuid import UUID

from qs.application.scheduler.job_documents import read_job
from qs.container import Container
from qs.domain.kernel.ids import DEFAULT_TENANT
from qs.domain.scheduler.execution import FiredBy
from qs.domain.scheduler.job import Job, JobSource

from .steps import (
    ABSENT_ID,
    DUTIES,
    HOURLY,
    V1,
    data_of,
    make_job,
    names_of,
    pointers_of,
    problem_of,
    run_job,
)


def sweep_id(container: Container) -> UUID:
    (duty,) = [duty for duty in container.duty_reading().duties if duty.name == "sweep"]
    return duty.id


async def declare(container: Container, name: str = "nightly", **fields: Any) -> Job:
    """A job of a file."""
    definition = read_job({**HOURLY, "name": name, **fields})
    await container.job_authoring().apply(
        DEFAULT_TENANT, [definition], source=JobSource.DECLARED, owner="qs.yaml", actor="test"
    )
    return await container.job_reading().named(DEFAULT_TENANT, name)


async def test_a_job_is_created_with_its_first_slot_and_told_in_words(api):
    answer = await api.post(f"{V1}/jobs", json=HOURLY)

    job = data_of(answer, 201)
    assert answer.headers["location"] == f"{V1}/jobs/{job['id']}"
    assert answer.headers["etag"] == '"v1"'
    assert (job["name"], job["kind"], job["source"], job["status"]) == ("tidy", "builtin", "stored", "active")
    assert job["next_run"].endswith(":00:00Z")
    assert (job["last_run"], job["last_status"], job["error"], job["runs"]) == (None, None, None, 0)
    assert job["document"]["schedule"] == "0 * * * *"
    assert job["document"]["retry"]["max_attempts"] == 3
    assert "Asia/Shanghai" in job["words"]
    shown = data_of(await api.get(f"{V1}/jobs/{job['id']}"))
    assert shown == job


async def test_words_come_in_the_language_of_the_caller(api):
    job = await make_job(api, type="daily", schedule="02:00")

    chinese = await api.get(f"{V1}/jobs/{job['id']}", headers={"Accept-Language": "zh-CN"})

    assert chinese.headers["vary"] == "Accept-Language"
    assert data_of(chinese)["words"] != job["words"]
    assert any("\u4e00" <= character <= "\u9fff" for character in data_of(chinese)["words"])


async def test_the_list_is_gocrons_the_duties_first_then_the_jobs_by_name(api):
    await make_job(api, name="b")
    await make_job(api, name="a", enabled=False)

    answer = await api.get(f"{V1}/jobs")

    jobs = data_of(answer)
    assert [job["kind"] for job in jobs[:DUTIES]] == ["duty"] * DUTIES
    assert [job["name"] for job in jobs[DUTIES:]] == ["a", "b"]
    assert {"id", "name", "next_run", "last_run"} <= jobs[0].keys()
    assert jobs[0].keys() == jobs[-1].keys()
    assert all(job["words"] for job in jobs)
    assert (jobs[-2]["enabled"], jobs[-2]["next_run"]) == (False, None)
    assert "link" not in answer.headers


async def test_a_long_list_goes_on_where_its_link_leads(api):
    for name in "edcba":
        await make_job(api, name=name)

    found, path = [], f"{V1}/jobs?limit={DUTIES}&source=stored"
    first = await api.get(f"{V1}/jobs?limit={DUTIES}")
    while path:
        answer = await api.get(path.replace(f"limit={DUTIES}", "limit=2"))
        found.append(await names_of(answer))
        link = answer.headers.get("link", "")
        assert not link or link.endswith('; rel="next"')
        path = link.partition("<")[2].partition(">")[0]

    assert found == [["a", "b"], ["c", "d"], ["e"]]
    assert await names_of(first) == []
    after_duties = first.headers["link"].partition("<")[2].partition(">")[0]
    assert await names_of(await api.get(after_duties)) == list("abcde")


async def test_the_list_can_be_narrowed(api, container):
    await make_job(api, name="web", target={"http": {"url": "https://example.org"}})
    await make_job(api, name="off", enabled=False)
    await declare(container)

    for query, names in (
        ("name=web", ["web"]),
        ("name=sweep", ["sweep"]),
        ("kind=http", ["web"]),
        ("kind=duty&name=expiry", ["expiry"]),
        ("enabled=false", ["off"]),
        ("source=declared", ["nightly"]),
        ("owner=qs.yaml", ["nightly"]),
        ("status=finished", []),
        ("source=stored&status=active", ["off", "web"]),
    ):
        assert [job["name"] for job in data_of(await api.get(f"{V1}/jobs?{query}"))] == names, query


async def test_jobs_are_counted(api):
    await make_job(api)
    await make_job(api, name="off", enabled=False)

    total = data_of(await api.get(f"{V1}/jobs/total"))

    assert total == {
        "total": 2,
        "enabled": 1,
        "active": 2,
        "finished": 0,
        "config_error": 0,
        "duties": DUTIES,
    }


async def test_a_whole_job_is_replaced_and_what_is_left_out_takes_its_default(api):
    job = await make_job(api, payload={"days": 7}, queue="slow")

    answer = await api.put(
        f"{V1}/jobs/{job['id']}",
        json={"name": "tidy", "type": "daily", "schedule": "03:00", "target": {"builtin": "hello_job"}},
    )

    changed = data_of(answer)
    assert (changed["id"], changed["type"], changed["version"]) == (job["id"], "daily", 2)
    assert (changed["document"]["payload"], changed["queue"]) == ({}, "default")
    assert answer.headers["etag"] == '"v2"'


async def test_a_document_that_was_read_can_be_put_back_and_changes_nothing(api):
    job = await make_job(
        api,
        overlap={"policy": "allow", "max": 3},
        misfire="skip",
        notify={"email": ["ops@example.org"]},
        on_failure=["tidy-again"],
        start_at="2026-01-01T00:00:00Z",
        total_timeout="1h",
    )

    again = data_of(await api.put(f"{V1}/jobs/{job['id']}", json=job["document"]))

    assert again["document"] == job["document"]
    assert again["next_run"] == job["next_run"]


async def test_a_patch_is_merged_and_null_gives_back_the_default(api):
    job = await make_job(
        api, payload={"days": 7, "dry": True}, queue="slow", retry={"max_attempts": 5, "delay": "5s"}
    )

    changed = data_of(
        await api.patch(
            f"{V1}/jobs/{job['id']}",
            json={"payload": {"dry": None, "hours": 1}, "queue": None, "retry": {"delay": "1m"}},
        )
    )["document"]

    assert changed["payload"] == {"days": 7, "hours": 1}
    assert changed["queue"] == "default"
    assert (changed["retry"]["max_attempts"], changed["retry"]["delay"]) == (5, "1m")
    assert changed["schedule"] == "0 * * * *"


async def test_an_edit_of_what_is_not_the_trigger_leaves_the_next_slot_where_it_was(api):
    job = await make_job(api, type="duration", schedule="37m")

    changed = data_of(await api.patch(f"{V1}/jobs/{job['id']}", json={"remarks": "for people"}))

    assert changed["next_run"] == job["next_run"]


async def test_a_change_meets_the_version_it_names_or_none(api):
    job = await make_job(api)
    path = f"{V1}/jobs/{job['id']}"
    data_of(await api.patch(path, json={"queue": "slow"}, headers={"If-Match": '"v1"'}))

    for method, url, body in (
        ("PATCH", path, {"queue": "fast"}),
        ("PUT", path, HOURLY),
        ("DELETE", path, None),
        ("PUT", f"{path}/enable", {"enabled": False}),
        ("PUT", f"{path}/notify", {"email": ["a@example.org"]}),
    ):
        for tag in ('"v1"', 'W/"v2"', '"nonsense"'):
            answer = await api.request(method, url, json=body, headers={"If-Match": tag})
            problem_of(answer, 412, "precondition.failed")

    assert data_of(await api.get(path))["queue"] == "slow"


async def test_a_job_is_never_answered_as_unchanged_since_it_runs_without_a_new_version(api):
    job = await make_job(api)

    answer = await api.get(f"{V1}/jobs/{job['id']}", headers={"If-None-Match": '"v1"'})

    assert data_of(answer)["id"] == job["id"]


async def test_a_deleted_job_is_gone_and_its_history_stays(api):
    job = await make_job(api)
    run = await run_job(api, job)

    answer = await api.delete(f"{V1}/jobs/{job['id']}")

    assert data_of(answer) is None
    problem_of(await api.get(f"{V1}/jobs/{job['id']}"), 404, "job.absent")
    problem_of(await api.get(f"{V1}/jobs/{job['id']}/executions"), 404, "job.absent")
    listed = data_of(await api.get(f"{V1}/executions?job_id={job['id']}"))["items"]
    assert [item["id"] for item in listed] == [run["id"]]


async def test_a_job_is_switched_off_and_on(api):
    # Yearly, so that no hour turns between the two slots that are compared.
    job = await make_job(api, schedule="0 0 1 1 *")
    path = f"{V1}/jobs/{job['id']}/enable"

    off = data_of(await api.put(path, json={"enabled": False}))
    on = data_of(await api.put(path, json={"enabled": True}))

    assert (off["enabled"], off["next_run"]) == (False, None)
    assert (on["enabled"], on["next_run"]) == (True, job["next_run"])


async def test_who_is_told_is_replaced_as_a_whole(api):
    job = await make_job(api, notify={"webhook": "https://example.org/x", "email": ["a@example.org"]})
    path = f"{V1}/jobs/{job['id']}/notify"

    told = data_of(await api.put(path, json={"email": ["b@example.org"], "on": ["failure"]}))["document"][
        "notify"
    ]

    assert told == {"webhook": None, "email": ["b@example.org"], "on": ["failure"]}
    assert pointers_of(await api.put(path, json={"email": ["nobody"], "on": ["bang"]}), "invalid") == [
        "/email/0",
        "/on/0",
    ]


async def test_a_declared_job_is_read_run_and_switched_and_not_changed(api, container):
    job = await declare(container)
    path = f"{V1}/jobs/{job.id}"

    for method, url, body in (
        ("PUT", path, HOURLY),
        ("PATCH", path, {"queue": "x"}),
        ("DELETE", path, None),
        ("PUT", f"{path}/notify", {"email": []}),
    ):
        problem = problem_of(await api.request(method, url, json=body), 409, "job.read_only")
        assert "declared in a file" in problem["detail"]
    assert data_of(await api.get(path))["source"] == "declared"
    assert data_of(await api.put(f"{path}/enable", json={"enabled": False}))["enabled"] is False
    assert (await run_job(api, {"id": job.id}))["status"] == "queued"


async def test_a_duty_is_shown_like_a_job_and_nobody_writes_it(api, container):
    path = f"{V1}/jobs/{sweep_id(container)}"
    ran = (
        await container.duty_executions().run(
            "sweep", tenant_id=DEFAULT_TENANT, fired_by=FiredBy.HTTP, actor="user:anna"
        )
    ).execution_id

    shown = data_of(await api.get(path))
    status = data_of(await api.get(f"{path}/status"))
    slots = data_of(await api.get(f"{path}/next?count=3"))["occurrences"]
    again = data_of(await api.get(path))
    history = data_of(await api.get(f"{path}/executions"))["items"]

    assert (shown["name"], shown["kind"], shown["document"]) == ("sweep", "duty", None)
    assert status["last"]["id"] == str(ran)
    assert [slot["at"] for slot in slots] == sorted(slot["at"] for slot in slots)
    # Its slot may come while it is asked for.
    assert slots[0]["at"] in (shown["next_run"], again["next_run"])
    assert [item["id"] for item in history] == [str(ran)]
    for method, url, body in (
        ("PUT", path, HOURLY),
        ("PATCH", path, {}),
        ("DELETE", path, None),
        ("PUT", f"{path}/enable", {"enabled": False}),
        ("PUT", f"{path}/notify", {}),
        ("POST", f"{path}/run", None),
        ("POST", f"{path}/backfill", {"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z"}),
    ):
        problem = problem_of(await api.request(method, url, json=body), 409, "job.read_only")
        assert "POST /api/v1/plans/tasks/schedule" in problem["detail"]


async def test_a_job_that_cannot_be_carried_out_says_so_everywhere(api, container):
    await container.job_authoring().apply(
        DEFAULT_TENANT,
        [read_job({**HOURLY, "name": "broken", "schedule": "0 0 30 2 *"})],
        source=JobSource.DECLARED,
        owner="qs.yaml",
        actor="test",
        tolerant=True,
    )
    (job,) = data_of(await api.get(f"{V1}/jobs?status=config_error"))
    path = f"{V1}/jobs/{job['id']}"

    assert (job["error"]["field"], job["error"]["value"]) == ("schedule", "0 0 30 2 *")
    assert (job["words"], job["next_run"]) == (None, None)
    assert data_of(await api.get(f"{path}/status"))["error"] == job["error"]
    problem_of(await api.post(f"{path}/run"), 409, "job.config_error")
    problem_of(await api.get(f"{path}/next"), 409, "job.config_error")
    range_ = {"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z"}
    problem_of(await api.post(f"{path}/backfill", json=range_), 409, "job.config_error")


async def test_what_follows_itself_is_refused_with_the_way_round(api):
    await make_job(api, name="a", on_success=["b"])
    await make_job(api, name="b", on_failure=["c"])

    answer = await api.post(f"{V1}/jobs", json=HOURLY | {"name": "c", "on_completion": ["a"]})

    problem = problem_of(answer, 422, "job.chain_cycle")
    assert problem["errors"][0]["pointer"] == "/chain"
    assert all(name in problem["detail"] for name in "abc")
    assert await names_of(await api.get(f"{V1}/jobs")) == ["a", "b"]


async def test_a_name_is_given_once(api):
    await make_job(api)
    other = await make_job(api, name="other")

    for answer in (
        await api.post(f"{V1}/jobs", json=HOURLY),
        await api.patch(f"{V1}/jobs/{other['id']}", json={"name": "tidy"}),
        await api.put(f"{V1}/jobs/{other['id']}", json=HOURLY),
    ):
        assert "'tidy'" in problem_of(answer, 409, "job.name_taken")["detail"]


async def test_repeating_a_creation_with_its_key_creates_nothing_more(api):
    headers = {"Idempotency-Key": "k-1"}
    first = await api.post(f"{V1}/jobs", json=HOURLY, headers=headers)
    again = await api.post(f"{V1}/jobs", json=HOURLY, headers=headers)
    other = await api.post(f"{V1}/jobs", json=HOURLY | {"name": "other"}, headers=headers)

    assert data_of(again, 201)["id"] == data_of(first, 201)["id"]
    assert again.headers["idempotency-replayed"] == "true"
    problem_of(other, 422, "idempotency.mismatch")
    assert await names_of(await api.get(f"{V1}/jobs")) == ["tidy"]


async def test_another_tenants_a_malformed_and_an_absent_job_look_alike(api, neighbour):
    job = await make_job(api)
    bodies = []
    for job_id in (job["id"], ABSENT_ID, "nonsense"):
        for method, rest, body in (
            ("GET", "", None),
            ("PUT", "", HOURLY),
            ("PATCH", "", {"queue": "x"}),
            ("DELETE", "", None),
            ("PUT", "/enable", {"enabled": True}),
            ("PUT", "/notify", {}),
            ("POST", "/run", None),
            ("GET", "/status", None),
            ("GET", "/next", None),
            ("GET", "/executions", None),
            ("POST", "/backfill", {"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z"}),
        ):
            answer = await api.request(method, f"{V1}/jobs/{job_id}{rest}", json=body, headers=neighbour)
            bodies.append(problem_of(answer, 404, "job.absent") | {"instance": None})

    assert bodies == bodies[:1] * len(bodies)
    assert await names_of(await api.get(f"{V1}/jobs", headers=neighbour)) == []


async def test_the_platforms_own_accounts_have_jobs_of_their_own(api, platform):
    await make_job(api)

    made = data_of(await api.post(f"{V1}/jobs", json=HOURLY, headers=platform), 201)

    assert await names_of(await api.get(f"{V1}/jobs", headers=platform)) == ["tidy"]
    problem_of(await api.get(f"{V1}/jobs/{made['id']}"), 404, "job.absent")
    wanted = HOURLY | {"name": "web", "target": {"http": {"url": "https://example.org"}}}
    problem_of(await api.post(f"{V1}/jobs", json=wanted, headers=platform), 403, "auth.scope_missing")


async def test_slots_are_told_with_what_daylight_saving_time_does_to_them(api):
    job = await make_job(api, schedule="30 2 * * *", timezone="America/New_York")

    slots = data_of(await api.get(f"{V1}/jobs/{job['id']}/next?count=100"))["occurrences"]

    assert len(slots) == 100
    assert slots[0]["at"] == job["next_run"]
    for slot in slots:
        assert datetime.fromisoformat(slot["at"]) == datetime.fromisoformat(slot["local"])
