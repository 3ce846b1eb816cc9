"""What the doctor tells: each finding says what is and, where it is not well, what to do about it."""

from datetime import UTC, datetime, timedelta

import msgspec

from qs.interface.cli.finding_codes import CODES, Severity

WELL = "ok"
_LARGEST_CLOCK_GAP = timedelta(seconds=2)


class Finding(msgspec.Struct, frozen=True):
    """``code`` is one of ``CODES``, or ``ok``; ``todo`` is empty where all is well."""

    code: str
    severity: Severity
    subject: str
    what: str
    todo: str = ""


def well(subject: str, what: str) -> Finding:
    """That a subject is as it should be."""
    return Finding(WELL, "ok", subject, what)


def found(code: str, subject: str, what: str, todo: str | None = None) -> Finding:
    """What is not as it should be, as bad as its code has it; ``todo`` where more can be said than the table does."""
    known = CODES[code]
    return Finding(code, known.severity, subject, what, todo or known.todo)


def complaint(error: Exception) -> str:
    """What the server or the way to it said, in its own words."""
    cause = getattr(error, "orig", None) or error
    return (str(cause) or type(cause).__name__).splitlines()[0][:300]


def clock_gap(code: str, subject: str, there: datetime | None) -> Finding:
    """Whether another machine's clock agrees with ours."""
    assert there is not None
    gap = there - datetime.now(UTC)
    if abs(gap) > _LARGEST_CLOCK_GAP:
        return found(code, subject, f"{gap.total_seconds():+.1f} s against this machine's")
    return well(subject, "agrees with this machine's")


def duration(length: timedelta) -> str:
    """A length of time for people, in whole seconds: ``0:03:20``."""
    return str(timedelta(seconds=round(length.total_seconds())))
