"""Imports the jobs of ECron: what ``GET /api/ecron-management/v1/job`` answers, as a JSON file."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from qs.infra.scheduler.files.showing import shown
from qs.infra.scheduler.importing.ecron_targets import Target, target_of
from qs.infra.scheduler.importing.hiding import SecretNames
from qs.infra.scheduler.importing.imported import Draft, Imported, decoded
from qs.infra.scheduler.importing.json_rows import read_json_rows
from qs.infra.scheduler.importing.robfig import SpecRefused, read_spec

MOST_BYTES = 16 * 1024 * 1024

_KEYS = ("job_id", "job_name", "job_cron_time", "job_context")
_JOB = frozenset({*_KEYS, "job_type", "tenant_id", "enabled", "remarks", "created_at", "updated_at"})
_CONTEXT = frozenset({"mode", "exec", "info", "notify", "begin_at", "end_at", "execute_id", "async"})
_INFO = frozenset({"method", "params", "headers", "body", "kubernetes", "async"})
# Never; a job that is disabled and only run by hand needs some schedule.
_BY_HAND = {"type": "cron", "schedule": "@yearly", "enabled": False}


def import_ecron(content: bytes) -> Imported:
    """The jobs of the list; secrets that stand in clear in headers, addresses and bodies are replaced and listed.

    Raises:
        ImportRefused: it is no such JSON; with the line.
    """
    importing = _Importing()
    for line, job in read_json_rows(decoded(content, MOST_BYTES), _KEYS):
        importing.job(line, job)
    return importing.imported()


class _Importing:
    def __init__(self) -> None:
        self.draft = Draft()
        self._secrets = SecretNames(self.draft)
        self._tenants: dict[str, int] = {}
        self._awaited: int | None = None

    def imported(self) -> Imported:
        if len(self._tenants) > 1:
            names = ", ".join(map(shown, self._tenants))
            self.draft.note(
                None,
                "tenant_id",
                f"the jobs belong to several tenants ({names[:300]}), and `qs job apply` writes those of one",
                "split the file, and apply each part with --tenant",
            )
        elif self._tenants:
            self.draft.carried(
                None,
                "tenant_id",
                "the jobs go to the tenant you apply them for, without --tenant the default one",
            )
        if self._awaited is not None:
            self.draft.carried(
                self._awaited,
                "HTTP jobs",
                "ECron waited until their outcome was reported; here an answer of 2xx is a success",
                "put async: true into the target of a job whose target reports its outcome later",
            )
        return self.draft.imported()

    def job(self, line: int, job: Any) -> None:
        if not isinstance(job, Mapping) or not isinstance(job.get("job_context"), Mapping):
            self.draft.note(
                line, shown(job), "is no job of ECron, since it has no job_context", "write this job by hand"
            )
            return
        context, name = job["job_context"], str(job.get("job_name") or "")
        what = f"job {shown(name)}"
        self._unknown(line, what, job, context)
        document = {"name": name, "remarks": _remarks(job), "enabled": job.get("enabled") is True}
        try:
            document |= self._when(line, what, job, context)
        except SpecRefused as refused:
            self.draft.note(line, f"{what} was left out", refused.why, refused.what_to_do)
            return
        document |= self._notify(line, what, context)
        if not self.draft.takes(document, line):
            return
        self._secrets.prefix = name
        target = target_of(self.draft, self._secrets, line, name, context)
        if target is not None and self.draft.add(document | {"target": target}, line):
            self._count(line, job, target)

    def _count(self, line: int, job: Mapping[str, Any], target: Target) -> None:
        if tenant := str(job.get("tenant_id") or ""):
            self._tenants.setdefault(tenant, line)
        if "http" in target and "async" not in target["http"] and self._awaited is None:
            self._awaited = line
        if job.get("enabled") not in (True, False):
            self.draft.note(
                line,
                f"job {shown(str(job.get('job_name')))}",
                f"enabled is {shown(job.get('enabled'))}, so ECron did not run it; it is imported disabled",
                "enable it if it is to run",
            )

    def _when(
        self, line: int, what: str, job: Mapping[str, Any], context: Mapping[str, Any]
    ) -> dict[str, Any]:
        kind, text = str(job.get("job_type") or "scheduled"), str(job.get("job_cron_time") or "")
        if kind == "real-time" or not text.strip():
            self.draft.note(
                line,
                what,
                "it has no schedule of its own and was run on demand; it is imported disabled",
                "run it with `qs job run`, or give it a schedule and enable it",
            )
            return dict(_BY_HAND)
        if kind == "timed" and _is_instant(text):
            return {"type": "once", "schedule": text}
        spec = read_spec(text, fields=6)
        for remark in spec.remarks:
            self.draft.carried(line, what, remark)
        if kind not in ("scheduled", "timed", "cron"):
            self.draft.note(
                line,
                what,
                f"job_type {shown(kind)} is not known; it is taken for scheduled",
                "check its schedule",
            )
        found = spec.fields | {"start_at": self._instant(line, what, context, "begin_at")}
        if end := self._instant(line, what, context, "end_at"):
            # ECron still runs at the second it names; here the end is the first instant at which nothing runs.
            found["end_at"] = _written(datetime.fromisoformat(end) + timedelta(seconds=1))
        if kind == "timed":
            found["max_runs"] = 1
            self.draft.carried(line, what, "job_type timed is meant to run once, so it has max_runs: 1 here")
        return found

    def _instant(self, line: int, what: str, context: Mapping[str, Any], key: str) -> str | None:
        if not (text := str(context.get(key) or "")):
            return None
        try:
            at = datetime.fromisoformat(text)
            if at.tzinfo is not None:
                return _written(at)
        except (ValueError, OverflowError):
            pass
        self.draft.note(
            line,
            what,
            f"{key} {shown(text)} is no instant with a zone, so it was left out",
            "write start_at or end_at",
        )
        return None

    def _notify(self, line: int, what: str, context: Mapping[str, Any]) -> dict[str, Any]:
        notify = context.get("notify")
        webhook = notify.get("webhook") if isinstance(notify, Mapping) else notify
        if not webhook:
            return {}
        if not isinstance(webhook, str) or not re.match(r"https?://[^\s@]+$", webhook):
            self.draft.note(
                line,
                what,
                f"notify.webhook {shown(webhook)} is no address that can be called",
                "write notify.webhook with its host",
            )
            return {}
        # ECron tells of every end.
        return {"notify": {"webhook": webhook, "on": ["success", "failure", "timeout", "missed"]}}

    def _unknown(self, line: int, what: str, job: Mapping[str, Any], context: Mapping[str, Any]) -> None:
        info = context.get("info") if isinstance(context.get("info"), Mapping) else {}
        for place, found, known in (
            ("", job, _JOB),
            ("job_context.", context, _CONTEXT),
            ("job_context.info.", info, _INFO),
        ):
            for key in sorted(map(str, (found or {}).keys() - known)):
                value = (found or {})[key]
                if value not in (None, "", {}, []):
                    self.draft.note(
                        line,
                        what,
                        f"{place}{key} ({shown(value, key)}) has no counterpart here",
                        "see the fields of a job",
                    )


def _remarks(job: Mapping[str, Any]) -> str | None:
    parts = [str(job.get("remarks") or "").strip()]
    if job.get("job_id"):
        # Ids are given anew, and whoever calls with the old one must find the job.
        parts.append(f"ECron job_id {job['job_id']}")
    return "\n".join(part for part in parts if part) or None


def _written(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _is_instant(text: str) -> bool:
    try:
        return datetime.fromisoformat(text.strip()).tzinfo is not None
    except ValueError:
        return False
