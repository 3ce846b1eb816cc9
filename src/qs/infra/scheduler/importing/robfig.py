"""Schedules as robfig/cron reads them, which is what ECron, Asynq and gocron run on, in the words of qs."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from qs.domain.kernel.zones import zone_names
from qs.infra.scheduler.files.showing import shown
from qs.infra.scheduler.importing.go_durations import go_duration, schedule_of

_ZONE = re.compile(r"(?:CRON_)?TZ=(\S*)\s*")
_EVERY = re.compile(r"@every\s+(.*)", re.DOTALL)
_STEP = re.compile(r"[*?]/(\d{1,6})", re.ASCII)


class SpecRefused(Exception):
    """There is no such schedule here; ``why`` and ``what_to_do`` are for the person."""

    def __init__(self, why: str, what_to_do: str) -> None:
        super().__init__(why)
        self.why = why
        self.what_to_do = what_to_do


@dataclass(slots=True)
class Spec:
    """``fields`` go into the job document; ``remarks`` say what is written in another way now, and why."""

    fields: dict[str, Any]
    remarks: list[str] = field(default_factory=list)


def read_spec(text: str, *, fields: int) -> Spec:
    """The schedule of a spec, where the system that ran it takes so many ``fields``.

    Raises:
        SpecRefused: it names no zone there is, or begins with an unknown word.
    """
    spec = Spec({"type": "cron"})
    text = _without_zone(text.strip(), spec)
    if match := _EVERY.fullmatch(text):
        return _every(match[1].strip(), spec)
    if text.startswith("@"):
        if text.lower() == "@reboot":
            raise SpecRefused(
                "@reboot means the start of a machine, and jobs here belong to none",
                "start it from a systemd unit",
            )
        spec.fields["schedule"] = text
        return spec
    words = text.split()
    if len(words) not in (5, 6):
        raise SpecRefused(
            f"the schedule {shown(text)} has {len(words)} fields where cron takes 5 or 6",
            "write this job by hand",
        )
    if len(words) != fields:
        spec.remarks.append(
            f"the schedule {shown(text)} has {len(words)} fields where that system took {fields} and ran nothing; "
            f"here it runs, read {'with the seconds first' if len(words) == 6 else 'without seconds'}"
        )
    spec.fields["schedule"] = " ".join(_days_as_robfig(_without_question_marks(words), spec))
    return spec


def _without_zone(text: str, spec: Spec) -> str:
    if (match := _ZONE.match(text)) is None:
        return text
    zone = match[1] or "UTC"
    if zone == "Local":
        spec.remarks.append("TZ=Local was the zone of the machine; here it is scheduler.timezone")
    elif zone in zone_names():
        spec.fields["timezone"] = zone
    else:
        raise SpecRefused(
            f"the zone {shown(zone)} is no IANA time zone", "write the job with a name such as Asia/Shanghai"
        )
    return text[match.end() :]


def _every(text: str, spec: Spec) -> Spec:
    try:
        length = go_duration(text)
    except ValueError:
        raise SpecRefused(
            f"@every {shown(text)} is no duration", "write it such as @every 10s or @every 1h30m"
        ) from None
    # robfig rounds down to whole seconds, and up to one.
    rounded = max(1, length // 1)
    if rounded != length:
        spec.remarks.append(
            f"@every {text} ran every {rounded} s, since robfig counts whole seconds; so it does here"
        )
    spec.fields |= {"type": "duration", "schedule": schedule_of(length.__class__(rounded))}
    return spec


def _without_question_marks(words: list[str]) -> list[str]:
    """robfig takes ? for * in every field, qs in the day fields only."""
    days = {len(words) - 3, len(words) - 1}
    return [
        word if index in days else re.sub(r"(?<![^,])\?(?=$|[,/])", "*", word)
        for index, word in enumerate(words)
    ]


def _days_as_robfig(words: list[str], spec: Spec) -> list[str]:
    """Day fields that are combined as robfig combines them.

    With robfig both fields must hold when one has a plain ``*`` anywhere, else either is enough. Here what counts is
    whether a field begins with ``*``, so ``*/10`` is a star here and none there.
    """
    day, weekday = words[-3], words[-1]
    if (_starred(day) or _starred(weekday)) == (_open(day) or _open(weekday)):
        return words
    rewritten = [*words[:-3], _as_robfig(day, "1-31"), words[-2], _as_robfig(weekday, "0-6")]
    spec.remarks.append(
        f"the schedule {shown(' '.join(words))} is written {shown(' '.join(rewritten))} here, which combines day of "
        "month and day of week as robfig does"
    )
    return rewritten


def _as_robfig(field: str, every: str) -> str:
    if _starred(field):
        return "*"
    replaced: Callable[[re.Match[str]], str] = lambda match: f"{every}/{match[1]}"  # noqa: E731
    return ",".join(_STEP.sub(replaced, term) if _STEP.fullmatch(term) else term for term in field.split(","))


def _starred(field: str) -> bool:
    return any(term in ("*", "?", "*/1", "?/1") for term in field.split(","))


def _open(field: str) -> bool:
    return field.startswith("*") or field == "?"
