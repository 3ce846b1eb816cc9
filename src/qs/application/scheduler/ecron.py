"""Jobs as ECron writes them, read as documents of ours (job_documents.py) and shown again as ECron does.

::

    {"job_name": "nightly", "job_cron_time": "0 0 2 * * ?", "job_type": "scheduled", "enabled": true, "remarks": "",
     "job_context": {"mode": "http", "exec": "https://…", "begin_at": "", "end_at": "",
                     "info": {"method": "POST", "headers": {}, "body": {}, "params": {}, "kubernetes": {"image": "…"}},
                     "notify": {"webhook": "https://…"}}}

``exec`` is a URL, a command line, or what runs in the pod. A command line is never run as such: it names the entry of
the operator's allow-list that has the name ``command_name`` gives. ``async`` in the context or its info marks an HTTP job
whose outcome is reported later. Ids, tenants and times that ECron sets by itself are ignored.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from qs.application.scheduler.document_fields import Fields
from qs.domain.kernel.errors import Invalid, Problem
from qs.domain.scheduler.job import Job, JobDefinition
from qs.domain.scheduler.job_execution import FAILED_ENDS, JobExecution, RunStatus
from qs.domain.scheduler.triggers import TriggerKind

MODES = ("http", "https", "exe", "kubernetes")
JOB_TYPES = ("scheduled", "timed", "cron")
STATUS_WORDS = ("success", "executing", "failure", "interrupt", "abandon")
_TOLD = ("success", "failure", "timeout", "missed")

_INTERRUPTED = frozenset({RunStatus.CANCELED, RunStatus.REPLACED})
_NO_LETTER = re.compile(r"[^a-z0-9]+")
_LONGEST_COMMAND = 64
# A document names its fields as we do; whoever wrote the body looks for theirs. The longest way comes first.
_POINTERS = (
    ("/target/http/url", "/job_context/exec"),
    ("/target/http/method", "/job_context/info/method"),
    ("/target/http/headers", "/job_context/info/headers"),
    ("/target/http/body", "/job_context/info/body"),
    ("/target/command/params", "/job_context/info/params"),
    ("/target/command", "/job_context/exec"),
    ("/target/kubernetes/image", "/job_context/info/kubernetes/image"),
    ("/target/kubernetes/command", "/job_context/exec"),
    ("/target/kubernetes", "/job_context/info/kubernetes"),
    ("/target", "/job_context/mode"),
    ("/name", "/job_name"),
    ("/schedule", "/job_cron_time"),
    ("/type", "/job_type"),
    ("/start_at", "/job_context/begin_at"),
    ("/end_at", "/job_context/end_at"),
    ("/notify", "/job_context/notify"),
)


def read_ecron(body: Any) -> dict[str, Any]:
    """The document that an ECron job stands for; fields nobody here knows are ignored, as ECron does.

    Raises:
        Invalid: with every problem in it, each with its pointer into the ECron body.
    """
    if not isinstance(body, Mapping):
        raise Invalid([Problem("", "must be an object with job_name, job_cron_time and job_context")])
    fields = Fields(_without_blanks(body))
    context = Fields({}, "/job_context", fields.problems)
    if isinstance(body.get("job_context"), Mapping):
        context = Fields(_without_blanks(body["job_context"]), "/job_context", fields.problems)
    else:
        fields.wrong("/job_context", "is missing; it is an object with mode and exec")
    begin_at, end_at = context.take("begin_at"), context.take("end_at")
    document = {
        "name": fields.text("job_name", 200, required=True),
        **_trigger(fields),
        "start_at": begin_at,
        "end_at": end_at,
        "enabled": fields.flag("enabled", True),
        "remarks": fields.text("remarks", 2000),
        "target": _target(context),
        "notify": read_notify(context.part("notify")),
    }
    if fields.problems:
        raise Invalid(fields.problems)
    return {key: value for key, value in document.items() if value is not None}


def read_notify(fields: Fields) -> dict[str, Any] | None:
    """Whom a job's results are sent to."""
    webhook = fields.text("webhook", 2000)
    return {"webhook": webhook, "on": list(_TOLD)} if webhook else None


def in_ecron_words(error: Invalid) -> Invalid:
    """The same problems, with pointers into the ECron body instead of our document."""
    return Invalid([Problem(_pointer(each.pointer), each.detail) for each in error.problems])


def command_name(line: str) -> str:
    """What the allow-list entry for a command line is called: the line itself in small letters, digits and hyphens."""
    return _NO_LETTER.sub("-", line.lower()).strip("-")[:_LONGEST_COMMAND].strip("-")


def write_ecron(job: Job) -> dict[str, Any]:
    """The job as ECron shows it."""
    definition = job.definition
    return {
        "job_id": str(job.id),
        "job_name": definition.name,
        "job_cron_time": definition.trigger.schedule,
        "job_type": job_type_of(definition),
        "job_context": _context(definition),
        "tenant_id": str(job.tenant_id),
        "enabled": definition.enabled,
        "remarks": definition.remarks,
        "created_at": _instant(job.created_at),
        "updated_at": _instant(job.updated_at),
    }


