"""When a crontab entry runs, in the words of qs."""

import re
from dataclasses import dataclass, field
from typing import Any

from qs.infra.scheduler.files.showing import shown

_RANDOM = re.compile(r"(\d{0,2})~(\d{0,2})(/\d{1,2})?", re.ASCII)
_BOUNDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_SINGLE_WITH_STEP = re.compile(r"\d+/\d+", re.ASCII)
_ALIASES = frozenset({"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"})
_OF_FREEBSD = {"@every_minute": "* * * * *", "@every_second": "* * * * * *"}


@dataclass(slots=True)
class When:
    """Fields for the job document; ``carried`` and ``to_check`` say what is not quite the same and why.

    ``impossible`` is the reason why there is no such schedule.
    """

    fields: dict[str, Any] = field(default_factory=lambda: {"type": "cron"})
    carried: list[str] = field(default_factory=list)
    to_check: list[str] = field(default_factory=list)
    impossible: str | None = None


def read_when(spec: str) -> When:
    """The schedule of the five fields or the alias of an entry."""
    when = When()
    if spec.startswith("@"):
        _alias(spec, when)
        return when
    fields = spec.split()
    if re.match(r"-[^\s-]", spec):
        fields[0] = fields[0][1:]
        when.carried.append("the - before the minute kept cron from logging; here every execution is kept")
    words = [_without_chance(word, *bounds) for word, bounds in zip(fields, _BOUNDS, strict=True)]
    if words != fields:
        when.carried.append("~ was a moment by chance; here it is H, one that stays the same for this job")
    for word in words:
        if any(_SINGLE_WITH_STEP.fullmatch(term) for term in word.split(",")):
            when.to_check.append(
                f"cron refuses {shown(word)} or takes its first value only; here a/n means from a to the end in steps of n"
            )
    when.fields["schedule"] = " ".join(words)
    return when


def _alias(spec: str, when: When) -> None:
    alias = spec.lower()
    if alias in _ALIASES:
        when.fields["schedule"] = alias
    elif alias in _OF_FREEBSD:
        when.fields["schedule"] = _OF_FREEBSD[alias]
    elif re.fullmatch(r"@[1-9]\d{0,8}", alias):
        when.fields = {"type": "fixed_delay", "schedule": f"{alias[1:]}s"}
    elif alias == "@reboot":
        when.impossible = "@reboot means the start of a machine, and jobs here belong to none"
    else:
        when.impossible = f"{shown(spec)} is no schedule that is known here"


def _without_chance(word: str, low: int, high: int) -> str:
    def hashed(match: re.Match[str]) -> str:
        if not match[1] and not match[2]:
            return f"H{match[3] or ''}"
        return f"H({match[1] or low}-{match[2] or min(high, 59)}){match[3] or ''}"

    return ",".join(
        _RANDOM.sub(hashed, term) if _RANDOM.fullmatch(term) else term for term in word.split(",")
    )
