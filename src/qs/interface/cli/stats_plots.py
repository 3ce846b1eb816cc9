"""`qs stats plot`: figures as a picture."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from qs.application.statistics.reading import LONGEST_SPAN
from qs.domain.statistics.metrics import Counts, Dimension
from qs.domain.statistics.rates import Rate
from qs.interface.cli.output import Json, emit, fail, failing_plainly, misuse, note, run_async
from qs.interface.cli.session import open_container
from qs.interface.cli.stats_subjects import About, Subject, check, subject_of
from qs.interface.cli.stats_tables import local
from qs.interface.cli.tenancy import Tenant, tenant_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from qs.application.statistics.reading import FiguresView, StatisticsReading
    from qs.container import Container
    from qs.infra.statistics.plots import Heading

Period = tuple[date | None, date | None]

_SUFFIXES = (".png", ".svg")


class Picture(StrEnum):
    TREND = "trend"
    COMPLETION = "completion"
    RETENTION = "retention"


def plot(
    picture: Annotated[
        Picture,
        typer.Argument(
            help="Tasks a day; the part that was answered; how long people stay (of a plan).",
        ),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE", help="Where to: FILE.png or FILE.svg.")
    ],
    plan: Annotated[str | None, typer.Option(metavar="ID", help="Of this plan.")] = None,
    scale: Annotated[str | None, typer.Option(metavar="CODE", help="Of this scale.")] = None,
    testee: Annotated[
        str | None, typer.Option(metavar="ID", help="Of this testee: an id, or ext: and the external id.")
    ] = None,
    since: Annotated[str | None, typer.Option("--from", metavar="DATE", help="From this date on.")] = None,
    until: Annotated[str | None, typer.Option("--to", metavar="DATE", help="Up to this date.")] = None,
    tenant: Tenant = "default",
    json_mode: Json = False,
) -> None:
    """Draw a picture, of all of the tenant unless said; completion of a plan is by occasion, else by day."""
    named = [
        (about, name)
        for about, name in ((About.PLAN, plan), (About.SCALE, scale), (About.TESTEE, testee))
        if name
    ]
    if len(named) > 1:
        misuse("name one of --plan, --scale and --testee, or none of them for all of the tenant")
    about, name = named[0] if named else (About.SYSTEM, None)
    check(about, name)
    if picture is Picture.RETENTION and about is not About.PLAN:
        misuse("people stay in a plan: qs stats plot retention --plan ID")
    period = _date(since, "--from"), _date(until, "--to")
    if period[0] and period[1] and period[0] > period[1]:
        misuse(f"--from {since} is after --to {until}, and no date is in between; turn them round")
    refuse_other_suffixes(output)
    with drawing():
        from qs.infra.statistics.canvas import save

    async def work() -> "Figure":
        async with open_container() as container:
            tenant_id = await tenant_of(container, tenant)
            subject = await subject_of(container, tenant_id, about, name)
            return await _draw(container, tenant_id, picture, subject, period)

    figure = run_async(work())
    with failing_plainly():
        complete = save(figure, output)
    if not complete:
        note("no font here has all the characters of the title; install one that has, or write an SVG")
    emit({"file": output}, json_mode, str(output))


@contextmanager
def drawing() -> Iterator[None]:
    """Inside the block matplotlib may be imported; where it is not installed the verb ends with 1 and says so."""
    try:
        yield
    except ModuleNotFoundError as error:
        fail(f"{error.name} is not installed, which drawing needs: pip install 'qs[plots]'")


def refuse_other_suffixes(file: Path) -> None:
    """Ends the verb as misuse where the file is neither a PNG nor an SVG."""
    if file.suffix.lower() not in _SUFFIXES:
        misuse(
            f"{file} is neither a .png nor a .svg, and nothing else can be drawn; give it one of these ends"
        )


async def _draw(
    container: "Container", tenant_id: UUID, picture: Picture, subject: Subject, period: Period
) -> "Figure":
    from qs.infra.statistics import plots

    reading = container.statistics_reading()
    if subject.dimension is Dimension.PLAN and picture is not Picture.TREND:
        plan = await reading.plan(tenant_id, subject.plan_id)
        zone_name = plan.figures.timezone
        if picture is Picture.RETENTION:
            # The curve is read from the tasks as they are, and not from what was synced.
            now = (await container.clock_advancing().read()).now
            return plots.retention(_heading(subject, now, zone_name), plan.survival)
        rates = {each["seq"]: Rate(each["completed"], each["closed"]) for each in plan.occasions}
        return plots.completion_by_occasion(_heading(subject, plan.as_of, zone_name), rates)
    figures = await reading.figures(tenant_id, subject.dimension, subject.key)
    days = await _days(reading, tenant_id, subject, figures, period)
    draw = plots.trend if picture is Picture.TREND else plots.completion_by_day
    return draw(_heading(subject, figures.as_of, figures.timezone), days)


async def _days(
    reading: "StatisticsReading", tenant_id: UUID, subject: Subject, figures: "FiguresView", period: Period
) -> dict[date, Counts]:
    """The figures of every date there is, of the last 400 where they are more; of ``period`` where it says so."""
    since, until = period
    until = until or figures.through
    if until is None or figures.first_on is None:
        return {}
    since = since or max(figures.first_on, until - timedelta(LONGEST_SPAN - 1))
    rows = await reading.daily(tenant_id, subject.dimension, subject.key, since, until)
    return {row.day: row.counts for row in rows}


def _heading(subject: Subject, as_of: datetime | None, timezone: str) -> "Heading":
    from qs.infra.statistics.plots import Heading

    return Heading(subject.title, local(as_of, timezone) if as_of else "never", timezone)


def _date(text: str | None, option: str) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        misuse(f"{option} {text[:60]} is no date; write it as 2026-05-01")
