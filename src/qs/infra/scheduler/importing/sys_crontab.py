"""Imports rows of ``sys_crontab``, the table that Asynq services of the Bingo kind keep their periodic tasks in."""

import json
import re
from collections.abc import Mapping
from typing import Any

from qs.infra.scheduler.files.showing import shown
from qs.infra.scheduler.importing.builtins_known import SHIPPED, unknown_builtin
from qs.infra.scheduler.importing.imported import Draft, Imported, decoded
from qs.infra.scheduler.importing.robfig import SpecRefused, read_spec
from qs.infra.scheduler.importing.table_files import read_table

MOST_BYTES = 16 * 1024 * 1024
# Bingo calls it sys_schedule, with job for type and description for remarks.
TABLES = ("sys_crontab", "sys_schedule")
COLUMNS = ("id", "name", "type", "spec", "payload", "status", "created_at", "updated_at")

_NAMES = {
    "job": "type",
    "task": "type",
    "task_type": "type",
    "cron": "spec",
    "cronspec": "spec",
    "cron_spec": "spec",
    "params": "payload",
    "title": "name",
    "tz": "timezone",
    "description": "remarks",
    "remark": "remarks",
    "enabled": "status",
}
_KNOWN = frozenset(
    {
        "name",
        "type",
        "spec",
        "payload",
        "status",
        "timezone",
        "remarks",
        "queue",
        "priority",
        "max_retry",
        "timeout",
    }
)
_LEFT = frozenset({"id", "created_at", "updated_at", "deleted_at"})
_STATUS = {"1": True, "true": True, "t": True, "enabled": True, "on": True, "active": True, "normal": True}
_STATUS |= {
    "0": False,
    "2": False,
    "false": False,
    "f": False,
    "disabled": False,
    "off": False,
    "inactive": False,
}
_QUEUE = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}", re.ASCII)


def import_sys_crontab(content: bytes) -> Imported:
    """The rows of a SQL dump, a CSV or a JSON list; each is a job that runs the builtin of its type.

    Raises:
        ImportRefused: it is none of these, or breaks off; with the line.
    """
    table = read_table(decoded(content, MOST_BYTES), TABLES, COLUMNS)
    draft = Draft()
    unknown: dict[str, tuple[int, int]] = {}
    for line, row in table.rows:
        kind = _row(draft, line, {_NAMES.get(key, key): value for key, value in row.items()})
        if kind is not None and kind not in SHIPPED:
            first, count = unknown.get(kind, (line, 0))
            unknown[kind] = first, count + 1
    for kind, (line, count) in unknown.items():
        rows = "a row" if count == 1 else f"{count} rows"
        draft.note(line, f"type {shown(kind)} of {rows}", *unknown_builtin(kind))
    if table.others:
        draft.carried(
            next(iter(table.others.values())),
            "other tables",
            f"{', '.join(list(table.others)[:10])} were passed over; only {' and '.join(TABLES)} hold jobs",
        )
    for verb, line in table.ignored.items():
        draft.note(
            line,
            verb,
            "no statement is run, so what it would change is not seen",
            "export the table as it is now",
        )
    if not table.rows:
        draft.note(
            None, "the file", f"it holds no row of {' or '.join(TABLES)}", "export that table with its rows"
        )
    return draft.imported()


def _row(draft: Draft, line: int, row: Mapping[str, Any]) -> str | None:
    """The type of the row's job, or None where there is no job."""
    kind, name = _text(row.get("type")), _text(row.get("name")) or _text(row.get("type"))
    what = f"job {shown(name)}"
    if row.get("deleted_at") not in (None, "", 0, "0"):
        draft.carried(line, what, "it is marked deleted, so it was not imported")
        return None
    if not kind:
        draft.note(
            line, what, "the row has no type, so nothing says what it runs", "fill in type and import again"
        )
        return None
    try:
        spec = read_spec(_text(row.get("spec")), fields=5)
    except SpecRefused as refused:
        draft.note(line, f"{what} was left out", refused.why, refused.what_to_do)
        return None
    document = {"name": name, **spec.fields, "target": {"builtin": kind}, **_rest(draft, line, what, row)}
    if not draft.add(document, line):
        return None
    for remark in spec.remarks:
        draft.carried(line, what, remark)
    return kind


def _rest(draft: Draft, line: int, what: str, row: Mapping[str, Any]) -> dict[str, Any]:
    rest: dict[str, Any] = {"payload": _payload(draft, line, what, row.get("payload"))}
    status = _text(row.get("status", 1)).lower()
    if status not in _STATUS:
        draft.note(
            line,
            what,
            f"status {shown(status)} is neither 1 nor 0 nor 2; it is imported disabled",
            "enable it if it is to run",
        )
    rest["enabled"] = _STATUS.get(status, False)
    if zone := _text(row.get("timezone")):
        rest["timezone"] = zone
    if remarks := _text(row.get("remarks")):
        rest["remarks"] = remarks
    rest |= _options(draft, line, what, row)
    for column in row.keys() - _KNOWN - _LEFT:
        if row[column] not in (None, "", 0, "0"):
            draft.note(
                line,
                what,
                f"column {column} ({shown(row[column], column)}) has no counterpart here",
                "see the fields of a job",
            )
    return rest


def _options(draft: Draft, line: int, what: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """What Asynq's options say: queue, priority, max_retry, timeout."""
    found: dict[str, Any] = {}
    if queue := _text(row.get("queue")):
        found["queue"] = queue if _QUEUE.fullmatch(queue) else "default"
        if found["queue"] != queue:
            draft.note(
                line, what, f"queue {shown(queue)} is not 1 to 64 of a-z, 0-9, - and _", "choose another name"
            )
    if (retries := _whole(row.get("max_retry"))) is not None:
        # Asynq counts the attempts after the first.
        found["retry"] = {"max_attempts": retries + 1}
    if (priority := _whole(row.get("priority"))) is not None:
        found["priority"] = priority
    if timeout := _text(row.get("timeout")):
        found["timeout"] = timeout
    return found


def _payload(draft: Draft, line: int, what: str, raw: Any) -> dict[str, Any] | None:
    if raw is None or raw == "":
        return None
    value = raw
    if isinstance(raw, str):
        try:
            value = json.loads(raw)
        except (ValueError, RecursionError):
            draft.note(
                line,
                what,
                f"its payload {shown(raw)} is no JSON; it is imported as {{text: …}}",
                "change the builtin or the payload",
            )
            return {"text": raw}
    if value is None or isinstance(value, dict):
        return value
    draft.note(
        line,
        what,
        f"its payload {shown(value)} is no object; it is imported as {{value: …}}",
        "change the builtin or the payload",
    )
    return {"value": value}


def _text(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value).strip()


def _whole(value: Any) -> int | None:
    text = _text(value)
    return int(text) if re.fullmatch(r"-?\d{1,9}", text, re.ASCII) else None
