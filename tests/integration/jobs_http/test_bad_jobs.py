"""Whatever is wrong with a job is said with its field, its value and a way out, all of it at once."""

import json
from typing import Any

from .steps import HOURLY, V1, details_of, make_job, names_of, pointers_of, problem_of

# What is sent beside a good job; where it is wrong; words that the answer must hold.
BAD: list[tuple[dict[str, Any], str, tuple[str, ...]]] = [
    # names
    ({"name": None}, "/name", ("is missing",)),
    ({"name": ""}, "/name", ("is missing",)),
    ({"name": "   "}, "/name", ("printable",)),
    ({"name": "a\nb"}, "/name", ("printable",)),
    ({"name": "a\u0007"}, "/name", ("printable",)),
    ({"name": "x" * 201}, "/name", ("200",)),
    ({"name": ["a"]}, "/name", ("text",)),
    ({"name": True}, "/name", ("text",)),
    ({"name": " sweep "}, "/name", ("duty", "my-sweep")),
    # triggers
    ({"type": None}, "/type", ("cron", "monthly")),
    ({"type": "hourly"}, "/type", ("cron", "monthly")),
    ({"type": 5}, "/type", ("cron",)),
    ({"schedule": None}, "/schedule", ("is missing",)),
    ({"schedule": ""}, "/schedule", ("is missing",)),
    ({"schedule": {"cron": "* * * * *"}}, "/schedule", ("text",)),
    ({"schedule": "x" * 1001}, "/schedule", ("1000",)),
    ({"schedule": "* " * 150}, "/schedule", ("299", "200")),
    ({"schedule": "* * * *"}, "/schedule", ("4 fields", "5")),
    ({"schedule": "* * * * * * *"}, "/schedule", ("7 fields", "6")),
    ({"schedule": "60 * * * *"}, "/schedule", ("60",)),
    ({"schedule": "0 24 * * *"}, "/schedule", ("24",)),
    ({"schedule": "*/0 * * * *"}, "/schedule", ("0",)),
    ({"schedule": "*/90 * * * *"}, "/schedule", ("90", "duration")),
    ({"schedule": "-1 * * * *"}, "/schedule", ("-1",)),
    ({"schedule": "٣ * * * *"}, "/schedule", ("٣",)),
    ({"schedule": "0 0 30 2 *"}, "/schedule", ("'30'", "'2'", "never", "L")),
    ({"schedule": "0 0 31 4,6,9,11 *"}, "/schedule", ("never",)),
    ({"schedule": "0 0 * * MOON"}, "/schedule", ("MOON",)),
    ({"schedule": "@sometimes"}, "/schedule", ("@sometimes",)),
    ({"schedule": "CRON_TZ=Mars/Base 0 0 * * *"}, "/schedule", ("Mars/Base", "Asia/Shanghai")),
    ({"timezone": "Asia/Shanghia"}, "/timezone", ("Asia/Shanghia", "Asia/Shanghai")),
    ({"timezone": 8}, "/timezone", ("8",)),
    ({"timezone": "../etc/passwd"}, "/timezone", ("../etc/passwd",)),
    ({"dialect": "unix"}, "/dialect", ("standard", "quartz")),
    ({"dialect": "quartz", "schedule": "0 0 2 1 * MON"}, "/schedule", ("?",)),
    ({"type": "duration", "schedule": "often"}, "/schedule", ("often", "30s")),
    ({"type": "duration", "schedule": "0s"}, "/schedule", ("0s",)),
    ({"type": "duration", "schedule": "99999999999d"}, "/schedule", ("99999999999d",)),
    ({"type": "daily", "schedule": "25:00"}, "/schedule", ("25:00",)),
    ({"type": "weekly", "schedule": "whenever"}, "/schedule", ("HH:MM",)),
    ({"type": "monthly", "schedule": "32 02:00"}, "/schedule", ("32",)),
    ({"type": "once", "schedule": "tomorrow"}, "/schedule", ("tomorrow",)),
    ({"missing": "clamp"}, "/missing", ("monthly",)),
    ({"grace": "5m"}, "/grace", ("once",)),
    ({"jitter": "2d"}, "/jitter", ("24h",)),
    ({"jitter": -1}, "/jitter", ("30s",)),
    ({"start_at": "2026-01-01"}, "/start_at", ("zone",)),
    ({"start_at": "2026-01-01T00:00:00"}, "/start_at", ("zone",)),
    ({"start_at": "0001-01-01T00:00:00+14:00"}, "/start_at", ("zone",)),
    ({"start_at": 5}, "/start_at", ("2026-03-01T09:00:00Z",)),
    (
        {"start_at": "2026-02-01T00:00:00Z", "end_at": "2026-01-01T00:00:00Z"},
        "/end_at",
        ("2026-01-01", "2026-02-01"),
    ),
    ({"max_runs": 0}, "/max_runs", ("1",)),
    ({"max_runs": 2**60}, "/max_runs", ("1",)),
    ({"max_runs": 1.5}, "/max_runs", ("whole",)),
    ({"calendar": "nobodys"}, "/calendar", ("nobodys",)),
    # targets
    ({"target": {}}, "/target", ("builtin", "http")),
    ({"target": {"builtin": "hello_job", "http": {}}}, "/target", ("exactly one",)),
    ({"target": {"shell": "rm -rf /"}}, "/target", ("exactly one",)),
    ({"target": "hello_job"}, "/target", ("exactly one",)),
    ({"target": {"http": "https://example.org"}}, "/target/http", ("object",)),
    ({"target": {"http": {"url": "ftp://x"}}}, "/target/http/url", ("refused",)),
    ({"target": {"builtin": "no_such_job"}}, "/target/builtin/name", ("no_such_job", "hello_job")),
    ({"target": {"builtin": {"name": "hello_job", "uid": 0}}}, "/target/builtin/uid", ("not a field",)),
    ({"target": {"kubernetes": {"image": "x"}}}, "/target", ("kubernetes", "builtin")),
    ({"target": {"http": {"url": "https://x", "body": "x" * 70_000}}}, "/target/http", ("64 KiB",)),
    ({"target": None, "name": "nobody"}, "/target/builtin/name", ("nobody",)),
    # the rest
    ({"payload": "days=7"}, "/payload", ("object",)),
    ({"payload": [1]}, "/payload", ("object",)),
    ({"payload": {"x": "y" * 66_000}}, "/payload", ("64 KiB",)),
    ({"payload": {"n": 2**63}}, "/payload/n", ("64 bits",)),
    ({"payload": {"n": 1e999}}, "/payload/n", ("finite",)),
    ({"enabled": "yes"}, "/enabled", ("true or false",)),
    ({"enabled": 1}, "/enabled", ("true or false",)),
    ({"queue": "Very Slow"}, "/queue", ("a-z",)),
    ({"queue": ""}, "/queue", ("a-z",)),
    ({"priority": 101}, "/priority", ("-100", "100")),
    ({"priority": 2**40}, "/priority", ("100",)),
    ({"priority": True}, "/priority", ("whole",)),
    ({"timeout": "0s"}, "/timeout", ("1s",)),
    ({"timeout": "8d"}, "/timeout", ("168h",)),
    ({"timeout": "soon"}, "/timeout", ("30s",)),
    ({"total_timeout": "32d"}, "/total_timeout", ("744h",)),
    ({"start_deadline": []}, "/start_deadline", ("duration",)),
    ({"retry": 3}, "/retry", ("object",)),
    ({"retry": {"max_attempts": 0}}, "/retry/max_attempts", ("1", "100")),
    ({"retry": {"backoff": "wild"}}, "/retry/backoff", ("exponential",)),
    ({"retry": {"jitter": 2}}, "/retry/jitter", ("0 to 1",)),
    ({"retry": {"retry_on": ["exit:9999"]}}, "/retry/retry_on/0", ("exit:75",)),
    ({"retry": {"tries": 3}}, "/retry/tries", ("not a field",)),
    ({"misfire": "later"}, "/misfire/policy", ("fire_once", "skip", "fire_all")),
    ({"misfire": {"max_catchup": 5000}}, "/misfire/max_catchup", ("1000",)),
    ({"overlap": "maybe"}, "/overlap/policy", ("queue_one", "replace")),
    ({"overlap": {"policy": "allow", "max": 0}}, "/overlap/max", ("1",)),
    ({"on_success": [""]}, "/on_success/0", ("name of a job",)),
    ({"on_failure": ["x"] * 21}, "/on_failure", ("20",)),
    ({"on_completion": {"job": "x"}}, "/on_completion", ("list",)),
    ({"on_success": ["tidy"]}, "/chain", ("tidy",)),
    ({"notify": "ops@example.org"}, "/notify", ("object",)),
    ({"notify": {"email": ["ops"]}}, "/notify/email/0", ("e-mail",)),
    ({"notify": {"on": ["bang"]}}, "/notify/on/0", ("recovery",)),
    ({"notify": {"sms": "1"}}, "/notify/sms", ("not a field",)),
    ({"remarks": "x" * 2001}, "/remarks", ("2000",)),
    # what nobody but the service writes
    ({"tenant_id": "x"}, "/tenant_id", ("not a field",)),
    ({"status": "active"}, "/status", ("not a field",)),
    ({"source": "declared"}, "/source", ("not a field",)),
    ({"id": "x", "version": 3}, "/id", ("not a field",)),
    ({"next_run": "2026-01-01T00:00:00Z"}, "/next_run", ("not a field",)),
]
CODES = {"/chain": "job.chain_cycle"}


