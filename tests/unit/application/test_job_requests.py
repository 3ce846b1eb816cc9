"""Messages that ask for executions, read strictly."""

import json
from typing import Any

import pytest

from qs.application.scheduler.accepting import JobRequestInvalid, read_request

JOB = "0199a000-0000-7000-8000-000000000001"
GOOD: dict[str, Any] = {"job_id": JOB, "idempotency_key": "report-2026-07"}


def test_a_request_names_a_job_and_a_key():
    request = read_request(json.dumps({**GOOD, "tenant": "clinic", "payload": {"a": [1]}}).encode())

    assert (str(request.job_id), request.idempotency_key) == (JOB, "report-2026-07")
    assert (request.tenant, request.payload) == ("clinic", {"a": [1]})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        b"[]",
        b"\xff\xfe",
        b"null",
        b"[" * 100_000,
        b'{"job_id": "' + JOB.encode() + b'", "idempotency_key": "k", "payload": ' + b'{"a":' * 50_000,
        json.dumps({"job_id": JOB}).encode(),
        json.dumps({**GOOD, "job_id": "report"}).encode(),
        json.dumps({**GOOD, "idempotency_key": ""}).encode(),
        json.dumps({**GOOD, "idempotency_key": "k" * 201}).encode(),
        json.dumps({**GOOD, "idempotency_key": "a\nb"}).encode(),
        json.dumps({**GOOD, "idempotency_key": 7}).encode(),
        json.dumps({**GOOD, "payload": [1]}).encode(),
        json.dumps({**GOOD, "payload": {"a": "x" * 70_000}}).encode(),
        json.dumps({**GOOD, "force": True}).encode(),
        json.dumps({**GOOD, "payload": {"a": "x" * 200_000}}).encode(),
    ],
)
def test_whatever_else_is_refused_and_not_repeated(body: bytes):
    with pytest.raises(JobRequestInvalid) as refused:
        read_request(body)

    assert refused.value.problems
    assert len(str(refused.value.problems)) < 1_000
