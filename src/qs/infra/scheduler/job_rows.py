"""Jobs and their executions as rows, and back."""

from functools import lru_cache
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
_JOB_FIELDS = tuple(column.split()[-1] for column in JOB_COLUMNS.split(","))
_SOURCE = {each.value: each for each in JobSource}
_JOB_STATUS = {each.value: each for each in JobStatus}

_FACTS = (
    "id, tenant_id, job_id, job_name, fired_by, actor, status, queue, priority, scheduled_at, attempt, lost_attempts,"
    " epoch, worker, lease_until, available_at, start_before, end_before, cancel_requested, awaited, stands_for,"
    " blocked_by, parent_id, idempotency_key, request_id, error, created_at, started_at, finished_at"
)
RUN_COLUMNS = f"{_FACTS}, payload::text AS payload, result::text AS result"
# The definition comes last: what is read of a run is the same without it.
CLAIM_COLUMNS = f"{RUN_COLUMNS}, definition::text AS definition"
_RUN_FIELDS = tuple(column.split()[-1] for column in RUN_COLUMNS.split(","))
_FIRED_BY = {each.value: each for each in RunFiredBy}
_STATUS = {each.value: each for each in RunStatus}


def json_text(value: Any) -> str:
    """What a jsonb column takes."""
    return _encode(value).decode()


def json_or_null(value: Any) -> str | None:
    return None if value is None else json_text(value)


@lru_cache(maxsize=256)
def definition_of(text: str) -> JobDefinition:
    """Runs of one job share their definition, which nobody changes."""
    return _decode_definition(text)


def job_of(row: Any) -> Job:
    facts = dict(zip(_JOB_FIELDS, row, strict=True))
    facts["definition"] = _decode_definition(facts["definition"])
    facts["source"] = _SOURCE[facts["source"]]
    facts["status"] = _JOB_STATUS[facts["status"]]
    if facts["error"] is not None:
        facts["error"] = _decode_error(facts["error"])
    return Job(**facts)


def run_of(row: Any) -> JobExecution:
    facts = dict(zip(_RUN_FIELDS, row, strict=False))
    facts["fired_by"] = _FIRED_BY[facts["fired_by"]]
    facts["status"] = _STATUS[facts["status"]]
    facts["payload"] = _decode_object(facts["payload"])
    if facts["cancel_requested"] is not None:
        facts["cancel_requested"] = _STATUS[facts["cancel_requested"]]
    if facts["result"] is not None:
        facts["result"] = _decode_object(facts["result"])
    return JobExecution(**facts)
