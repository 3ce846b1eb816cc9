"""`qs stats plot`: figures as a picture."""

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qs.application.statistics.drawing import FileKind, Look
from qs.application.statistics.picturing import ALWAYS, Picture, is_by_date
from qs.interface.cli.output import Json, emit, failing_plainly, misuse, note, run_async
from qs.interface.cli.session import open_container
from qs.interface.cli.stats_subjects import About, check, subject_of
from qs.interface.cli.tenancy import Tenant, tenant_of

if TYPE_CHECKING:
    from qs.application.statistics.drawing import Drawn

_SUFFIXES = (".png", ".svg")


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
    require_drawing()

    async def work() -> "Drawn":
        async with open_container() as container:
            tenant_id = await tenant_of(container, tenant)
            subject = await subject_of(container, tenant_id, about, name)
            pictures = container.statistics_pictures()
            dated = is_by_date(picture, subject.dimension)
            chart = await pictures.chart(
                tenant_id,
                picture,
                subject.dimension,
                subject.key,
                name=subject.title,
                period=period if dated else ALWAYS,
            )
            return await pictures.draw(chart, Look(kind=FileKind(output.suffix.lower().removeprefix("."))))

    drawn = run_async(work())
    with failing_plainly():
        output.write_bytes(drawn.content)
    if not drawn.is_whole:
        note("no font here has all the characters of the title; install one that has, or write an SVG")
    emit({"file": output}, json_mode, str(output))


def require_drawing() -> None:
    """Ends the verb with 1, and says what to install, where nothing can be drawn."""
    from qs.infra.statistics.matplotlib_drawing import require_matplotlib

    with failing_plainly():
        require_matplotlib()


def refuse_other_suffixes(file: Path) -> None:
    """Ends the verb as misuse where the file is neither a PNG nor an SVG."""
    if file.suffix.lower() not in _SUFFIXES:
        misuse(
            f"{file} is neither a .png nor a .svg, and nothing else can be drawn; give it one of these ends"
        )


def _date(text: str | None, option: str) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        misuse(f"{option} {text[:60]} is no date; write it as 2026-05-01")
