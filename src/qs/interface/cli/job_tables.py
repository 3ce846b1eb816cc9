"""Jobs and their executions as tables show them: readable on 80 columns, and each time with its offset."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from qs.application.scheduler.job_reading import JobState
from qs.domain.kernel.zones import UnknownZone, zone
from qs.domain.scheduler.job import Job, JobStatus
from qs.domain.scheduler.job_execution import JobExecution
from qs.domain.scheduler.triggers import MarkCode, Occurrence
from qs.infra.scheduler.files.showing import masked
from qs.infra.scheduler.files.writing import short_document
from qs.infra.scheduler.files.yaml_text import yaml_text
from qs.interface.cli.job_views import duration_ms
from qs.interface.cli.output import rows

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

_MARKS = {
    MarkCode.SHIFTED: "shifted",
    MarkCode.FIRST: "first of two",
    MarkCode.FIRST_PASS: "first pass of this hour",
    MarkCode.SECOND_PASS: "second pass of this hour",
    MarkCode.CLOCK_MOVED: "clocks moved by {minutes:+} min",
    MarkCode.LEFT_OUT: "dates left out by {calendar}: {dates}",
    MarkCode.WORKED: "worked by {calendar}",
    MarkCode.WAITED: "waited for {calendar}",
}


def clock_text(instant: datetime | None, tz: ZoneInfo) -> str | None:
    """The instant by the clocks of the zone, with their offset: ``2026-03-09 02:00 +08:00``."""
    if instant is None:
        return None
    local = instant.astimezone(tz)
    day, _, clock = local.isoformat(sep=" ", timespec="seconds").partition(" ")
    time, offset = clock[:8].removesuffix(":00"), clock[8:]
    return f"{day} {time} {offset}"


def jobs_table(states: Sequence[JobState], default_timezone: str) -> "Table":
    """Jobs, each with its next run by the clocks it follows."""
    table = rows(
        ("name", "when", "next", "last"),
        [
            (
                state.job.name,
                state.words or state.job.definition.trigger.schedule,
                next_text(state.job, default_timezone),
                state.last.status.value if state.last else None,
            )
            for state in states
        ],
    )
    table.columns[2].min_width, table.columns[3].no_wrap = 10, True
    return table


def job_table(state: JobState, default_timezone: str) -> "RenderableType":
    """One job: where it stands, and the file that would make it."""
    from rich.console import Group
    from rich.text import Text

    job, last = state.job, state.last
    tz = job_zone(job, default_timezone)
    facts = [
        ("id", job.id),
        ("when", state.words),
        ("next", next_text(job, default_timezone)),
        (
            "last",
            f"{last.status.value} {clock_text(last.started_at or last.created_at, tz)}" if last else None,
        ),
        ("last id", last.id if last else None),
        ("slots fired", job.runs),
        ("written in", f"{job.source.value}{f', by {job.owner}' if job.owner else ''}"),
    ]
    if job.error is not None:
        facts.append(("error", f"{job.error.field}: {job.error.detail}"))
    table = rows(("", ""), facts, title=job.name)
    table.show_header = False
    return Group(table, Text(yaml_text(masked(short_document(job.definition))).rstrip()))


def next_text(job: Job, default_timezone: str) -> str:
    """When it runs next, or why it does not."""
    if job.status is JobStatus.CONFIG_ERROR:
        return "config error"
    if not job.definition.enabled:
        return "disabled"
    if job.status is JobStatus.FINISHED:
        return "finished"
    return clock_text(job.next_fire_at, job_zone(job, default_timezone)) or "when it has ended"


def executions_table(executions: Sequence[JobExecution], tz: ZoneInfo, *, of_one_job: bool) -> "Table":
    """Executions; an id is never broken, so that it can be copied."""
    columns = ["execution", "status", "when", "took" if of_one_job else "job"]
    table = rows(columns, ([_cell(each, column, tz) for column in columns] for each in executions))
    table.show_edge, table.pad_edge = False, False
    table.columns[0].no_wrap = table.columns[1].no_wrap = True
    # Time and offset stay together where the terminal is narrow.
    table.columns[2].min_width = len("00:00:00 +00:00")
    return table


def slots_table(occurrences: Iterable[Occurrence], tz: ZoneInfo) -> "Table":
    """Slots by the clocks of the zone and in UTC, and what a change of those clocks and a calendar did to them."""
    return rows(
        (str(tz), "UTC", "changes"),
        [
            (clock_text(each.at, tz), clock_text(each.at, zone("UTC")), _marks_text(each))
            for each in occurrences
        ],
    )


def _marks_text(slot: Occurrence) -> str | None:
    return ", ".join(_MARKS[mark.code].format(**asdict(mark)) for mark in slot.marks) or None


def job_zone(job: Job, default_timezone: str) -> ZoneInfo:
    """The zone by whose clocks a job is shown; one that cannot be read is the default."""
    try:
        return zone(job.definition.trigger.timezone or default_timezone)
    except UnknownZone:
        return zone(default_timezone)


def _cell(execution: JobExecution, column: str, tz: ZoneInfo) -> Any:
    match column:
        case "execution":
            return execution.id
        case "job":
            return execution.job_name
        case "status":
            return execution.status.value
        case "when":
            return clock_text(execution.started_at or execution.scheduled_at or execution.created_at, tz)
        case _:
            took = duration_ms(execution)
            return None if took is None else took_text(took)


def took_text(milliseconds: int) -> str:
    """How long something took, as exact as is of interest."""
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    seconds = milliseconds / 1000
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds // 60)} min {int(seconds % 60)} s"
