"""Imports the jobs of a gocron service: ``scheduler.jobs`` of its YAML."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from qs.infra.scheduler.files.showing import shown
from qs.infra.scheduler.files.strict_yaml import Tree, YamlRefused, read_yaml
from qs.infra.scheduler.importing.builtins_known import SHIPPED, unknown_builtin
from qs.infra.scheduler.importing.go_durations import go_duration, schedule_of
from qs.infra.scheduler.importing.imported import Draft, Imported, ImportRefused
from qs.infra.scheduler.importing.robfig import SpecRefused, read_spec

TYPES = ("duration", "cron", "daily", "weekly", "monthly", "once")
# What a job of ours may hold beside its four fields; it is taken as it is and judged like any other document.
_SAME = (
    "timezone",
    "target",
    "payload",
    "timeout",
    "retry",
    "queue",
    "priority",
    "misfire",
    "overlap",
    "remarks",
    "jitter",
)
_FLAGS = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_LONG_DAY = re.compile(r"(sun|mon|tue|wed|thu|fri|sat)[a-z]*", re.IGNORECASE)
_CLOCK = re.compile(r"\d{1,2}:\d{2}(?::\d{2})?", re.ASCII)


def import_gocron(content: bytes) -> Imported:
    """The jobs below ``scheduler`` of the service's settings; a job without target runs the builtin of its name.

    Raises:
        ImportRefused: it is no such YAML.
    """
    try:
        tree = read_yaml(content)
    except YamlRefused as refused:
        raise ImportRefused(refused.line, refused.detail) from refused
    draft = Draft()
    section, at = _section(tree)
    if _flag(section.get("enabled", True)) is False:
        draft.note(
            tree.line_of(f"{at}/enabled"),
            "scheduler.enabled: false",
            "nothing ran there, and these jobs run as soon as they are applied",
            "set scheduler.enabled: false in qs.yaml before, or run `qs scheduler stop`",
        )
    for key in section:
        if key not in ("enabled", "jobs", "timezone"):
            draft.note(
                tree.line_of(f"{at}/{key}"),
                f"scheduler.{key}",
                "has no counterpart here",
                "leave it, or see docs/migrate/gocron.md",
            )
    for index, job in enumerate(section["jobs"]):
        _job(draft, job, tree.line_of(f"{at}/jobs/{index}"), section.get("timezone"))
    return draft.imported()


def _section(tree: Tree) -> tuple[dict[str, Any], str]:
    value, at = tree.value, ""
    if isinstance(value, dict) and isinstance(value.get("scheduler"), dict):
        value, at = value["scheduler"], "/scheduler"
    elif isinstance(value, list):
        value = {"jobs": value}
    if not isinstance(value, dict) or not isinstance(value.get("jobs"), list):
        raise ImportRefused(
            tree.line_of(at),
            f"{shown(value)} has no list under scheduler.jobs; hand in the settings of the gocron service",
        )
    return value, at


def _job(draft: Draft, job: Any, line: int, timezone: Any) -> None:
    if not isinstance(job, Mapping) or not isinstance(job.get("name"), str | int):
        draft.note(
            line, shown(job), "is no job, since it has no name", "write it as name, type, schedule, enabled"
        )
        return
    name, kind = str(job["name"]), str(job.get("type", "")).lower()
    document: dict[str, Any] = {
        "name": name,
        "timezone": timezone,
        **{key: job[key] for key in _SAME if key in job},
    }
    if (schedule := _schedule(draft, name, kind, job.get("schedule"), line)) is None:
        return
    document |= schedule
    document["enabled"] = _enabled(draft, job, line)
    for key in job:
        if key not in ("name", "type", "schedule", "enabled", *_SAME):
            draft.note(
                line,
                f"{key}: {shown(job[key], str(key))} of job {shown(name)}",
                "has no counterpart here",
                "see the fields of a job",
            )
    if draft.add(document, line) and "target" not in job and name not in SHIPPED:
        draft.note(line, f"job {shown(name)}", *unknown_builtin(name))


def _schedule(draft: Draft, name: str, kind: str, raw: Any, line: int) -> dict[str, Any] | None:
    text = str("" if raw is None else raw).strip()
    try:
        if kind == "cron":
            spec = read_spec(text, fields=len(text.split()))
            for remark in spec.remarks:
                draft.carried(line, f"job {shown(name)}", remark)
            return spec.fields
        return {"type": kind, "schedule": _SCHEDULES[kind](text)}
    except KeyError:
        why, what_to_do = f"type {shown(kind)} is not one of {', '.join(TYPES)}", "write this job by hand"
    except SpecRefused as refused:
        why, what_to_do = refused.why, refused.what_to_do
    draft.note(line, f"job {shown(name)} was left out", why, what_to_do)
    return None


def _duration(text: str) -> str:
    try:
        return schedule_of(go_duration(text.removeprefix("@every").strip()))
    except ValueError:
        raise SpecRefused(
            f"schedule {shown(text)} is no duration of Go",
            "write it such as 30s, 5m or 1h30m and import again",
        ) from None


def _enabled(draft: Draft, job: Mapping[str, Any], line: int) -> bool:
    found = _flag(job.get("enabled"))
    if found is None:
        said = (
            "says nothing of enabled"
            if job.get("enabled") is None
            else f"has enabled: {shown(job['enabled'])}"
        )
        draft.note(
            line,
            f"job {shown(str(job['name']))}",
            f"{said}, which Go takes for false, so it did not run; it is imported disabled",
            "write enabled: true to have it run",
        )
    return bool(found)


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else _FLAGS.get(str(value).lower())


def _clock(text: str) -> str:
    """``9:30`` as ``09:30``."""
    return _CLOCK.sub(
        lambda match: match[0].zfill(5) if match[0].count(":") == 1 else match[0].zfill(8), text
    )


def _weekly(text: str) -> str:
    plain = _LONG_DAY.sub(lambda match: match[1].upper(), re.sub(r"\s+at\s+|@", " ", text))
    days, times = _apart(plain)
    numbered = re.sub(r"\b[0-7]\b", lambda match: _DAYS[int(match[0]) % 7], days)
    return f"{numbered} {times}".strip()


def _monthly(text: str) -> str:
    days, times = _apart(re.sub(r"\s+at\s+|@", " ", re.sub(r"\blast\b", "L", text, flags=re.IGNORECASE)))
    return f"{days} {times}".strip()


def _apart(text: str) -> tuple[str, str]:
    """The days before the first time of day, and the times; without blanks around commas."""
    joined = re.sub(r"\s*,\s*", ",", _clock(text)).strip()
    first = _CLOCK.search(joined)
    at = first.start() if first else len(joined)
    return ",".join(joined[:at].strip(" ,").split()), joined[at:].strip()


_SCHEDULES: Mapping[str, Callable[[str], str]] = {
    "duration": _duration,
    "daily": _clock,
    "weekly": _weekly,
    "monthly": _monthly,
    "once": str,
}