def write_status(
    execution: JobExecution,
    job_type: str,
    attempts: Sequence[Mapping[str, Any]] = (),
    *,
    process: Callable[[str], str] = str,
) -> dict[str, Any]:
    """The execution as ECron shows it; ``attempts`` say who worked on it, else who did last.

    ``process`` is how the name of the process that did is told.
    """
    told = [(each["worker"], each["started_at"]) for each in attempts]
    if not told and execution.worker is not None:
        told = [(execution.worker, execution.started_at)]
    info: dict[str, Any] = {"is_deleted": 0, "tenant_id": str(execution.tenant_id)}
    if execution.result is not None:
        info["result"] = dict(execution.result)
    if execution.error is not None:
        info["error"] = execution.error
    return {
        "execute_id": str(execution.id),
        "job_id": str(execution.job_id),
        "job_type": job_type,
        "job_name": execution.job_name,
        "job_status": status_word(execution.status),
        "begin_at": _instant(execution.started_at or execution.created_at),
        "end_at": _instant(execution.finished_at),
        "executor": [{"executor_id": process(worker), "executed_at": _instant(at)} for worker, at in told],
        "execute_times": execution.attempt,
        "ext_info": info,
    }


def status_word(status: RunStatus) -> str:
    """ECron's word for where an execution stands."""
    if status.is_active:
        return "executing"
    if status is RunStatus.SUCCEEDED:
        return "success"
    if status in FAILED_ENDS:
        return "failure"
    return "interrupt" if status in _INTERRUPTED else "abandon"


def job_type_of(definition: JobDefinition) -> str:
    """``timed`` for what runs once, ``scheduled`` for all else."""
    trigger = definition.trigger
    return "timed" if trigger.type is TriggerKind.ONCE or trigger.max_runs == 1 else "scheduled"


def _without_blanks(members: Mapping[Any, Any]) -> dict[Any, Any]:
    # A Go client sends every field there is, those that nobody set as empty texts.
    return {key: value for key, value in members.items() if value != ""}


def _trigger(fields: Fields) -> dict[str, Any]:
    # Long enough that the trigger itself says what is wrong with it.
    schedule = fields.text("job_cron_time", 1000, required=True)
    if fields.one_of("job_type", JOB_TYPES, "scheduled") != "timed":
        return {"type": "cron", "schedule": schedule}
    if _is_instant(schedule):
        return {"type": "once", "schedule": schedule}
    return {"type": "cron", "schedule": schedule, "max_runs": 1}


def _target(context: Fields) -> dict[str, Any]:
    mode = context.one_of("mode", MODES, "http", required=True)
    exec_ = context.text("exec", 2000, required=True)
    is_later = context.flag("async", False)
    info = context.part("info")
    is_later = info.flag("async", is_later)
    params, pod = info.object("params"), info.object("kubernetes")
    if mode == "kubernetes" or (mode == "exe" and pod):
        return {"kubernetes": _pod(exec_, pod, params)}
    if mode == "exe":
        name = command_name(exec_)
        if exec_ and not name:
            context.wrong("/exec", "must name a command of the operator's list")
        return {"command": {"name": name, **({"params": dict(params)} if params else {})}}
    target: dict[str, Any] = {"method": info.text("method", 10) or "POST", "url": exec_}
    headers, body = info.object("headers"), info.object("body")
    if headers:
        target["headers"] = dict(headers)
    if body:
        target["body"] = dict(body)
    if is_later:
        target["async"] = True
    return {"http": target}


def _pod(exec_: str, pod: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
    if not pod.get("image"):
        return {"image": exec_}
    return {"image": pod["image"], "command": [*exec_.split(), *map(str, params.values())]}


def _context(definition: JobDefinition) -> dict[str, Any]:
    kind, spec = definition.target.kind, definition.target.spec
    info: dict[str, Any] = {"method": "", "params": {}, "headers": {}, "body": {}, "kubernetes": {}}
    mode, exec_ = kind, str(spec.get("name") or spec.get("command") or "")
    if kind == "http":
        exec_ = str(spec.get("url", ""))
        mode = "https" if exec_.lower().startswith("https:") else "http"
        body = spec.get("body")
        info["method"] = str(spec.get("method", "POST"))
        info["headers"] = dict(spec.get("headers", {}))
        info["body"] = dict(body) if isinstance(body, Mapping) else {}
        if spec.get("async"):
            info["async"] = True
    elif kind == "command":
        mode = "exe"
        info["params"] = dict(spec.get("params", {}))
    elif kind == "kubernetes":
        exec_ = " ".join(map(str, spec.get("command") or ())) or str(spec.get("image", ""))
        info["kubernetes"] = {"image": spec.get("image", "")}
    return {
        "mode": mode,
        "exec": exec_,
        "info": info,
        "notify": {"webhook": definition.policies.notify.webhook or ""},
        "begin_at": _instant(definition.trigger.start_at),
        "end_at": _instant(definition.trigger.end_at),
        "execute_id": "",
    }


def _pointer(ours: str) -> str:
    for own, theirs in _POINTERS:
        if ours == own or ours.startswith(f"{own}/"):
            return theirs + ours[len(own) :]
    return ours


def _is_instant(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _instant(at: datetime | None) -> str:
    return "" if at is None else at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