async def test_every_refused_job_says_where_what_and_what_to_do(api):
    assert len(BAD) > 60
    wrong = []
    for fields, pointer, words in BAD:
        # Python's way to write what is too great for a number is none of JSON's.
        body = json.dumps(HOURLY | fields).replace("Infinity", "1e999")
        answer = await api.post(f"{V1}/jobs", content=body, headers={"Content-Type": "application/json"})
        if answer.status_code != 422:
            wrong.append(f"{str(fields)[:80]}: {answer.status_code} {answer.text[:200]}")
            continue
        told = details_of(answer, CODES.get(pointer, answer.json()["error"]))
        said = f"{told.get(pointer, '')} {answer.json()['detail']}"
        if pointer not in told or not all(word in said for word in words):
            wrong.append(f"{str(fields)[:80]}: {told}")

    assert not wrong, "\n".join(wrong)
    assert await names_of(await api.get(f"{V1}/jobs")) == []


async def test_a_change_is_refused_as_a_creation_is(api):
    job = await make_job(api)
    path = f"{V1}/jobs/{job['id']}"

    for answer in (
        await api.patch(path, json={"schedule": "0 0 30 2 *", "timezone": "Nowhere/Land"}),
        await api.put(path, json=HOURLY | {"schedule": "0 0 30 2 *", "timezone": "Nowhere/Land"}),
    ):
        assert {"/timezone"} <= set(pointers_of(answer, "invalid"))
    for patch in ({"name": None}, {"schedule": None}, {"type": None}):
        (pointer,) = patch
        assert pointers_of(await api.patch(path, json=patch), "invalid") == [f"/{pointer}"]
    assert pointers_of(
        await api.patch(path, json={"target": {"http": {"url": "https://example.org"}}}), "invalid"
    ) == ["/target"], "a merge keeps the other kind, so that there are two"


