"""HTTP jobs: what is sent, what counts as success, and what is worth another attempt."""

import base64
import gzip
import json
from datetime import timedelta
from typing import Any

import pytest

from qs.application.scheduler.executors import Attempt, AttemptOutcome, AttemptStatus, OutputStream
from qs.infra.http.guarded import MOST_BYTES, GuardedClient
from qs.infra.scheduler.executors.http import HttpExecutor
from tests.conformance.rigs.rig import Target, an_attempt, output_of
from tests.support.receivers import ENDLESS, HANG


def answer(status: int = 200, body: bytes = b"", **headers: str) -> bytes:
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} As Told\r\nContent-Length: {len(body)}\r\n{lines}\r\n".encode() + body


async def run(executor: HttpExecutor, target: Target, **fields: Any) -> tuple[AttemptOutcome, Attempt]:
    attempt = an_attempt(target, **fields)
    return await executor.execute(attempt), attempt


def pointers(executor: HttpExecutor, **target: Any) -> list[str]:
    return [problem.pointer for problem in executor.check({"url": "https://example.org/", **target})]


# What is sent


async def test_without_a_body_the_payload_is_posted_as_json(executor, web):
    await run(executor, {"url": web.url}, payload={"day": "三月九日"})

    [received] = web.received
    assert received.json == {"day": "三月九日"}
    assert received.headers["content-type"] == "application/json"


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "DELETE"])
async def test_a_method_that_carries_no_body_carries_no_payload(executor, web, method):
    outcome, _ = await run(executor, {"url": web.url, "method": method})

    assert outcome.status is AttemptStatus.SUCCEEDED
    assert web.received[0].body == b""
    assert "content-type" not in web.received[0].headers


