"""A job as people and clients write it, read into a definition; the same for files, HTTP and importers.

::

    {"name": "tidy", "type": "cron", "schedule": "0 */6 * * *", "timezone": "Asia/Shanghai",
     "target": {"command": {"name": "tidy-uploads", "params": {"days": 7}}}, "payload": {}, "enabled": true,
     "queue": "default", "priority": 0, "timeout": "10m", "total_timeout": "1h", "start_deadline": "5m",
     "retry": {"max_attempts": 3, "backoff": "exponential", "delay": "10s", "max_delay": "1h", "jitter": 0.2,
               "retry_on": ["timeout", "5xx", "exit:75"]},
     "misfire": {"policy": "fire_once", "grace": "60s", "catchup_window": "24h", "max_catchup": 100},
     "overlap": {"policy": "allow", "max": 3}, "on_success": ["next-job"],
     "notify": {"webhook": "https://…", "email": ["a@example.org"], "on": ["failure", "recovery"]}}

Everything but ``name``, ``type`` and ``schedule`` may be left out. ``overlap`` and ``misfire`` may be the policy's name
alone; a job without ``target`` runs the builtin of its own name.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from qs.application.scheduler.document_fields import Fields
from qs.domain.kernel.durations import duration_text
from qs.domain.kernel.errors import Invalid, Problem
from qs.domain.scheduler.duty import taken_by_duty
from qs.domain.scheduler.job import JobDefinition, Target
from qs.domain.scheduler.policies import (
    Backoff,
    ChainLink,
    ChainOn,
    Misfire,
    MisfirePolicy,
    NoticeOn,
    Notify,
    Overlap,
    OverlapPolicy,
    Policies,
    Retry,
    Timeouts,
)
from qs.domain.scheduler.triggers import TriggerKind, TriggerSpec

TARGET_KINDS = ("builtin", "http", "command", "kubernetes")
CHAIN_FIELDS = {
    ChainOn.SUCCESS: "on_success",
    ChainOn.FAILURE: "on_failure",
    ChainOn.COMPLETION: "on_completion",
}
_QUEUE = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}", re.ASCII)
_RETRY_ON = re.compile(
    r"timeout|error|connect|signal|exit|http|[1-5]xx|[1-5][0-9][0-9]|exit:[0-9]{1,3}|http:[1-5][0-9][0-9]|signal:[0-9]{1,2}"
)
_WEBHOOK = re.compile(r"https?://[^\s/@?#]{1,255}(?:[/?#]\S{0,1700})?")
_EMAIL = re.compile(r"[^@\s,;<>\"\x00-\x1f]{1,64}@[A-Za-z0-9.-]{1,190}")
_DAY = timedelta(days=1)


def read_job(document: Any, defaults: Retry | None = None) -> JobDefinition:
    """The definition a document stands for; ``defaults`` is the retry policy where the document says nothing.

    Whether the schedule and the target can be carried out is not looked at here.

    Raises:
        Invalid: with every problem in it, each with its JSON pointer.
    """
    if not isinstance(document, Mapping):
        raise Invalid([Problem("", "must be an object with name, type and schedule")])
    fields = Fields(document)
    name = fields.text("name", 200, required=True).strip()
    if (taken := taken_by_duty(name)) is not None:
        fields.wrong("/name", taken)
    definition = JobDefinition(
        name=name,
        trigger=_trigger(fields),
        target=_target(fields, name),
        payload=fields.object("payload"),
        enabled=fields.flag("enabled", True),
        queue=fields.matching("queue", _QUEUE, "default", "must be 1 to 64 of a-z, 0-9, - and _"),
        priority=fields.whole("priority", 0, -100, 100),
        policies=Policies(
            misfire=_misfire(fields),
            overlap=_overlap(fields),
            retry=_retry(fields, defaults or Retry()),
            timeouts=Timeouts(
                attempt=fields.duration("timeout", timedelta(hours=1), 7 * _DAY),
                total=fields.duration_or_none("total_timeout", 31 * _DAY),
                start=fields.duration_or_none("start_deadline", 31 * _DAY),
            ),
            chain=_chain(fields),
            notify=_notify(fields),
        ),
        remarks=fields.text("remarks", 2000),
    )
    fields.refuse_unknown()
    if fields.problems:
        raise Invalid(fields.problems)
    return definition


def write_job(definition: JobDefinition) -> dict[str, Any]:
    """The document of a definition, complete: reading it gives the same definition again."""
    trigger, policies = definition.trigger, definition.policies
    document: dict[str, Any] = {
        "name": definition.name,
        "type": trigger.type.value,
        "schedule": trigger.schedule,
        "timezone": trigger.timezone,
        "dialect": trigger.dialect,
        "jitter": duration_text(trigger.jitter),
        "start_at": _instant_text(trigger.start_at),
        "end_at": _instant_text(trigger.end_at),
        "max_runs": trigger.max_runs,
        "calendar": trigger.calendar,
        "missing": trigger.missing,
        "grace": None if trigger.grace is None else duration_text(trigger.grace),
        "target": {definition.target.kind: dict(definition.target.spec)},
        "payload": dict(definition.payload),
        "enabled": definition.enabled,
        "queue": definition.queue,
        "priority": definition.priority,
        "misfire": {
            "policy": policies.misfire.policy.value,
            "grace": duration_text(policies.misfire.grace),
            "catchup_window": duration_text(policies.misfire.catchup_window),
            "max_catchup": policies.misfire.max_catchup,
        },
        "overlap": {"policy": policies.overlap.policy.value, "max": policies.overlap.max},
        "retry": {
            "max_attempts": policies.retry.max_attempts,
            "backoff": policies.retry.backoff.value,
            "delay": duration_text(policies.retry.delay),
            "max_delay": duration_text(policies.retry.max_delay),
            "jitter": policies.retry.jitter,
            "retry_on": list(policies.retry.retry_on),
        },
        "timeout": duration_text(policies.timeouts.attempt),
        "total_timeout": _duration_text(policies.timeouts.total),
        "start_deadline": _duration_text(policies.timeouts.start),
        "notify": {
            "webhook": policies.notify.webhook,
            "email": list(policies.notify.email),
            "on": sorted(on.value for on in policies.notify.on),
        },
        "remarks": definition.remarks,
    }
    for on, key in CHAIN_FIELDS.items():
        document[key] = [link.job for link in policies.chain if link.on is on]
    return document


def _trigger(fields: "Fields") -> TriggerSpec:
    return TriggerSpec(
        type=fields.choice("type", TriggerKind, TriggerKind.CRON, required=True),
        schedule=fields.text("schedule", 1000, required=True),
        timezone=fields.text("timezone", 100) or None,
        dialect=fields.one_of("dialect", ("standard", "quartz"), "standard"),
        jitter=fields.duration("jitter", timedelta(), _DAY, least=timedelta()),
        start_at=fields.instant("start_at"),
        end_at=fields.instant("end_at"),
        max_runs=fields.whole_or_none("max_runs", 1, 2**53),
        calendar=fields.text("calendar", 100) or None,
        missing=fields.one_of("missing", ("skip", "clamp"), "skip"),
        grace=fields.duration_or_none("grace", 366 * _DAY),
    )


def _target(fields: "Fields", name: str) -> Target:
    raw = fields.take("target")
    if raw is None:
        return Target(kind="builtin", spec={"name": name})
    if not isinstance(raw, Mapping) or len(raw) != 1 or next(iter(raw)) not in TARGET_KINDS:
        fields.wrong("/target", f"must be an object with exactly one of {', '.join(TARGET_KINDS)}")
        return Target(kind="builtin")
    kind, spec = next(iter(raw.items()))
    if isinstance(spec, str) and kind in ("builtin", "command"):
        # The name alone is enough where there are no parameters.
        spec = {"name": spec}
    if not isinstance(spec, Mapping):
        fields.wrong(f"/target/{kind}", "must be an object")
        return Target(kind=kind)
    fields.bounded(f"/target/{kind}", spec)
    return Target(kind=kind, spec=dict(spec))


def _misfire(fields: "Fields") -> Misfire:
    part = fields.part("misfire", "policy")
    default = Misfire()
    return part.done(
        Misfire(
            policy=part.choice("policy", MisfirePolicy, default.policy),
            grace=part.duration("grace", default.grace, 31 * _DAY, least=timedelta()),
            catchup_window=part.duration(
                "catchup_window", default.catchup_window, 366 * _DAY, least=timedelta()
            ),
            max_catchup=part.whole("max_catchup", default.max_catchup, 1, 1000),
        )
    )


def _overlap(fields: "Fields") -> Overlap:
    part = fields.part("overlap", "policy")
    policy = part.choice("policy", OverlapPolicy, OverlapPolicy.SKIP)
    return part.done(Overlap(policy=policy, max=part.whole("max", 1, 1, 1000)))


def _retry(fields: "Fields", default: Retry) -> Retry:
    part = fields.part("retry")
    return part.done(
        Retry(
            max_attempts=part.whole("max_attempts", default.max_attempts, 1, 100),
            backoff=part.choice("backoff", Backoff, default.backoff),
            delay=part.duration("delay", default.delay, 7 * _DAY, least=timedelta()),
            max_delay=part.duration("max_delay", default.max_delay, 31 * _DAY, least=timedelta()),
            jitter=part.fraction("jitter", default.jitter),
            retry_on=part.texts(
                "retry_on",
                20,
                _RETRY_ON,
                "must be timeout, error, exit:75, http:503, 5xx or the like",
                default.retry_on,
            ),
        )
    )


def _chain(fields: "Fields") -> tuple[ChainLink, ...]:
    links: list[ChainLink] = []
    for on, key in CHAIN_FIELDS.items():
        names = fields.texts(key, 20, re.compile(r".{1,200}"), "must be the name of a job", ())
        links += [ChainLink(on, name.strip()) for name in names]
    return tuple(links)


def _notify(fields: "Fields") -> Notify:
    part = fields.part("notify")
    default = Notify()
    on = part.texts("on", 10, re.compile("|".join(NoticeOn)), f"must be one of {', '.join(NoticeOn)}", None)
    return part.done(
        Notify(
            webhook=part.matching("webhook", _WEBHOOK, "", "must be an address such as https://host/path")
            or None,
            email=part.texts("email", 20, _EMAIL, "must be an e-mail address", ()) or (),
            on=default.on if on is None else frozenset(map(NoticeOn, on)),
        )
    )


def _instant_text(instant: datetime | None) -> str | None:
    return None if instant is None else instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _duration_text(length: timedelta | None) -> str | None:
    return None if length is None else duration_text(length)