async def test_all_that_is_wrong_is_told_at_once(api):
    answer = await api.post(
        f"{V1}/jobs",
        json={"type": "cron", "queue": "A", "priority": 500, "retry": {"jitter": 3}, "timeout": "x"},
    )

    assert pointers_of(answer, "invalid") == [
        "/name",
        "/priority",
        "/queue",
        "/retry/jitter",
        "/schedule",
        "/timeout",
    ]


async def test_what_is_no_document_at_all_is_refused(api):
    json_ = {"Content-Type": "application/json"}
    for status, content, headers in (
        (400, b"", json_),
        (400, b"{", json_),
        (400, b'{"name": "a", "name": "b"}', json_),
        (400, b"[" * 100_000, json_),
        (422, b"[]", json_),
        (422, b"null", json_),
        (422, b'{"name": "a\\u0000b"}', json_),
        (422, b'{"payload": {"\\ud800": 1}}', json_),
        (413, b'{"remarks": "' + b"x" * 2_000_000 + b'"}', json_),
        (415, b"name: a", {"Content-Type": "application/yaml"}),
    ):
        answer = await api.post(f"{V1}/jobs", content=content, headers=headers)
        assert answer.status_code == status, (content[:40], answer.text)


async def test_what_nobody_can_answer_is_refused(api):
    job = await make_job(api)
    for query, pointer in (
        ("jobs?limit=0", "/limit"),
        ("jobs?limit=1001", "/limit"),
        ("jobs?limit=-1", "/limit"),
        ("jobs?limit=99999999999999999999", "/limit"),
        ("jobs?kind=shell", "/kind"),
        ("jobs?source=heaven", "/source"),
        ("jobs?status=resting", "/status"),
        ("jobs?enabled=maybe", "/enabled"),
        ("jobs?name=", "/name"),
        ("jobs?cursor=nonsense", "/cursor"),
        ("jobs?page=2", "/page"),
        ("jobs/export?source=duty", "/source"),
        ("jobs/total?x=1", "/x"),
        (f"jobs/{job['id']}/next?count=0", "/count"),
        (f"jobs/{job['id']}/next?count=101", "/count"),
        (f"jobs/{job['id']}/executions?status=odd", "/status"),
        ("executions?job_id=nonsense", "/job_id"),
        ("executions?status=odd", "/status"),
        ("executions?page_size=101", "/page_size"),
        ("calendars?page=0", "/page"),
    ):
        answer = await api.get(f"{V1}/{query}")
        assert pointer in pointers_of(answer, answer.json()["error"]), query


async def test_a_literal_path_keeps_its_405(api):
    for method, path, allow in (
        ("GET", "jobs/apply", "OPTIONS, POST"),
        ("PUT", "jobs/total", "GET, HEAD, OPTIONS"),
        ("DELETE", "jobs/export", "GET, HEAD, OPTIONS"),
        ("GET", "preview", "OPTIONS, POST"),
        ("GET", "start", "OPTIONS, POST"),
        ("POST", "status", "GET, HEAD, OPTIONS"),
    ):
        answer = await api.request(method, f"{V1}/{path}")
        problem_of(answer, 405, "method.not_allowed")
        assert answer.headers["allow"] == allow
