"""Jobs and their executions as rows, and back."""

from collections.abc import Mapping
from typing import Any

import msgspec

from qs.domain.scheduler.job import ConfigError, Job, JobDefinition, JobSource, JobStatus
from qs.domain.scheduler.job_execution import JobExecution, RunFiredBy, RunStatus

_encode = msgspec.json.Encoder().encode
_decode_definition = msgspec.json.Decoder(JobDefinition).decode
_decode_error = msgspec.json.Decoder(ConfigError).decode
_decode_object = msgspec.json.Decoder(dict[str, Any]).decode

JOB_COLUMNS = (
    "id, tenant_id, source, owner, definition::text AS definition, status, error::text AS error, anchor, next_slot,"
    " next_fire_at, runs, version, created_at, updated_at"
)

_FACTS = (
    "id, tenant_id, job_id, job_name, fired_by, actor, status, queue, priority, scheduled_at, attempt, lost_attempts,"
    " epoch, worker, lease_until, available_at, start_before, end_before, cancel_requested, awaited, stands_for,"
    " blocked_by, parent_id, idempotency_key, request_id, error, created_at, started_at, finished_at"
)
RUN_COLUMNS = f"{_FACTS}, payload::text AS payload, result::text AS result"
CLAIM_COLUMNS = f"{RUN_COLUMNS}, definition::text AS definition"


def json_text(value: Any) -> str:
    """What a jsonb column takes."""
    return _encode(value).decode()


def json_or_null(value: Any) -> str | None:
    return None if value is None else json_text(value)


def definition_of(text: str) -> JobDefinition:
    return _decode_definition(text)


def job_of(row: Any) -> Job:
    facts = dict(row._mapping)
    error = facts.pop("error")
    return Job(
        **facts
        | {
            "definition": _decode_definition(row.definition),
            "source": JobSource(row.source),
            "status": JobStatus(row.status),
            "error": None if error is None else _decode_error(error),
        }
    )


def run_of(row: Any) -> JobExecution:
    facts = dict(row._mapping)
    facts.pop("definition", None)
    result: Mapping[str, Any] | None = None if row.result is None else _decode_object(row.result)
    return JobExecution(
        **facts
        | {
            "fired_by": RunFiredBy(row.fired_by),
            "status": RunStatus(row.status),
            "cancel_requested": None if row.cancel_requested is None else RunStatus(row.cancel_requested),
            "payload": _decode_object(row.payload),
            "result": result,
        }
    )