async def test_a_text_is_sent_as_it_is(executor, web):
    await run(executor, {"url": web.url, "method": "put", "body": 'a="ü"&b'})

    assert web.received[0].body.decode() == 'a="ü"&b'
    assert web.received[0].headers["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("body", [{"a": [1, None, "x"]}, [], 0, False, {}])
async def test_json_is_sent_as_json(executor, web, body):
    await run(executor, {"url": web.url, "body": body})

    assert web.received[0].json == body
    assert web.received[0].headers["content-type"] == "application/json"


async def test_headers_of_the_target_win_over_the_usual_ones_and_stand_once(executor, web):
    await run(
        executor, {"url": web.url, "body": "<a/>", "headers": {"content-type": "text/xml", "user-agent": "x"}}
    )

    assert web.received[0].headers["content-type"] == "text/xml"
    assert web.received[0].headers["user-agent"] == "x"


@pytest.mark.parametrize(
    "name",
    [
        *(
            "Idempotency-Key",
            "idempotency-key",
            "IDEMPOTENCY_KEY",
            "traceparent",
            "TraceParent",
            "tracestate",
        ),
        *("X-Qs-Job-Id", "x-qs-anything", "X_Qs_Execution_Id", "x_qs-attempt"),
    ],
)
async def test_who_asks_cannot_be_forged(executor, web, name):
    outcome, _ = await run(executor, {"url": web.url, "headers": {name: "forged"}})

    assert outcome.permanent
    assert web.received == []
    assert pointers(executor, headers={name: "forged"}) == [f"/headers/{name}"]


async def test_a_name_that_is_not_ascii_is_percent_encoded(executor, web):
    await run(executor, {"url": web.url}, job_name="每日报告 100%\r\nX-Evil: 1")

    assert web.received[0].headers["x-qs-job-name"] == (
        "%E6%AF%8F%E6%97%A5%E6%8A%A5%E5%91%8A 100%25%0D%0AX-Evil: 1"
    )
    assert "x-evil" not in web.received[0].headers


async def test_ecrons_receivers_are_told_where_an_asynchronous_job_is_reported(secrets, web):
    client = GuardedClient(["127.0.0.1/32"], keep_alive=False)
    executor = HttpExecutor(client, secrets, "/results")

    _, attempt = await run(executor, {"url": web.url, "async": True})
    await run(executor, {"url": web.url, "async": True, "headers": {"webhook": "/mine"}})
    await run(executor, {"url": web.url})
    await client.aclose()

    told = [received.headers.get("webhook") for received in web.received]
    assert told == [f"/results/{attempt.execution_id}", "/mine", None]


async def test_every_attempt_of_an_execution_carries_the_same_key(executor, web):
    for number in (1, 2):
        await run(executor, {"url": web.url}, number=number, idempotency_key="job:slot")

    assert [received.headers["idempotency-key"] for received in web.received] == ["job:slot", "job:slot"]
    assert [received.headers["x-qs-attempt"] for received in web.received] == ["1", "2"]


async def test_each_call_has_a_connection_of_its_own(executor, web):
    web.answers += [answer(), answer()]

    for _ in range(2):
        outcome, _ = await run(executor, {"url": web.url})
        assert outcome.status is AttemptStatus.SUCCEEDED


async def test_a_payload_over_64_kib_is_not_sent(executor, web):
    outcome, _ = await run(executor, {"url": web.url}, payload={"a": "x" * MOST_BYTES})

    assert (outcome.permanent, outcome.code) == (True, "refused")
    assert web.received == []


# Secrets


async def test_secrets_are_put_in_where_they_stand(executor, web):
    target = {
        "url": f"{web.url}?key=secret://token",
        "headers": {"Authorization": "Bearer secret://token", "X-Both": "secret://token/secret://host"},
        "body": {"a": "secret://token", "b": ["<secret://token>"], "secret://token": 1},
    }

    await run(executor, target)

    [received] = web.received
    value = "s3cr3t&#@/+ value"
    assert received.headers["authorization"] == f"Bearer {value}"
    assert received.headers["x-both"] == f"{value}/127.0.0.1"
    assert received.json == {"a": value, "b": [f"<{value}>"], "secret://token": 1}
    assert received.target.endswith("?key=s3cr3t%26%23%40%2F%2B%20value")


async def test_a_secret_cannot_break_out_of_the_json_it_stands_in(executor, web):
    await run(executor, {"url": web.url, "body": {"a": "secret://odd"}})

    assert web.received[0].json == {"a": "line\r\nX-Evil: 1"}


async def test_a_payload_is_data_and_reveals_no_secret(executor, web):
    await run(executor, {"url": web.url}, payload={"a": "secret://token"})

    assert web.received[0].json == {"a": "secret://token"}


async def test_what_the_receiver_repeats_is_blacked_out_in_every_form(executor, web):
    value = "s3cr3t&#@/+ value"
    encoded = base64.b64encode(f"user:{value}".encode()).decode()
    body = json.dumps({"plain": value, "basic": encoded, "url": "s3cr3t%26%23%40%2F%2B%20value"})
    web.answers.append(answer(500, body.encode()))

    outcome, attempt = await run(executor, {"url": web.url, "headers": {"Authorization": "secret://token"}})

    written = output_of(attempt).of(OutputStream.STDOUT).decode()
    assert json.loads(written).keys() == {"plain", "basic", "url"}
    for form in (value, encoded, base64.b64encode(value.encode()).decode()[:8], "%26%23"):
        assert form not in written
        assert form not in repr(outcome)


@pytest.mark.parametrize(
    "name", ["Authorization", "authorization", "Proxy-Authorization", "Cookie", "X-Api-Key"]
)
def test_a_secret_in_clear_is_refused(executor, name):
    [problem] = executor.check({"url": "https://example.org/", "headers": {name: "Bearer abcdef"}})

    assert problem.pointer == f"/headers/{name}"
    assert "use secret://" in problem.detail
    assert "abcdef" not in problem.detail
    assert pointers(executor, headers={name: "Bearer secret://token"}) == []


def test_credentials_in_a_url_are_refused_as_a_secret_in_clear(executor):
    [problem] = executor.check({"url": "https://anna:hunter22@example.org/"})

    assert problem.pointer == "/url"
    assert "use secret://" in problem.detail
    assert "hunter22" not in problem.detail


# The answer


@pytest.mark.parametrize(
    ("success", "status", "is_success"),
    [
        (None, 200, True),
        (None, 204, True),
        (None, 299, True),
        (None, 302, False),
        (None, 404, False),
        ("2xx", 226, True),
        (["2xx", 404], 404, True),
        ("200-204", 204, True),
        ("200-204", 205, False),
        (201, 201, True),
        (201, 200, False),
        (["409", "410-412"], 411, True),
        ("5xx", 503, True),
    ],
)
async def test_the_target_says_what_is_a_success(executor, web, success, status, is_success):
    web.answers.append(status)
    target = {"url": web.url} if success is None else {"url": web.url, "success": success}

    outcome, _ = await run(executor, target)

    assert (outcome.status is AttemptStatus.SUCCEEDED) == is_success
    assert outcome.result["status"] == status
    assert outcome.code == (None if is_success else f"http:{status}")


@pytest.mark.parametrize(
    ("status", "permanent"),
    [
        *((status, True) for status in (301, 304, 400, 401, 403, 404, 405, 409, 410, 413, 422, 451)),
        *((status, False) for status in (408, 425, 429, 500, 501, 502, 503, 504, 599)),
    ],
)
async def test_a_status_decides_whether_trying_again_is_worth_it(executor, web, status, permanent):
    web.answers.append(status)

    outcome, _ = await run(executor, {"url": web.url})

    assert (outcome.status, outcome.code, outcome.permanent) == (
        AttemptStatus.FAILED,
        f"http:{status}",
        permanent,
    )


@pytest.mark.parametrize("status", [200, 202])
async def test_an_asynchronous_job_has_only_begun_when_it_is_accepted(executor, web, status):
    web.answers.append(status)

    outcome, _ = await run(executor, {"url": web.url, "async": True})

    assert (outcome.status, outcome.code) == (AttemptStatus.AWAITED, None)


async def test_an_asynchronous_job_that_is_not_accepted_has_failed(executor, web):
    web.answers.append(503)

    outcome, _ = await run(executor, {"url": web.url, "async": True})

    assert (outcome.status, outcome.code) == (AttemptStatus.FAILED, "http:503")


async def test_the_answer_is_kept_up_to_64_kib(executor, web):
    web.answers.append(ENDLESS)

    outcome, attempt = await run(executor, {"url": web.url})

    assert outcome.result == {"status": 200, "bytes": MOST_BYTES, "truncated": True}
    assert len(output_of(attempt).of(OutputStream.STDOUT)) == MOST_BYTES
    assert b"the rest is not read" in output_of(attempt).of(OutputStream.LOG)


async def test_a_compressed_answer_is_neither_asked_for_nor_kept(executor, web):
    bomb = gzip.compress(b"s3cr3t" * 100_000)
    web.answers.append(answer(200, bomb, Content_Encoding="gzip"))

    outcome, attempt = await run(executor, {"url": web.url})

    assert web.received[0].headers["accept-encoding"] == "identity"
    assert outcome.status is AttemptStatus.SUCCEEDED
    assert output_of(attempt).of(OutputStream.STDOUT) == b""


@pytest.mark.parametrize("own", [True, False])
async def test_the_shorter_of_both_limits_counts(executor, web, own):
    web.answers.append(HANG)
    short, long = timedelta(milliseconds=300), timedelta(seconds=60)

    outcome, _ = await run(
        executor, {"url": web.url, "timeout": 0.3 if own else "60s"}, timeout=long if own else short
    )

    assert (outcome.status, outcome.code, outcome.permanent) == (AttemptStatus.TIMED_OUT, "timeout", False)


async def test_nobody_there_is_worth_another_attempt(executor, web):
    await web.stop()

    outcome, _ = await run(executor, {"url": web.url})

    assert (outcome.status, outcome.code, outcome.permanent) == (AttemptStatus.FAILED, "connect", False)


@pytest.mark.parametrize(
    "broken",
    [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", b"HTTP/1.1 999\r\n\r\n"],
)
async def test_a_talk_that_breaks_off_is_worth_another_attempt(executor, web, broken):
    web.answers.append(broken)

    outcome, _ = await run(executor, {"url": web.url})

    assert outcome.status is AttemptStatus.FAILED
    assert not outcome.permanent


async def test_no_error_names_the_address(executor, web, make_executor, names):
    names.know("inside.example.org", ["10.0.0.1"])
    told = []
    for status in (500, 302, b""):
        web.answers.append(status)
        told.append((await run(executor, {"url": f"{web.url}?q=hidden"}))[0])
    told.append((await run(make_executor(), {"url": "https://inside.example.org/hidden"}))[0])
    told.append((await run(make_executor(), {"url": "https://nobody.example.org/hidden"}))[0])
    await web.stop()
    told.append((await run(executor, {"url": f"{web.url}?q=hidden"}))[0])

    assert len({outcome.code for outcome in told}) >= 4
    for outcome in told:
        assert not any(
            word in repr(outcome)
            for word in ("127.0.0.1", "example.org", "hidden", str(web.port), "10.0.0.1")
        )


# The check


@pytest.mark.parametrize(
    "fields",
    [
        {"method": "GET"},
        {"method": "delete", "body": "x"},
        {"url": "http://例え.example:8080/路径?q=值"},
        {"url": "https://example.org/?a=secret://token&b=secret://other-1"},
        {"headers": {"X-A": "a b\tc"}},
        {"body": None},
        {"body": {"a": ["secret://token"]}},
        {"success": ["2xx", 404, "500-502"]},
        {"async": True, "timeout": "1h30m"},
        {"timeout": 5},
        {"timeout": 0.5},
    ],
)
def test_these_targets_may_be_saved(executor, fields):
    assert pointers(executor, **fields) == []


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"url": "https://example.org/" + "x" * 2000}, "/url"),
        ({"url": None}, "/url"),
        ({"url": "https://example.org/#part"}, "/url"),
        ({"url": "https://example.org/\\x"}, "/url"),
        ({"method": "CONNECT"}, "/method"),
        ({"method": 1}, "/method"),
        ({"method": "GET", "body": {}}, "/body"),
        ({"headers": {f"X-{number}": "a" for number in range(51)}}, "/headers"),
        ({"headers": {"X": "a" * 4001}}, "/headers/X"),
        ({"headers": {"X" * 201: "a"}}, "/headers/" + "X" * 100),
        ({"headers": {"X": 1}}, "/headers/X"),
        ({"headers": {"X-A": "a", "x_a": "b"}}, "/headers/x_a"),
        ({"headers": {"X": "secret://No"}}, "/headers/X"),
        ({"headers": ["X: a"]}, "/headers"),
        ({"body": "x" * (64 * 1024 + 1)}, "/body"),
        ({"body": {"a": "x" * (64 * 1024)}}, "/body"),
        ({"body": {"a": "secret://"}}, "/body"),
        ({"body": "a\0b"}, "/body"),
        ({"body": {"a": float("inf")}}, "/body"),
        ({"success": "1xx"}, "/success"),
        ({"success": "204-200"}, "/success"),
        ({"success": []}, "/success"),
        ({"success": [True]}, "/success"),
        ({"success": 99}, "/success"),
        ({"success": None}, "/success"),
        ({"async": 1}, "/async"),
        ({"timeout": 0}, "/timeout"),
        ({"timeout": "8d"}, "/timeout"),
        ({"timeout": "soon"}, "/timeout"),
        ({"timeout": True}, "/timeout"),
        ({"timeout": float("nan")}, "/timeout"),
        ({"follow_redirects": True}, "/follow_redirects"),
        ({"verify": False}, "/verify"),
        ({"proxy": "http://127.0.0.1"}, "/proxy"),
    ],
)
def test_these_targets_may_not(executor, fields, pointer):
    assert pointer in pointers(executor, **fields)
